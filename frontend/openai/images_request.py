"""The body of `POST /v1/images/generations`, and the order that it stands for."""

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contract.formats import FORMATS
from contract.limits import MAX_SEED
from contract.sizes import SIZES
from frontend.actions.generate_request import RANDOM_SEED, ModelName, RawPrompt
from frontend.actions.status import Ignored
from frontend.http.extension import EXTENSION
from frontend.http.lenience import Lenience, Words
from frontend.http.request_reader import RequestReader

MAX_PICTURES = 4
AUTO = "auto"
# Of OpenAI's models that always answer in base64: their programs never ask for it.
_BASE64_MODELS = ("gpt-image", "chatgpt-image")


def _one_of(*names: str) -> Words:
    return Words(expected=f"one of {', '.join(names)}")


class ImagesRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Orders pictures and waits for them. A field that is not named here is refused."""

    prompt: RawPrompt
    model: ModelName = None
    n: Annotated[
        int, Meta(ge=1, le=MAX_PICTURES, description="How many pictures; each is a job", examples=[2])
    ] = 1
    size: Annotated[
        str,
        Meta(
            pattern=r"^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})\Z",
            description="`WIDTHxHEIGHT`: the size that there is of the most similar shape is drawn; `auto`: "
            "that of `generate`",
            examples=["1024x1024"],
        ),
        Words(expected="auto, or WIDTHxHEIGHT in pixels"),
    ] = AUTO
    response_format: Annotated[
        Literal["url", "b64_json"] | None,
        Meta(description="A link, or the file in base64, as it is always with `stream`", examples=["url"]),
        Words(
            expected="one of url, b64_json",
            default="`b64_json` of a `model` that begins with `gpt-image` or `chatgpt-image`, else `url`",
        ),
    ] = None
    output_format: Annotated[
        str,
        Meta(description="Of the file", examples=["webp"], pattern=rf"^({'|'.join(FORMATS)})\Z"),
        _one_of(*FORMATS),
    ] = "png"
    output_compression: Annotated[
        int,
        Meta(ge=0, le=100, description="Its quality; a PNG has none, 0 is 1", examples=[90]),
    ] = 100
    stream: Annotated[
        bool, Meta(description="Tells each picture as it is reviewed, as an event", examples=[True])
    ] = False
    partial_images: Annotated[
        int,
        Meta(ge=0, le=3, description="None are sent: nothing leaves before it is reviewed", examples=[0]),
    ] = 0
    background: Annotated[
        Literal["auto", "opaque"],
        Meta(description="Pictures have no transparency", examples=["opaque"]),
        _one_of("auto", "opaque"),
    ] = "auto"
    style: Annotated[
        str,
        Meta(description="Name of a style of the model", examples=["professional"]),
        Lenience("the model's"),
        Words(default="the model's", range="a style of the model"),
    ] = ""
    seed: Annotated[
        int,
        Meta(ge=RANDOM_SEED, le=MAX_SEED, description="Of the first picture; the others' are one higher "
             "each. -1: random", examples=[7], extra_json_schema=EXTENSION),
        Words(default="random"),
    ] = RANDOM_SEED  # fmt: skip
    quality: Ignored = None
    moderation: Ignored = None
    user: Ignored = None
    safety_identifier: Ignored = None

    @property
    def drawn_size(self) -> tuple[int, int]:
        if self.size == AUTO:
            return SIZES[0]
        width, height = map(int, self.size.split("x"))
        return min(SIZES, key=lambda size: abs(math.log(size[0] / size[1]) - math.log(width / height)))

    @property
    def in_base64(self) -> bool:
        if self.response_format is None:
            return isinstance(self.model, str) and self.model.strip().startswith(_BASE64_MODELS)
        return self.response_format == "b64_json"


read_images = RequestReader(ImagesRequest).read
