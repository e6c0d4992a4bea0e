"""`random`: a prompt for someone without an idea."""

import random as dice
from typing import Any

from frontend.actions.context import Call
from frontend.errors import ApiError
from frontend.prompt import format
from frontend.random_prompt import random_prompt

_rng = dice.SystemRandom()


async def random(call: Call) -> dict[str, Any]:
    character = call.body.get("character")
    if "character" in call.body and not isinstance(character, str):
        raise ApiError(400, "Invalid character: expected string")
    catalogue = call.services.catalogue.current
    return {"prompt": format(random_prompt(call.services.grammar, catalogue, character, _rng))}
