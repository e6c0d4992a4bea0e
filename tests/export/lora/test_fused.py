"""FLUX.1's LoRAs in Black Forest Labs' and x-flux's names, beside what diffusers' converters make of them.

At the published number of rows, which those converters need, and few columns, at which nobody looks.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.loaders import lora_conversion_utils as converters
from safetensors.torch import save_file

from export.errors import ExportError
from export.lora.adapters import Array
from export.lora.factors import factors_of
from export.lora.lora_file import Lora, read_lora

WIDTH, RANK, COLUMNS = 3072, 4, 5
Tensors = dict[str, torch.Tensor]
ROWS = {
    "double_blocks.1.img_attn.qkv": 3 * WIDTH,
    "double_blocks.1.txt_attn.qkv": 3 * WIDTH,
    "double_blocks.1.img_attn.proj": WIDTH,
    "double_blocks.1.txt_attn.proj": WIDTH,
    "double_blocks.1.img_mlp.0": 4 * WIDTH,
    "double_blocks.1.img_mlp.2": WIDTH,
    "double_blocks.1.txt_mlp.0": 4 * WIDTH,
    "double_blocks.1.txt_mlp.2": WIDTH,
    "double_blocks.1.img_mod.lin": 6 * WIDTH,
    "double_blocks.1.txt_mod.lin": 6 * WIDTH,
    "single_blocks.10.linear1": 7 * WIDTH,
    "single_blocks.10.linear2": WIDTH,
    "single_blocks.10.modulation.lin": 3 * WIDTH,
    "img_in": WIDTH,
    "txt_in": WIDTH,
    "time_in.in_layer": WIDTH,
    "vector_in.out_layer": WIDTH,
    "guidance_in.in_layer": WIDTH,
    "final_layer.linear": 64,
    "final_layer.adaLN_modulation.1": 2 * WIDTH,
}
X_FLUX = {
    "double_blocks.1.processor.qkv_lora1": 3 * WIDTH,
    "double_blocks.1.processor.qkv_lora2": 3 * WIDTH,
    "double_blocks.1.processor.proj_lora1": WIDTH,
    "double_blocks.1.processor.proj_lora2": WIDTH,
    "single_blocks.10.processor.qkv_lora": 3 * WIDTH,
    "single_blocks.10.processor.proj_lora": WIDTH,
}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def kohya(alpha: float) -> Tensors:
    found = {}
    for layer, rows in ROWS.items():
        name = f"lora_unet_{layer.replace('.', '_')}"
        found[f"{name}.lora_down.weight"] = torch.randn(RANK, COLUMNS)
        found[f"{name}.lora_up.weight"] = torch.randn(rows, RANK)
        if "final_layer" not in layer:  # whose alphas that converter throws away
            found[f"{name}.alpha"] = torch.tensor(alpha)
    return found


def comfy() -> Tensors:
    return {
        re.sub(r"^lora_unet_(.*?)\.", lambda match: f"diffusion_model.{DOTTED[match[1]]}.", key): value
        for key, value in kohya(2.0).items()
    }


DOTTED = {layer.replace(".", "_"): layer for layer in ROWS}


def x_flux() -> Tensors:
    found = {}
    for layer, rows in X_FLUX.items():
        found[f"{layer}.down.weight"] = torch.randn(RANK, COLUMNS)
        found[f"{layer}.up.weight"] = torch.randn(rows, RANK)
    return found


def saved(folder: Path, tensors: Tensors) -> Lora:
    save_file(tensors, folder / "lora.safetensors")
    return read_lora(folder / "lora.safetensors")


def changes(lora: Lora) -> dict[str, Array]:
    found = {}
    for name in lora.names:
        layer = lora.layer(name)
        path = re.sub(r"^(lora_unet_|diffusion_model_)", "", name)
        found[path] = layer.product.of(np.float32(layer.scale))
    return found


@pytest.mark.parametrize(
    ("write", "convert"),
    [
        (lambda: kohya(2.0), converters._convert_kohya_flux_lora_to_diffusers),
        (comfy, converters._convert_kohya_flux_lora_to_diffusers),
        (x_flux, converters._convert_xlabs_flux_lora_to_diffusers),
    ],
    ids=["kohya", "ComfyUI", "x-flux"],
)
def test_layers_are_those_that_diffusers_makes(
    write: Callable[[], Tensors], convert: Callable[[Tensors], Tensors], tmp_path: Path
) -> None:
    tensors = write()
    found = changes(saved(tmp_path, tensors))
    theirs = {key.removeprefix("transformer."): value for key, value in convert(dict(tensors)).items()}
    assert found.keys() == {key.partition(".lora_")[0] for key in theirs}
    for path in found:
        down, up = (theirs[f"{path}.lora_{side}.weight"] for side in "AB")
        np.testing.assert_allclose(found[path], (up @ down).numpy(), rtol=1e-5, atol=1e-5, err_msg=path)


def test_parts_that_were_trained_apart_keep_their_own_rank(tmp_path: Path) -> None:
    """kohya's split_qkv writes them as one, with zeros where a part has nothing of another one's rank."""
    up = torch.block_diag(*(torch.randn(8, RANK) for _ in range(3)))
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    lora = saved(
        tmp_path,
        {f"{name}.lora_down.weight": torch.randn(3 * RANK, 8), f"{name}.lora_up.weight": up},
    )
    for name in lora.names:
        layer = lora.layer(name)
        assert layer.tensors["down"].shape == (RANK, 8)
        factors = factors_of(layer, (8, 8), lambda: np.zeros((8, 8)), rank=RANK)
        np.testing.assert_allclose(factors.up @ factors.down, layer.product.of(np.float32(1)), atol=1e-5)


def test_part_that_a_lora_leaves_alone_is_changed_by_nothing(tmp_path: Path) -> None:
    up = torch.cat([torch.zeros(16, RANK), torch.randn(8, RANK)])
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    lora = saved(tmp_path, {f"{name}.lora_down.weight": torch.randn(RANK, 8), f"{name}.lora_up.weight": up})
    found = changes(lora)
    assert not found["transformer_blocks.0.attn.to_q"].any()
    assert found["transformer_blocks.0.attn.to_v"].any()


def test_kronecker_products_and_whole_differences_are_split_by_rows(tmp_path: Path) -> None:
    one, two = torch.randn(4, 2), torch.randn(7, 3)
    bias = torch.randn(28)
    lora = saved(
        tmp_path,
        {
            "lora_unet_single_blocks_0_linear1.lokr_w1": one,
            "lora_unet_single_blocks_0_linear1.lokr_w2": two,
            "lora_unet_single_blocks_0_linear1.diff_b": bias,
        },
    )
    found, whole = changes(lora), torch.kron(one, two).numpy()
    stem = "single_transformer_blocks.0"
    for path, rows in (("attn.to_q", slice(4)), ("attn.to_v", slice(8, 12)), ("proj_mlp", slice(12, 28))):
        np.testing.assert_allclose(found[f"{stem}.{path}"], whole[rows], rtol=1e-6)
        np.testing.assert_array_equal(found[f"{stem}.{path}.bias"], bias[rows].numpy())


def dora(magnitude: torch.Tensor) -> Tensors:
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    return {
        f"{name}.lora_down.weight": torch.randn(RANK, 8),
        f"{name}.lora_up.weight": torch.randn(24, RANK),
        f"{name}.dora_scale": magnitude,
    }


def test_magnitudes_of_outputs_are_split_and_those_of_inputs_refused(tmp_path: Path) -> None:
    magnitude = torch.rand(24, 1)
    layer = saved(tmp_path, dora(magnitude)).layer("lora_unet_transformer_blocks.0.attn.to_k")
    assert layer.magnitude is not None
    np.testing.assert_array_equal(layer.magnitude, magnitude[8:16].numpy())
    lora = saved(tmp_path, dora(torch.rand(1, 8)))
    with pytest.raises(ExportError, match="cannot be split: its magnitudes are of inputs"):
        lora.layer("lora_unet_transformer_blocks.0.attn.to_k")


def test_rows_that_are_no_three_parts_are_refused(tmp_path: Path) -> None:
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    lora = saved(
        tmp_path,
        {f"{name}.lora_down.weight": torch.ones(4, 8), f"{name}.lora_up.weight": torch.ones(25, 4)},
    )
    with pytest.raises(ExportError, match=r"img_attn_qkv cannot be split: 25 rows are not 3 equal parts"):
        lora.layer("lora_unet_transformer_blocks.0.attn.to_q")


def test_one_layer_under_two_names_is_refused(tmp_path: Path) -> None:
    names = ("diffusion_model.double_blocks.0.img_attn.qkv", "diffusion_model.transformer_blocks.0.attn.to_q")
    tensors = {}
    for name, rows in zip(names, (24, 8), strict=True):
        tensors[f"{name}.lora_A.weight"] = torch.ones(4, 8)
        tensors[f"{name}.lora_B.weight"] = torch.ones(rows, 4)
    with pytest.raises(ExportError, match="under two names"):
        saved(tmp_path, tensors)
