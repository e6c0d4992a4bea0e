"""An error in OpenAI's form, at the addresses where OpenAI's clients ask."""

from typing import Annotated

import msgspec
from msgspec import Meta

from frontend.common.errors import ApiError

PREFIX = "/v1/"
"""What the paths of these addresses begin with."""
NEVER_AGAIN = {"x-should-retry": "false"}
"""Headers that keep their clients from asking again by themselves: it would be new work for nothing."""
MODERATION_BLOCKED = "moderation_blocked"
_CODES = {
    401: "invalid_api_key",
    405: "method_not_supported",
    429: "rate_limit_exceeded",
}  # of errors that have none of their own
_CODES_OF_WORDS = {
    "Prompt is required": "missing_required_parameter",
    "Prompt is too long": "string_above_max_length",
}


class OpenAIError(msgspec.Struct, frozen=True, kw_only=True):
    message: Annotated[str, Meta(description="In words", examples=["Unauthorized"])]
    type: Annotated[
        str,
        Meta(
            description="`invalid_request_error`, `image_generation_user_error`, `requests` (429) or "
            "`server_error`",
            examples=["invalid_request_error"],
        ),
    ]
    param: Annotated[str | None, Meta(description="The field that is wrong", examples=[None])]
    code: Annotated[str | None, Meta(description="For programs", examples=["invalid_api_key"])]


class OpenAIErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, in OpenAI's form."""

    error: OpenAIError


def openai_error(error: ApiError) -> OpenAIErrorAnswer:
    code = error.code or _CODES_OF_WORDS.get(error.message) or _CODES.get(error.status)
    return OpenAIErrorAnswer(
        error=OpenAIError(
            message=f"{error.message}: {error.detail}" if error.detail else error.message,
            type=_type(error.status, code),
            param=error.param or None,
            code=code,
        )
    )


def _type(status: int, code: str | None) -> str:
    if code == MODERATION_BLOCKED:
        return "image_generation_user_error"
    if status >= 500:
        return "server_error"
    return "requests" if status == 429 else "invalid_request_error"
