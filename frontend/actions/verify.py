"""`verify`: whether a picture was made here. The one action that needs no key."""

import asyncio
from typing import Any

from frontend.actions.context import Call, Services, Visit
from frontend.common.data_uri import from_data_uri
from frontend.common.errors import ApiError
from frontend.http.fields import Body, text
from frontend.net.guarded_fetcher import Unreachable
from frontend.registry.registry import Behind
from frontend.verification.answer import for_anyone, for_key
from frontend.verification.decode import UnreadablePicture
from frontend.verification.service import VerificationSlots
from frontend.verification.verifier import Verification


async def verify(call: Call) -> dict[str, Any]:
    services = call.services
    found = await _verify(services, call.body, services.verification.with_key, call.key.id)
    return for_key(found, services.default_texts.vendor, call.key.id)


async def verify_without_key(visit: Visit) -> dict[str, Any]:
    services = visit.services
    found = await _verify(services, visit.body, services.verification.without_key, visit.address)
    return for_anyone(found, services.default_texts.vendor)


async def _verify(services: Services, body: Body, slots: VerificationSlots, owner: str) -> Verification:
    """`owner`: key or address. Raises ApiError."""
    data = await _data(services, body, slots, owner)
    try:
        async with slots.reading.slot(owner):
            return await services.verification.verifier.verify(data)
    except UnreadablePicture as error:
        raise ApiError(400, f"Invalid {_source(body)}: {error}") from None
    except Behind:
        raise ApiError(503, "Registry is not ready", {"Retry-After": "5"}) from None


def _source(body: Body) -> str:
    """The one field that says where the picture is. Raises ApiError 400."""
    given = [name for name in ("image", "url") if body.get(name) not in (None, "")]
    if len(given) != 1:
        raise ApiError(400, "Either image or url is required")
    return given[0]


async def _data(services: Services, body: Body, slots: VerificationSlots, owner: str) -> bytes:
    most = services.max_body_bytes
    if _source(body) == "url":
        url = text(body, "url", most=None)
        try:
            return await services.verification.fetch(slots, owner, url, most)
        except Unreachable:
            raise ApiError(
                400, "Invalid url: no picture was to be had there (https and public addresses only)"
            ) from None
    try:
        return await asyncio.to_thread(from_data_uri, text(body, "image", most=None), most)
    except ValueError as error:
        raise ApiError(400, f"Invalid image: {error}") from None
