"""`optimize`: a better prompt, without a picture."""

from typing import Any

from frontend.actions.context import Call
from frontend.actions.generate_request import raw_prompt
from frontend.prompts import prompt as prompts


async def optimize(call: Call) -> dict[str, Any]:
    catalogue = call.services.catalogue.current
    model = catalogue.model(call.body.get("model"))
    raw = raw_prompt(call.body)
    asked = prompts.read(raw, catalogue.characters_of(model.name))
    better = await call.services.enhancer.enhance(asked.prompt, call.key.id)
    return {"prompt": prompts.format(better), **({"notes": asked.notes} if asked.notes else {})}
