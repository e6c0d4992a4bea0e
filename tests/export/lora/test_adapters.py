"""Every kind of layer that LyCORIS and PEFT write: the merged networks compute as those libraries do."""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoHaConfig, LoKrConfig, LoraConfig, PeftConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import nn

from export.character import merge_character
from export.checkpoints.checkpoint import Checkpoint, open_checkpoint
from export.errors import ExportError
from export.lora.adapters import Array, Layer, layer_of
from export.lora.strength import Strength
from export.lora.torch_lora import apply_lora
from export.networks.networks import networks_of
from export.networks.trace import example_inputs
from tests.export.loras import ALPHA, RANK, TARGETS
from tests.export.lycoris_files import ALGORITHMS, write_lycoris
from tests.export.session import largest_error, run

SIZES = {"batch": 2, "height": 6, "width": 10, "tokens": 77}
PARTS = ("text-encoder", "denoiser")
LIMIT = 1e-4  # of values around 1
Outputs = Mapping[str, torch.Tensor]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """LyCORIS tells of every network that it makes."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def outputs_of(checkpoint: Checkpoint) -> Outputs:
    """What torch makes of a checkpoint's networks."""
    with torch.no_grad():
        found = {
            one.part.name: one.module(**example_inputs(one.part, SIZES)) for one in networks_of(checkpoint)
        }
    return {part: found[part][0] if isinstance(found[part], tuple) else found[part] for part in PARTS}


def merged(repository: Path, lora: Path, strength: Strength = Strength()) -> dict[str, Array]:  # noqa: B008
    """What the character's networks make of the same inputs; the text encoder may be the base's."""
    target = lora.parent / "merged" / "eros-denoiser--aya"
    merge_character(repository / "eros-denoiser", lora, target, strength)
    checkpoint = open_checkpoint(lora.parent / "checkpoint")
    found = {}
    for network in networks_of(checkpoint):
        part = network.part.name
        if part in PARTS:
            own = target.with_name(f"eros-{part}--aya")
            folder = own if own.exists() else repository / f"eros-{part}"
            found[part] = run(folder, example_inputs(network.part, SIZES))[0]
    return found


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """Holds the tiny checkpoint under the name that `merged` knows."""
    (tmp_path / "checkpoint").symlink_to(tiny_folder)
    return tmp_path


def same(found: Mapping[str, Array], wanted: Outputs) -> bool:
    return all(largest_error(found[part], wanted[part]) < LIMIT for part in PARTS)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_merged_networks_compute_as_lycoris_does(name: str, repository: Path, folder: Path) -> None:
    checkpoint = open_checkpoint(folder / "checkpoint")
    plain = outputs_of(checkpoint)
    encoders: list[nn.Module] = list(checkpoint.text_encoders.values())
    path = write_lycoris(name, checkpoint.denoiser, encoders, folder / "lora.safetensors")
    found, wanted = merged(repository, path), outputs_of(checkpoint)
    assert {part: largest_error(found[part], wanted[part]) < LIMIT for part in PARTS} == dict.fromkeys(
        PARTS, True
    )
    assert all(float((plain[part] - wanted[part]).abs().max()) > 0.01 for part in PARTS)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_reference_agrees_with_the_merge_at_any_strength(name: str, repository: Path, folder: Path) -> None:
    """What `imgen character add` compares with is code of its own, or PEFT's."""
    path = write_lycoris(
        name, open_checkpoint(folder / "checkpoint").denoiser, [], folder / "lora.safetensors"
    )
    strength = Strength(0.7, {"unet.up_blocks": 0.5, "unet.up_blocks.0": 0.0})
    checkpoint = open_checkpoint(folder / "checkpoint")
    apply_lora(path, strength, checkpoint)
    assert same(merged(repository, path, strength), outputs_of(checkpoint))


CONFIGS: Mapping[str, PeftConfig] = {
    "LoRA": LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, init_lora_weights=False),
    "rsLoRA, alphas by pattern": LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=TARGETS,
        use_rslora=True,
        rank_pattern={"mid_block.resnets.0.conv1": 2},
        alpha_pattern={"mid_block.resnets.0.conv1": 3, "to_k": 1},
    ),
    "DoRA": LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS, use_dora=True),
    "LoHa": LoHaConfig(r=RANK, alpha=ALPHA, target_modules=TARGETS),
    "LoHa of kernels": LoHaConfig(r=RANK, alpha=ALPHA, target_modules=TARGETS, use_effective_conv2d=True),
    "LoKr": LoKrConfig(r=RANK, alpha=ALPHA, target_modules=TARGETS),
    "LoKr, whole matrices": LoKrConfig(r=64, alpha=ALPHA, target_modules=TARGETS, decompose_factor=4),
}


def randomised(network: nn.Module) -> None:
    torch.manual_seed(2)
    for key, parameter in network.named_parameters():
        if "lora_magnitude_vector" in key:
            parameter.data *= torch.rand_like(parameter) + 0.5
        elif any(kind in key for kind in ("lora_", "hada_", "lokr_")):
            nn.init.normal_(parameter, std=0.2)


