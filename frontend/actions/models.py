"""`models`: what can be asked for."""

from collections.abc import Mapping
from typing import Any

from frontend.actions.context import Call


async def models(call: Call) -> Mapping[str, Any]:
    return call.services.catalogue.current.response
