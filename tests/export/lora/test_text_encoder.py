"""LoRAs that change the text encoders: the character gets one of its own, which encodes as torch's does."""

import json
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from peft import LoraConfig, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import nn

from export.character import merge_character
from export.checkpoints.checkpoint import Checkpoint, open_checkpoint
from export.errors import ExportError
from export.networks.networks import network_of, networks_of
from export.networks.text_encoder import TextEncoders
from export.networks.trace import example_inputs
from tests.export.loras import ALPHA, RANK, peft_state, save_kohya, with_lora
from tests.export.session import largest_error, run

LAYERS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
SIZES = {"batch": 2, "tokens": 77}
States = dict[str, dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def adapted(tiny_folder: Path) -> tuple[TextEncoders, States]:
    """Both text encoders with random adapters, run by PEFT, and the adapters' weights."""
    checkpoint, states = open_checkpoint(tiny_folder), {}
    torch.manual_seed(5)
    for name in ("text_encoder", "text_encoder_2"):
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=LAYERS, init_lora_weights=False)
        encoder = inject_adapter_in_model(config, checkpoint.networks[name])
        for parameter, weight in encoder.named_parameters():
            if "lora_" in parameter:
                nn.init.normal_(weight, std=0.2)
        states[name] = {key: value.contiguous() for key, value in get_peft_model_state_dict(encoder).items()}
    return network_of(checkpoint, "text-encoder").module.eval(), states


def kohya(states: States, path: Path) -> Path:
    tensors = {}
    for network, prefix in (("text_encoder", "lora_te1_"), ("text_encoder_2", "lora_te2_")):
        for key, value in states[network].items():
            module, side = key.removesuffix(".weight").rsplit(".", 1)
            name = prefix + module.replace(".", "_")
            tensors[f"{name}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"] = value
            tensors[f"{name}.alpha"] = torch.tensor(float(ALPHA))
    save_file(tensors, path)
    return path


def diffusers(states: States, path: Path) -> Path:
    """As the library itself writes it."""
    metadata = {"r": RANK, "lora_alpha": ALPHA}
    StableDiffusionXLPipeline.save_lora_weights(
        path.parent,
        text_encoder_lora_layers=states["text_encoder"],
        text_encoder_2_lora_layers=states["text_encoder_2"],
        weight_name=path.name,
        text_encoder_lora_adapter_metadata=metadata,
        text_encoder_2_lora_adapter_metadata=metadata,
    )
    return path


@pytest.mark.parametrize("write", [kohya, diffusers])
def test_character_encodes_text_as_peft_does(
    tiny: Checkpoint, repository: Path, adapted: tuple[TextEncoders, States], tmp_path: Path, write: object
) -> None:
    encoder, states = adapted
    path = write(states, tmp_path / "lora.safetensors")  # type: ignore[operator]
    merge_character(repository / "eros-denoiser", path, tmp_path / "eros-denoiser--aya")
    inputs = example_inputs(next(iter(networks_of(tiny))).part, SIZES)
    with torch.no_grad():
        wanted = encoder(**inputs)
    found = run(tmp_path / "eros-text-encoder--aya", inputs)
    plain = run(repository / "eros-text-encoder", inputs)
    for one, other, before in zip(found, wanted, plain, strict=True):
        assert largest_error(one, other) < 1e-4
        assert largest_error(before, other) > 0.01


def test_text_encoder_goes_when_the_next_lora_has_none(
    tiny_folder: Path, repository: Path, adapted: tuple[TextEncoders, States], tmp_path: Path
) -> None:
    target = tmp_path / "eros-denoiser--aya"
    with_text = kohya(adapted[1], tmp_path / "one.safetensors")
    unet = with_lora(UNet2DConditionModel.from_pretrained(tiny_folder / "unet"), seed=1)
    without = save_kohya(peft_state(unet), tmp_path / "other.safetensors")
    merge_character(repository / "eros-denoiser", with_text, target)
    assert json.loads((target / "merge.json").read_text())["text_encoder"]
    assert not merge_character(repository / "eros-denoiser", with_text, target).written
    merge_character(repository / "eros-denoiser", without, target)
    assert not (tmp_path / "eros-text-encoder--aya").exists()


def test_text_encoder_that_is_not_there_is_refused(
    repository: Path, adapted: tuple[TextEncoders, States], tmp_path: Path
) -> None:
    base = tmp_path / "base" / "eros-denoiser"
    base.parent.mkdir()
    base.symlink_to(repository / "eros-denoiser")
    path = kohya(adapted[1], tmp_path / "lora.safetensors")
    with pytest.raises(ExportError, match=r"There is no .*eros-text-encoder"):
        merge_character(base, path, tmp_path / "eros-denoiser--aya")
    assert not (tmp_path / "eros-denoiser--aya").exists()
