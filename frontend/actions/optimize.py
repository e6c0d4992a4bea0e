"""`optimize`: a better prompt, without a picture."""

from typing import Any

from frontend import prompt as prompts
from frontend.actions.context import Call
from frontend.request import raw_prompt


async def optimize(call: Call) -> dict[str, Any]:
    catalogue = call.services.catalogue.current
    model = catalogue.model(call.body.get("model"))
    prompt = prompts.parse(raw_prompt(call.body), catalogue.characters_of(model.name))
    return {"prompt": prompts.format(await call.services.enhancer.enhance(prompt))}
