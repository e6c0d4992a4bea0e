"""What `POST /v1/images/generations` answers: all pictures at once, or each as an event."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from frontend.actions.generate import Notes
from frontend.http.extension import EXTENSION

JSON, BASE64 = "application/json", "iVBORw0KGgo="


class TokenDetails(msgspec.Struct, frozen=True, kw_only=True):
    text_tokens: Annotated[Literal[0], Meta(description="Always 0", examples=[0])] = 0
    image_tokens: Annotated[Literal[0], Meta(description="Always 0", examples=[0])] = 0


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True):
    """There because clients read it: nothing here is counted in tokens."""

    total_tokens: Annotated[Literal[0], Meta(description="Always 0", examples=[0])] = 0
    input_tokens: Annotated[Literal[0], Meta(description="Always 0", examples=[0])] = 0
    output_tokens: Annotated[Literal[0], Meta(description="Always 0", examples=[0])] = 0
    input_tokens_details: Annotated[TokenDetails, Meta(description="Always 0")] = TokenDetails()


class PictureItem(msgspec.Struct, frozen=True, kw_only=True):
    """One picture that was found safe."""

    url: Annotated[
        str | UnsetType,
        Meta(
            description="Lasts 15 minutes, unless the operator says otherwise; missing where base64 was "
            "asked for",
            examples=["https://pictures.example/…"],
        ),
    ] = UNSET
    b64_json: Annotated[
        str | UnsetType, Meta(description="The file; missing where links were asked for", examples=[BASE64])
    ] = UNSET
    revised_prompt: Annotated[
        str, Meta(description="The canonical prompt, as it was drawn", examples=["@mira waving, -rain"])
    ]


class ImagesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The pictures that were found safe, in the order of their seeds."""

    created: Annotated[int, Meta(description="Seconds since 1970", examples=[1795600000])]
    model: Annotated[
        str, Meta(description="The model that was used", examples=["eros"], extra_json_schema=EXTENSION)
    ]
    background: Annotated[Literal["opaque"], Meta(description="Always the same", examples=["opaque"])] = (
        "opaque"
    )
    output_format: Annotated[str, Meta(description="Of the files", examples=["png"])]
    size: Annotated[str, Meta(description="That was drawn", examples=["1024x1024"])]
    data: Annotated[
        tuple[PictureItem, ...],
        Meta(
            min_length=1,
            max_length=4,
            description="At least one: where none was found safe, the answer is an error; where some were "
            "not, `notes` say why",
            examples=[[{"url": "https://pictures.example/…", "revised_prompt": "@mira waving, -rain"}]],
        ),
    ]
    usage: Annotated[TokenUsage, Meta(description="All 0")] = TokenUsage()
    notes: Notes | UnsetType = UNSET


class CompletedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`data` of an event `image_generation.completed`: one picture that was found safe."""

    type: Annotated[
        Literal["image_generation.completed"],
        Meta(description="Always the same", examples=["image_generation.completed"]),
    ] = "image_generation.completed"
    b64_json: Annotated[str, Meta(description="The file", examples=[BASE64])]
    created_at: Annotated[int, Meta(description="Seconds since 1970", examples=[1795600000])]
    model: Annotated[
        str, Meta(description="The model that was used", examples=["eros"], extra_json_schema=EXTENSION)
    ]
    background: Annotated[Literal["opaque"], Meta(description="Always the same", examples=["opaque"])] = (
        "opaque"
    )
    output_format: Annotated[str, Meta(description="Of the file", examples=["png"])]
    quality: Annotated[Literal["auto"], Meta(description="Always the same", examples=["auto"])] = "auto"
    size: Annotated[str, Meta(description="That was drawn", examples=["1024x1024"])]
    usage: Annotated[TokenUsage, Meta(description="All 0")] = TokenUsage()


class PictureEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the stream."""

    event: Annotated[
        Literal["image_generation.completed", "error"],
        Meta(description="`error` is the last one", examples=["image_generation.completed"]),
    ]
    data: Annotated[
        str,
        Meta(
            description="JSON in one line: of a picture what follows, of an `error` an error's body",
            examples=['{"type":"image_generation.completed","b64_json":"iVBORw0KGgo=",…}'],
            extra_json_schema={"contentMediaType": JSON},
        ),
    ]
