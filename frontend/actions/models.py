"""`models`: what can be asked for."""

import msgspec

from frontend.actions.context import Call
from frontend.catalogue.answer import ModelsAnswer


class ModelsRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", tag="models"):
    """What this server offers."""


async def models(call: Call[ModelsRequest]) -> ModelsAnswer:
    return call.services.catalogue.current.response
