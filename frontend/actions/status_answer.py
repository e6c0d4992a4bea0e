"""What `status` answers of a job: one type for each state that a client can meet."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from frontend.http.extension import EXTENSION

ID, GEN_ID, PRINT = "run_k3v9q0x2m5t8w1z4c7b6", "a1b2c3d4e5f6g7h8i9j0", "a4f8e2c1b9d0" + "0" * 52


class QueuedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The job waits."""

    status: Annotated[Literal["IN_QUEUE"], Meta(description="Not final", examples=["IN_QUEUE"])] = "IN_QUEUE"
    progress: Annotated[
        float,
        Meta(ge=0, le=1, description="Nothing is drawn yet", examples=[0.0], extra_json_schema=EXTENSION),
    ] = 0.0
    queue_position: Annotated[
        int | None,
        Meta(
            description="1 is next, by turns of all keys; null in the moment between two places",
            examples=[3],
            extra_json_schema=EXTENSION,
        ),
    ]


class RunningAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The picture is drawn, or waits for its review."""

    status: Annotated[Literal["IN_PROGRESS"], Meta(description="Not final", examples=["IN_PROGRESS"])] = (
        "IN_PROGRESS"
    )
    progress: Annotated[
        float, Meta(ge=0, le=1, description="From 0 to 1", examples=[0.45], extra_json_schema=EXTENSION)
    ]


class ImageLink(msgspec.Struct, frozen=True, kw_only=True):
    url: Annotated[
        str,
        Meta(
            description="Signed anew at every poll; lasts 15 minutes, unless the operator says otherwise",
            examples=[f"https://pictures.example/{GEN_ID}_{PRINT}_00001.webp?signature=…"],
        ),
    ]
    filename: Annotated[
        str,
        Meta(description='Of the file; `""` from the cache', examples=[f"{GEN_ID}_{PRINT}_00001.webp"]),
    ]
    type: Annotated[
        Literal["signed", "thumbnail"],
        Meta(description="`signed` is the picture itself", examples=["signed"]),
    ]


class PictureMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What was used, fallbacks and clamps included, and what came of it."""

    id: Annotated[str, Meta(description="Of the job", examples=[ID])]
    gen_id: Annotated[str, Meta(description="Of the picture", examples=[GEN_ID])]
    time: Annotated[
        str, Meta(description="When the job was accepted, UTC", examples=["2026-11-25T09:00:00Z"])
    ]
    prompt: Annotated[
        str, Meta(description="The canonical prompt", examples=["@mira waving, in a meadow, -rain"])
    ]
    positive: Annotated[
        str,
        Meta(
            description="What was composed of it: trigger, character, prompt, style",
            examples=["mira, waving, in a meadow, soft light"],
        ),
    ]
    negative: Annotated[
        str, Meta(description="What the picture should not show, composed", examples=["blurry, rain"])
    ]
    drawn: Annotated[
        str | UnsetType,
        Meta(
            description="The prompt exactly as the model was given it and the reviewer was told; not of a "
            "picture from the cache",
            examples=["mira, waving, in a meadow, soft light"],
            extra_json_schema=EXTENSION,
        ),
    ] = UNSET
    character: Annotated[str, Meta(description='Name; `""` for nobody', examples=["mira"])]
    model: Annotated[str, Meta(description="Name of the model", examples=["eros"])]
    style: Annotated[str, Meta(description="Name of the style", examples=["professional"])]
    width: Annotated[int, Meta(description="Pixels", examples=[1344])]
    height: Annotated[int, Meta(description="Pixels", examples=[768])]
    format: Annotated[str, Meta(description="Of the file", examples=["webp"])]
    quality: Annotated[int, Meta(description="Of the file", examples=[95])]
    lossless: Annotated[bool, Meta(description="Whether it was asked for", examples=[False])]
    optimized: Annotated[bool, Meta(description="Whether the prompt was extended first", examples=[False])]
    seed: Annotated[
        int, Meta(description="That was used, a random one too", examples=[7], extra_json_schema=EXTENSION)
    ]
    steps: Annotated[int, Meta(description="Denoising steps", examples=[20], extra_json_schema=EXTENSION)]
    sampler: Annotated[
        str | UnsetType,
        Meta(
            description="That took them; missing where the Triton does not tell",
            examples=["dpmpp_2m"],
            extra_json_schema=EXTENSION,
        ),
    ] = UNSET
    spacing: Annotated[
        str | UnsetType,
        Meta(
            description="Of its noise levels; missing where they are the sampler's own, or a flow model's",
            examples=["karras"],
            extra_json_schema=EXTENSION,
        ),
    ] = UNSET
    guidance: Annotated[
        float,
        Meta(description="By the prompt; 1 is none", examples=[6.0], extra_json_schema=EXTENSION),
    ]
    wm_position: Annotated[
        str, Meta(description="Of the watermark, in one spelling", examples=["bottom-right"])
    ]
    wm_transparency: Annotated[int, Meta(description="Its opacity", examples=[100])]
    wm_rotation: Annotated[int, Meta(description="Degrees counter-clockwise", examples=[0])]
    wm_padding_x: Annotated[int, Meta(description="Pixels", examples=[10])]
    wm_padding_y: Annotated[int, Meta(description="Pixels", examples=[10])]
    cs_author: Annotated[str, Meta(description="As signed", examples=["Studio North"])]
    cs_title: Annotated[str, Meta(description="As signed", examples=["Meadow"])]
    cs_description: Annotated[str, Meta(description="As signed", examples=["Cover of the spring issue"])]
    cs_organization: Annotated[str, Meta(description="As signed", examples=["North Publishing"])]
    cs_vendor: Annotated[str, Meta(description="As signed", examples=["North Pictures"])]
    wm_scale: Annotated[int, Meta(description="Its width, percent of the picture's", examples=[5])]
    compliance: Annotated[Literal["safe"], Meta(description="The verdict", examples=["safe"])] = "safe"
    compliance_codes: Annotated[tuple[str, ...], Meta(description="Empty: nothing triggered", examples=[[]])]
    compliance_ruleset: Annotated[str, Meta(description="That the review went by", examples=["default"])]
    precompliance: Annotated[
        str, Meta(description="As sent, cut to 2,000 characters", examples=["risk_score=0.04"])
    ]
    fingerprint: Annotated[
        str, Meta(description="PDQ hash of the picture, 64 hexadecimal digits", examples=[PRINT])
    ]
    images: Annotated[
        tuple[ImageLink, ...],
        Meta(
            min_length=2,
            max_length=2,
            description="The picture, and its thumbnail",
            examples=[
                [
                    {"url": "https://pictures.example/…", "filename": "….webp", "type": "signed"},
                    {"url": "https://pictures.example/…", "filename": "…_thumb.webp", "type": "thumbnail"},
                ]
            ],
        ),
    ]
    enable_invisimark: Annotated[
        bool, Meta(description="Whether the picture has an invisible mark", examples=[True])
    ]
    enable_c2pa: Annotated[bool, Meta(description="Whether it has content credentials", examples=[True])] = (
        True
    )
    compute_pdq: Annotated[bool, Meta(description="Whether it has a fingerprint", examples=[True])] = True
    weights: Annotated[
        Mapping[str, str],
        Meta(
            description="SHA-256 of the weights that drew it: `engine`, of a character `base` and `lora`, "
            "of a style's LoRA `base` and `style_lora`. Of LoRAs that were not merged, how much of them: "
            "`lora_strength`, `style_lora_strength`",
            examples=[{"engine": "0" * 64}],
            extra_json_schema=EXTENSION,
        ),
    ]
    runtime: Annotated[
        str | UnsetType,
        Meta(
            description="What computed its networks: library, version and precision; one seed gives one "
            "picture on one runtime; missing where the Triton does not tell",
            examples=["openvino 2026.4.1 bf16"],
            extra_json_schema=EXTENSION,
        ),
    ] = UNSET
    timings: Annotated[
        Mapping[str, float],
        Meta(
            description="Milliseconds: `queue`, `encode`, `denoise`, `decode`, `finish`, `review`",
            examples=[{"queue": 3.1, "denoise": 4200.0, "decode": 310.5, "finish": 140.2, "review": 80.0}],
            extra_json_schema=EXTENSION,
        ),
    ]


class CompletedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The picture is made, and found safe."""

    status: Annotated[Literal["COMPLETED"], Meta(description="Final", examples=["COMPLETED"])] = "COMPLETED"
    cache: Annotated[
        bool | UnsetType,
        Meta(
            description="True where the picture is handed out from the cache; missing otherwise",
            examples=[True],
        ),
    ] = UNSET
    meta: PictureMeta


class BlockedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The picture is made, and blocked; there is no `meta`. Look at `compliance` before you look for it."""

    status: Annotated[Literal["COMPLETED"], Meta(description="Final", examples=["COMPLETED"])] = "COMPLETED"
    compliance: Annotated[Literal["unsafe"], Meta(description="The verdict", examples=["unsafe"])] = "unsafe"
    error: Annotated[
        str,
        Meta(description="Why, in a sentence", examples=["Content blocked — flagged for: Violence."]),
    ]
    filter_categories: Annotated[
        tuple[str, ...], Meta(description="Ids of the categories that triggered", examples=[["violence"]])
    ]
    unsafe_url: Annotated[
        str | UnsetType,
        Meta(
            description="The picture's link in base64, for moderators; missing where the rule that protects "
            "minors had a part in it, and for keys made with `--no-unsafe-url`",
            examples=["aHR0cHM6Ly9waWN0dXJlcy5leGFtcGxlLw=="],
        ),
    ] = UNSET


class FailedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """There is no picture."""

    status: Annotated[Literal["FAILED"], Meta(description="Final", examples=["FAILED"])] = "FAILED"
    error: Annotated[
        str,
        Meta(
            description="`Generation failed`, `Compliance review unavailable`, or `Picture was taken down`",
            examples=["Generation failed"],
        ),
    ]


class TimedOutAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The picture was not made in time."""

    status: Annotated[Literal["TIMED_OUT"], Meta(description="Final", examples=["TIMED_OUT"])] = "TIMED_OUT"
    error: Annotated[str, Meta(description="In words", examples=["Generation timed out"])] = (
        "Generation timed out"
    )


class CancelledAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The job was stopped by `cancel`."""

    status: Annotated[Literal["CANCELLED"], Meta(description="Final", examples=["CANCELLED"])] = "CANCELLED"


StatusAnswer = (
    QueuedAnswer
    | RunningAnswer
    | CompletedAnswer
    | BlockedAnswer
    | FailedAnswer
    | TimedOutAnswer
    | CancelledAnswer
)
ENDS = (CompletedAnswer, BlockedAnswer, FailedAnswer, TimedOutAnswer, CancelledAnswer)
"""Those that are final."""
