"""`models`: what can be asked for."""

from typing import Any

from frontend.actions.context import Call


async def models(call: Call) -> dict[str, Any]:
    return call.services.catalogue.current.response()
