"""OpenAI's chat completions as this server speaks them: the body read strictly, the answer in its shape."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

import orjson

from llm.framing import extract_idea
from llm.write_request import MAX_TOKENS, WriteRequest, WrittenText

MODEL = "gemma-3-270m"


class InvalidBody(Exception):
    """What is wrong with the body, for the client."""


def parse_request(body: bytes) -> WriteRequest:
    """What a request asks for: its last user message is the idea. Raises InvalidBody."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidBody("expected JSON") from None
    if not isinstance(given, dict):
        raise InvalidBody("expected a JSON object")
    if given.get("stream"):
        raise InvalidBody("stream: not supported")
    idea = extract_idea(_last_user_message(given.get("messages")))
    if not idea:
        raise InvalidBody("messages: expected a user message with text")
    return WriteRequest(
        idea=idea,
        max_tokens=min(MAX_TOKENS, int(_number(given, "max_tokens", MAX_TOKENS, 1, 1_000_000))),
        temperature=_number(given, "temperature", 0.5, 0, 2),
        seed=int(_number(given, "seed", secrets.randbelow(2**32 - 1), -(2**63), 2**63)) % (2**32 - 1),
    )


def _last_user_message(messages: object) -> str:
    if not isinstance(messages, list):
        raise InvalidBody("messages: expected a list")
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            content = message.get("content")
            if not isinstance(content, str):
                raise InvalidBody("messages: expected text as content")
            return content
    return ""


def _number(given: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidBody(f"{name}: expected a number from {low} to {high}")
    return value


def build_completion(written: WrittenText) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": written.text},
                "finish_reason": "stop" if written.finished else "length",
            }
        ],
        "usage": {
            "prompt_tokens": written.prompt_tokens,
            "completion_tokens": written.tokens,
            "total_tokens": written.prompt_tokens + written.tokens,
        },
    }
