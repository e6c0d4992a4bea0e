"""`optimize`: a better prompt, without a picture."""

from typing import Any

from frontend.actions.context import Call
from frontend.actions.generate_request import raw_prompt
from frontend.prompts import prompt as prompts


async def optimize(call: Call) -> dict[str, Any]:
    catalogue = call.services.catalogue.current
    model = catalogue.model(call.body.get("model"))
    prompt = prompts.parse(raw_prompt(call.body), catalogue.characters_of(model.name))
    return {"prompt": prompts.format(await call.services.enhancer.enhance(prompt, call.key.id))}
