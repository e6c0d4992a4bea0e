"""LoRA files for Z-Image: those that diffusers writes and reads, and those in its authors' names."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ZImagePipeline, ZImageTransformer2DModel
from peft import LoraConfig, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file

from contract.bank import BankSize
from export.character import main as add_character
from export.checkpoints.checkpoint import open_checkpoint
from export.lora.strength import Strength
from export.lora.torch_lora import apply_lora
from export.model import ExportOptions, export_checkpoint
from tests.export.lora.bases import merged_weights
from tests.export.tiny_z_image import pipeline, save_tiny_z_image

RANK = 4
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "w1", "w2", "w3"]
Tensors = dict[str, torch.Tensor]
Factors = Mapping[str, tuple[torch.Tensor, torch.Tensor]]
"""Down and up, by the path of the layer."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint, and its model eros in `models`."""
    folder = tmp_path_factory.mktemp("z-image-lora")
    export_checkpoint(
        save_tiny_z_image(folder / "turbo"), "eros", folder / "models", ExportOptions(storage="fp32")
    )
    return folder


@pytest.fixture(scope="module")
def by_diffusers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as diffusers' training scripts save it, alpha in its metadata."""
    folder = tmp_path_factory.mktemp("diffusers")
    network = pipeline().transformer
    network.add_adapter(LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=TARGETS))
    generator = torch.Generator().manual_seed(5)
    for name, weight in network.named_parameters():
        if ".lora_" in name:
            weight.data = torch.randn(weight.shape, generator=generator) * 0.1
    ZImagePipeline.save_lora_weights(
        folder,
        transformer_lora_layers=get_peft_model_state_dict(network),
        transformer_lora_adapter_metadata=network.peft_config["default"].to_dict()
        | {"target_modules": TARGETS},
    )
    return folder / "pytorch_lora_weights.safetensors"


def loaded_by_diffusers(path: Path) -> Mapping[str, torch.Tensor]:
    """The transformer's weights with the file merged into them."""
    made = pipeline()
    made.load_lora_weights(str(path.parent), weight_name=path.name)
    network: ZImageTransformer2DModel = made.transformer
    found = {}
    for name, layer in network.named_modules():
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            found[f"{name}.weight"] = layer.get_base_layer().weight.detach()
    return found


def factors_in(path: Path) -> Factors:
    tensors = load_file(path)
    names = {key.rpartition(".lora_")[0] for key in tensors}
    return {
        name.removeprefix("transformer."): (
            tensors[f"{name}.lora_A.weight"],
            tensors[f"{name}.lora_B.weight"],
        )
        for name in sorted(names)
    }


def kohya(factors: Factors) -> Tensors:
    found: Tensors = {}
    for path, (down, up) in factors.items():
        name = f"lora_unet_{path.replace('.', '_')}"
        found |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        found[f"{name}.alpha"] = torch.tensor(2.0 * RANK)
    return found


def ai_toolkit(factors: Factors) -> Tensors:
    """Whose alpha is the rank: here what the others have by theirs is in the factors."""
    return {
        f"diffusion_model.{path}.lora_{side}.weight": value * scale
        for path, pair in factors.items()
        for side, value, scale in zip("AB", pair, (1.0, 2.0), strict=True)
    }


def of_authors(factors: Factors) -> Tensors:
    """Queries, keys and values in one layer: their downs one below the other, their ups along a diagonal."""
    found: Tensors = {}
    for path, (down, up) in factors.items():
        block, _, last = path.rpartition("attention.")
        if last in ("to_k", "to_v"):
            continue
        if last == "to_q":
            three = [factors[f"{block}attention.{one}"] for one in ("to_q", "to_k", "to_v")]
            down = torch.cat([one for one, _ in three])
            up = torch.block_diag(*(one for _, one in three))
        name = "diffusion_model." + path.replace("to_q", "qkv").replace("to_out.0", "out")
        found |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
        found[f"{name}.alpha"] = torch.tensor(2.0 * len(down))
    return found


def of_authors_flat(factors: Factors) -> Tensors:
    found = {}
    for key, value in of_authors(factors).items():
        name, _, end = key.removeprefix("diffusion_model.").partition(".lora_")
        found["lora_unet_" + (f"{name.replace('.', '_')}.lora_{end}" if end else flat_alpha(name))] = value
    return found


def flat_alpha(name: str) -> str:
    return name.removesuffix(".alpha").replace(".", "_") + ".alpha"


LAYOUTS: Mapping[str, Callable[[Factors], Tensors]] = {
    "kohya": kohya,
    "ai-toolkit": ai_toolkit,
    "ComfyUI": of_authors,
    "kohya in the authors' names": of_authors_flat,
}


@pytest.mark.parametrize("layout", ["diffusers", *LAYOUTS])
def test_weights_are_those_that_diffusers_loads(
    layout: str, folder: Path, by_diffusers: Path, tmp_path: Path
) -> None:
    path, wanted = by_diffusers, loaded_by_diffusers(by_diffusers)
    assert len(wanted) == 4 * len(TARGETS)
    if layout != "diffusers":
        path = tmp_path / "lora.safetensors"
        tensors = LAYOUTS[layout](factors_in(by_diffusers))
        save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    options = ["--name", "aya", "--model", "eros", "--repository", str(folder / "models"), "--compare"]
    assert add_character([str(path), *options, "--output", str(tmp_path / "out")]) == 0
    found = merged_weights(tmp_path / "out" / "eros-denoiser--aya")
    plain = pipeline().transformer.state_dict()
    for name, value in found.items():
        if name.startswith("transformer."):
            path_of = name.removeprefix("transformer.")
            right = wanted.get(path_of, plain[path_of]).numpy()
            np.testing.assert_allclose(value.reshape(right.shape), right, 1e-4, 1e-5, err_msg=name)


def test_layer_of_another_model_is_refused_by_name(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = {
        f"diffusion_model.layers.7.attention.to_q.lora_{side}.weight": torch.ones(shape)
        for side, shape in (("A", (4, 48)), ("B", (48, 4)))
    }
    save_file(tensors, tmp_path / "lora.safetensors")
    options = ["--name", "aya", "--model", "eros", "--repository", str(folder / "models")]
    assert add_character([str(tmp_path / "lora.safetensors"), *options]) == 2
    assert "1 LoRA layers have no target in the model: diffusion_model.layers.7" in capsys.readouterr().err


def test_bank_draws_a_character_as_torch_does(folder: Path, by_diffusers: Path, tmp_path: Path) -> None:
    options = ExportOptions(storage="fp32", adapters=BankSize(4, RANK))
    export_checkpoint(folder / "turbo", "eros", tmp_path, options)
    given = ["--name", "aya", "--model", "eros", "--repository", str(tmp_path), "--compare"]
    assert add_character([str(by_diffusers), *given]) == 0


def test_torch_is_changed_by_the_same(folder: Path, by_diffusers: Path) -> None:
    checkpoint = open_checkpoint(folder / "turbo")
    assert apply_lora(by_diffusers, Strength(), checkpoint) == []
    for name, value in loaded_by_diffusers(by_diffusers).items():
        found = checkpoint.denoiser.get_parameter(name)
        torch.testing.assert_close(found, value, rtol=1e-4, atol=1e-5)
