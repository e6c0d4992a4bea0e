"""`random`: a prompt for someone without an idea."""

from typing import Any

from frontend.actions.context import Call
from frontend.common.errors import ApiError
from frontend.prompts import prompt as prompts
from frontend.prompts.random_prompt import random_prompt


async def random(call: Call) -> dict[str, Any]:
    character = call.body.get("character")
    if "character" in call.body and not isinstance(character, str):
        raise ApiError(400, "Invalid character: expected string")
    catalogue = call.services.catalogue.current
    return {"prompt": prompts.format(random_prompt(call.services.grammar, catalogue, character))}