@pytest.mark.parametrize("strength", [Strength(), Strength(0.6, {"unet.mid_block": 0.0})])
@pytest.mark.parametrize("name", CONFIGS)
def test_merged_networks_compute_as_peft_does(
    name: str, strength: Strength, repository: Path, folder: Path
) -> None:
    """From what PEFT itself saves; less of it beside what `imgen character add` compares with."""
    checkpoint = open_checkpoint(folder / "checkpoint")
    model = get_peft_model(checkpoint.denoiser, CONFIGS[name]).eval()
    randomised(model)
    model.save_pretrained(folder)
    path = folder / "adapter_model.safetensors"
    if strength != Strength():
        checkpoint = open_checkpoint(folder / "checkpoint")
        apply_lora(path, strength, checkpoint)
    assert same(merged(repository, path, strength), outputs_of(checkpoint))


@pytest.mark.parametrize("name", ["LoRA", "rsLoRA, alphas by pattern", "DoRA"])
def test_merged_networks_compute_as_what_diffusers_saved(name: str, repository: Path, folder: Path) -> None:
    checkpoint = open_checkpoint(folder / "checkpoint")
    config = CONFIGS[name]
    model = get_peft_model(checkpoint.denoiser, config).eval()
    randomised(model)
    state = {
        key.removeprefix("base_model.model."): value
        for key, value in get_peft_model_state_dict(model).items()
    }
    StableDiffusionXLPipeline.save_lora_weights(
        folder,
        unet_lora_layers=state,
        weight_name="lora.safetensors",
        unet_lora_adapter_metadata=config.to_dict(),
    )
    wanted = outputs_of(checkpoint)
    assert same(merged(repository, folder / "lora.safetensors"), wanted)
    again = open_checkpoint(folder / "checkpoint")
    apply_lora(folder / "lora.safetensors", Strength(), again)
    assert all(float((outputs_of(again)[part] - wanted[part]).abs().max()) < LIMIT for part in PARTS)


def layer(**tensors: tuple[int, ...]) -> Layer:
    filled = {role: np.ones(shape, np.float32) for role, shape in tensors.items()}
    magnitude = filled.pop("magnitude", None)
    return layer_of("x", filled, lambda rank: 1.0, magnitude)


@pytest.mark.parametrize(
    "tensors",
    [
        {"hada_w1_a": (8, 2), "hada_w1_b": (2, 8), "hada_w2_a": (8, 2), "hada_w2_b": (3, 8)},
        {"hada_w1_a": (8, 2), "hada_w1_b": (2, 8), "hada_w2_a": (8, 2), "hada_w2_b": (2, 9)},
        {"hada_w1_a": (8,), "hada_w1_b": (2, 8), "hada_w2_a": (8, 2), "hada_w2_b": (2, 8)},
        {"lokr_w1": (2,), "lokr_w2": (4, 4)},
        {"lokr_w1": (2, 2), "lokr_w2_a": (4, 2), "lokr_w2_b": (3, 4)},
        {"lokr_w1_a": (2, 2), "lokr_w2": (4, 4)},
        {"down": (2, 8, 1, 1), "up": (8, 2, 1, 1), "mid": (3, 2, 3, 3)},
        {"down": (2, 8), "up": (8, 2), "mid": (2, 2, 3, 3)},
        {"diff": ()},
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(tensors: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ExportError, match=r"LoRA layer x: shapes .* do not fit"):
        layer(**tensors)


@pytest.mark.parametrize("magnitude", [(7,), (1, 7), (8, 1, 1), ()])
def test_magnitude_of_another_size_does_not_fit(magnitude: tuple[int, ...]) -> None:
    assert not layer(down=(2, 6), up=(8, 2), magnitude=magnitude).fits((8, 6))
    assert layer(down=(2, 6), up=(8, 2), magnitude=(8,)).fits((8, 6))


def test_claimed_size_is_never_computed() -> None:
    """A file of a few kilobytes may claim a weight of terabytes."""
    huge = layer(up=(1 << 21, 1), down=(1, 1 << 21))
    assert huge.shape == (1 << 21, 1 << 21) and not huge.fits((8, 6))


def test_pattern_that_could_be_slow_is_refused(repository: Path, folder: Path) -> None:
    checkpoint = open_checkpoint(folder / "checkpoint")
    get_peft_model(checkpoint.denoiser, CONFIGS["LoRA"]).save_pretrained(folder)
    config = folder / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "alpha_pattern": {"(a+)+b": 1}}))
    with pytest.raises(ExportError, match=r"alpha_pattern has '\(a\+\)\+b', which is no module's name"):
        merged(repository, folder / "adapter_model.safetensors")


def test_dora_without_its_magnitudes_is_refused(repository: Path, folder: Path) -> None:
    checkpoint = open_checkpoint(folder / "checkpoint")
    get_peft_model(checkpoint.denoiser, CONFIGS["DoRA"]).save_pretrained(folder)
    path = folder / "adapter_model.safetensors"
    save_file({key: value for key, value in load_file(path).items() if "magnitude" not in key}, path)
    with pytest.raises(ExportError, match="is DoRA's by its settings, and has no magnitude"):
        merged(repository, path)
