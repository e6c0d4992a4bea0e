"""A family that nobody has: three text encoders, pooled text of two, no time ids.

At tiny size, from a checkpoint to a picture by Triton's pipeline, with a character. It runs where ROW is in
contract/families.py and MODULE is export/families/trio.py; see test_made_up_family.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection

if TYPE_CHECKING:
    from tests.export.session import OnnxEngine

ROOT = Path(__file__).resolve().parents[3]
ROW = """

TRIO = Family(
    name="trio",
    title="Trio",
    pipeline="TrioPipeline",
    text_encoders=(
        TextEncoder(name="text_encoder", tokenizer="tokenizer", pad="!", layer="last"),
        TextEncoder(
            name="text_encoder_2", tokenizer="tokenizer_2", pad="!", layer="penultimate", pooled=True
        ),
        TextEncoder(name="text_encoder_3", tokenizer="tokenizer_3", pad="a", layer="last", pooled=True),
    ),
    time_ids=False,
    latent_channels=4,
    downscale=32,
    diffusion=_PUBLISHED,
)
FAMILIES += (TRIO,)
"""
MODULE = """
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from contract.families import TRIO
from export.families.family import TorchFamily
from export.families.stable_diffusion import ask_unet

FAMILY = TorchFamily(
    row=TRIO,
    networks={
        "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
        "text_encoder_3": CLIPTextModelWithProjection,
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
    },
    predict=ask_unet(lambda given: {"class_labels": given["pooled"]}),
    denoiser_config={"class_embed_type": "projection", "addition_embed_type": None},
)
"""
WIDTHS, POOLED = (32, 64, 32), (16, 8)
Array = npt.NDArray[Any]


def save_trio(folder: Path) -> Path:
    from tests.export.tiny import CHANNELS, END, PAD, VOCABULARY, save_checkpoint, text_config, tokenizer, vae

    torch.manual_seed(0)
    first, second, third = (
        text_config(width, eos_token_id=VOCABULARY[END], projection_dim=pooled)
        for width, pooled in zip(WIDTHS, (8, *POOLED), strict=True)
    )
    unet = UNet2DConditionModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=4,
        cross_attention_dim=sum(WIDTHS),
        class_embed_type="projection",
        projection_class_embeddings_input_dim=sum(POOLED),
        norm_num_groups=8,
    )
    networks = {
        "text_encoder": CLIPTextModel(first),
        "text_encoder_2": CLIPTextModelWithProjection(second),
        "text_encoder_3": CLIPTextModelWithProjection(third),
        "unet": unet,
        "vae": vae(),
        "tokenizer": tokenizer(END),
        "tokenizer_2": tokenizer(PAD),
        "tokenizer_3": tokenizer("a"),
    }
    return save_checkpoint(folder, "TrioPipeline", networks, "flow")


def save_lora(path: Path) -> Path:
    """kohya's keys, of one layer of the third text encoder and one of the UNet."""
    torch.manual_seed(1)
    tensors = {}
    for name, width in (
        ("lora_te3_text_model_encoder_layers_1_mlp_fc1", (32, 64)),
        ("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q", (64, 64)),
    ):
        tensors[f"{name}.lora_down.weight"] = torch.randn(4, width[0]) * 0.3
        tensors[f"{name}.lora_up.weight"] = torch.randn(width[1], 4) * 0.3
        tensors[f"{name}.alpha"] = torch.tensor(4.0)
    save_file(tensors, path)
    return path


def draw(repository: Path, prompt: str, character: str = "") -> tuple[Array, "OnnxEngine"]:
    from order import Order
    from pipeline import Pipeline
    from repositories import Repositories

    order = Order(
        prompt=prompt,
        negative="rain",
        model="eros",
        character=character,
        width=96,
        height=64,
        steps=2,
        guidance=3.0,
        seed=7,
    )

    async def step_done(share: float) -> None:
        assert 0 < share < 1

    repositories = Repositories([repository])
    unit = repositories.character("eros", character) if character else None
    from tests.export.session import OnnxEngine

    engine = OnnxEngine(repository)
    pipeline = Pipeline(engine, repositories.base("eros"), repositories.networks(order, unit))
    return asyncio.run(pipeline.paint(order, step_done)).pixels, engine


def main(folder: Path) -> None:
    from export.character import main as add_character
    from export.checkpoints.restore import restore_checkpoint
    from export.model import ExportOptions, export_checkpoint

    models = folder / "models"
    export_checkpoint(save_trio(folder / "checkpoint"), "eros", models, ExportOptions(storage="fp32"))
    restored = restore_checkpoint(models, "eros", folder / "restored")
    export_checkpoint(restored, "eros", folder / "again", ExportOptions(storage="fp32"))
    lora = save_lora(folder / "lora.safetensors")
    options = ["--name", "aya", "--model", "eros", "--repository", str(models), "--compare"]
    assert add_character([str(lora), *options]) == 0
    plain, engine = draw(models, "a red fox")
    other, _ = draw(models, "a lake")
    character, of_character = draw(models, "a red fox", "aya")
    shown = {
        "given": {
            network: {name: list(array.shape) for name, array in tensors.items()}
            for network, tensors in engine.given.items()
        },
        "of_character": list(of_character.given),
        "shape": list(plain.shape),
        "prompt_matters": bool(np.any(plain != other)),
        "character_matters": bool(np.any(plain != character)),
    }
    print(json.dumps(shown))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
