"""What clients are told of the catalogue."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta


class OfferedStyle(msgspec.Struct, frozen=True, kw_only=True):
    label: Annotated[str, Meta(description="For people", examples=["Professional"])]


class OfferedModel(msgspec.Struct, frozen=True, kw_only=True):
    label: Annotated[str, Meta(description="For people", examples=["Eros"])]
    default_style: Annotated[
        str, Meta(description="The style of a request that names none", examples=["professional"])
    ]
    styles: Annotated[
        Mapping[str, OfferedStyle],
        Meta(
            description="By the name that `style` takes",
            examples=[{"professional": {"label": "Professional"}}],
        ),
    ]


class ModelsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Characters, models and their styles. The first model is the default one."""

    characters: Annotated[
        tuple[str, ...], Meta(description="Names that `@name` takes, sorted", examples=[["aya", "mira"]])
    ]
    models: Annotated[
        Mapping[str, OfferedModel],
        Meta(
            description="By the name that `model` takes",
            examples=[
                {
                    "eros": {
                        "label": "Eros",
                        "default_style": "professional",
                        "styles": {"professional": {"label": "Professional"}},
                    }
                }
            ],
        ),
    ]
