"""Goes on from the weights in `demo/models/`: the checkpoints of the training that made them are not kept."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from demo.training.pipeline import Pipeline
from export.checkpoints.restore import restore_checkpoint

MODELS, NAME = Path(__file__).parents[1] / "models", "eros"


def restore(build: Path) -> Path:
    """The released model as a diffusers folder in `build`, whose vocabulary training will use.

    Other weights have another folder, and so a training of their own.
    """
    digest = hashlib.sha256()
    for path in sorted(MODELS.glob("*/1/model.onnx")):
        digest.update(path.read_bytes())
    folder = build / f"released-{digest.hexdigest()[:12]}"
    if not folder.exists():
        restore_checkpoint(MODELS, NAME, folder)
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(folder / name, build / "shared" / name, dirs_exist_ok=True)
    return folder


def start(pipeline: Pipeline, folder: Path) -> None:
    pipeline.text_encoder.load_state_dict(CLIPTextModel.from_pretrained(folder / "text_encoder").state_dict())
    second = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2")
    pipeline.text_encoder_2.load_state_dict(second.state_dict())
    pipeline.unet.load_state_dict(UNet2DConditionModel.from_pretrained(folder / "unet").state_dict())


def start_decoder(autoencoder: AutoencoderKL, folder: Path) -> None:
    """The encoder, which no graph uses and nothing trains, comes back as zeros."""
    autoencoder.load_state_dict(AutoencoderKL.from_pretrained(folder / "vae").state_dict())
