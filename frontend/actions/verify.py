"""`verify`: whether a picture was made here. The one action that needs no key."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from frontend.actions.context import Call, Services, Visit
from frontend.common.data_uri import ONE_PIXEL, from_data_uri
from frontend.common.errors import ApiError
from frontend.http.lenience import Words
from frontend.net.guarded_fetcher import Unreachable
from frontend.registry.registry import Behind
from frontend.verification.answer import KeyVerifyAnswer, VerifyAnswer, for_anyone, for_key
from frontend.verification.decode import UnreadablePicture
from frontend.verification.service import VerificationSlots
from frontend.verification.verifier import Verification


class VerifyRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", tag="verify"):
    """Tells whether a picture was made here. Needs no key; takes one of `image` and `url`."""

    image: Annotated[
        str,
        Meta(
            description="The picture",
            examples=[ONE_PIXEL],
        ),
        Words(range="JPEG, PNG, WebP, AVIF or GIF as a base64 data URI"),
    ] = ""
    url: Annotated[
        str,
        Meta(
            description="Where the picture is",
            examples=["https://pictures.example/picture.jpg"],
            extra_json_schema={"format": "uri"},
        ),
        Words(range="https, at a public address"),
    ] = ""


_SAYS, _SAYS_NOTHING = {"type": "string", "pattern": r"\S"}, {"pattern": r"^\s*$"}
ONE_OF_TWO: Mapping[str, Any] = {
    "if": {"required": ["image"], "properties": {"image": _SAYS}},
    "then": {"properties": {"url": _SAYS_NOTHING}},
    "else": {"required": ["url"], "properties": {"url": _SAYS, "image": _SAYS_NOTHING}},
}
"""Of `image` and `url`, for JSON Schema."""


async def verify(call: Call[VerifyRequest]) -> KeyVerifyAnswer:
    services = call.services
    found = await _verify(services, call.asked, services.verification.with_key, call.key.id)
    return for_key(found, services.default_texts.vendor, call.key.id)


async def verify_without_key(visit: Visit[VerifyRequest]) -> VerifyAnswer:
    services = visit.services
    found = await _verify(services, visit.asked, services.verification.without_key, visit.address)
    return for_anyone(found, services.default_texts.vendor)


async def _verify(
    services: Services, asked: VerifyRequest, slots: VerificationSlots, owner: str
) -> Verification:
    """`owner`: key or address. Raises ApiError."""
    data = await _data(services, asked, slots, owner)
    try:
        async with slots.reading.slot(owner):
            return await services.verification.verifier.verify(data)
    except UnreadablePicture as error:
        raise ApiError(400, f"Invalid {_source(asked)}: {error}") from None
    except Behind:
        raise ApiError(503, "Registry is not ready", {"Retry-After": "5"}) from None


def _source(asked: VerifyRequest) -> str:
    """The one field that says where the picture is. Raises ApiError 400."""
    if bool(asked.image) == bool(asked.url):
        raise ApiError(400, "Either image or url is required")
    return "image" if asked.image else "url"


async def _data(services: Services, asked: VerifyRequest, slots: VerificationSlots, owner: str) -> bytes:
    most = services.max_body_bytes
    if _source(asked) == "url":
        try:
            return await services.verification.fetch(slots, owner, asked.url, most)
        except Unreachable:
            raise ApiError(
                400, "Invalid url: no picture was to be had there (https and public addresses only)"
            ) from None
    try:
        return await asyncio.to_thread(from_data_uri, asked.image, most)
    except ValueError as error:
        raise ApiError(400, f"Invalid image: {error}") from None
