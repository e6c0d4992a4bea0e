"""`optimize`: a better prompt, without a picture."""

from typing import Any

from frontend.actions.context import Call
from frontend.actions.generate_request import raw_prompt
from frontend.prompts import prompt as prompts


async def optimize(call: Call) -> dict[str, Any]:
    catalogue = call.services.catalogue.declared  # nothing is drawn, so weights do not matter
    asked = call.body.get("model")
    model = catalogue.models.get(asked if isinstance(asked, str) else "", catalogue.default_model)
    raw = raw_prompt(call.body)
    asked = prompts.read(raw, catalogue.characters_of(model.name))
    better = await call.services.enhancer.enhance(asked.prompt, call.key.id)
    return {"prompt": prompts.format(better), **({"notes": asked.notes} if asked.notes else {})}
