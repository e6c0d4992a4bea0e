"""`optimize`: a better prompt, without a picture."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from frontend.actions.context import Call
from frontend.actions.generate import Notes
from frontend.actions.generate_request import ModelName, RawPrompt
from frontend.prompts import prompt as prompts


class OptimizeRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", tag="optimize"):
    """Has the language model extend a prompt; nothing is drawn."""

    prompt: RawPrompt
    model: ModelName = None


class OptimizeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The extended prompt; character and negatives stay."""

    prompt: Annotated[
        str,
        Meta(
            description="In its canonical form",
            examples=["@aya old lighthouse, storm, crashing waves, dramatic light, -rain"],
        ),
    ]
    notes: Notes | UnsetType = UNSET


async def optimize(call: Call[OptimizeRequest]) -> OptimizeAnswer:
    catalogue = call.services.catalogue.declared  # nothing is drawn, so weights do not matter
    named = call.asked.model
    model = catalogue.models.get(named if isinstance(named, str) else "", catalogue.default_model)
    read = prompts.read(call.asked.prompt, catalogue.characters_of(model.name))
    better = await call.services.enhancer.enhance(read.prompt, call.key.id)
    return OptimizeAnswer(prompt=prompts.format(better), notes=read.notes or UNSET)
