"""`optimize`: a better prompt, without a picture."""

from typing import Any

from frontend.actions.context import Call
from frontend.prompt import format, parse
from frontend.request import raw_prompt


async def optimize(call: Call) -> dict[str, Any]:
    catalogue = call.services.catalogue.current
    model = catalogue.model(call.body.get("model"))
    prompt = parse(raw_prompt(call.body), catalogue.characters_of(model.name))
    return {"prompt": format(await call.services.enhancer.enhance(prompt))}
