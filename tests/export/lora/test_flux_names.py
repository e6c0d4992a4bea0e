"""FLUX.1's LoRAs in Black Forest Labs' and x-flux's names, beside what diffusers' converters make of them.

At the published number of rows, which those converters need, and few columns, at which nobody looks.
"""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel
from diffusers.loaders import lora_conversion_utils as converters
from safetensors.torch import save_file

from contract.families import FLUX_DEV
from export.errors import ExportError
from export.lora.adapters import Array, Layer, Rows
from export.lora.factors import factors_of
from export.lora.lora_file import Lora, read_lora
from export.lora.targets import BIAS, by_flat_path, denoiser_root, rows_of
from tests.export.tiny_flux import transformer

WIDTH, RANK, COLUMNS = 3072, 4, 5
ROOT = denoiser_root(FLUX_DEV)
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


def changes(lora: Lora, outputs: Mapping[str, int]) -> dict[str, Array]:
    """What becomes of each weight and bias; `outputs`: of each by its path."""
    return {path: layer.product.of(np.float32(layer.scale)) for path, layer in parts(lora, outputs).items()}


def parts(lora: Lora, outputs: Mapping[str, int]) -> dict[str, Layer]:
    """As the merge finds them: by path, which of a file's layers each weight has."""
    found = {}
    names = by_flat_path([*outputs, *(path + BIAS for path in outputs)], ROOT)
    for name in lora.names:
        other = names[str(ROOT.path_of(name))]
        sizes = [outputs[path.removesuffix(BIAS)] for path in other.ours]
        for path, rows in zip(other.ours, rows_of(other, sizes), strict=True):
            assert path not in found
            layer = lora.layer(name)
            found[path] = layer.rows(rows, math.prod(layer.shape[1:])) if rows else layer
    return found


@pytest.fixture(scope="module")
def published() -> Mapping[str, int]:
    """Outputs of every layer at the published width, by path."""
    with torch.device("meta"):
        network = FluxTransformer2DModel(num_layers=2, num_single_layers=11, guidance_embeds=True)
    return outputs_of(network)


@pytest.fixture(scope="module")
def tiny() -> Mapping[str, int]:
    return outputs_of(transformer(guidance=True))


def outputs_of(network: FluxTransformer2DModel) -> Mapping[str, int]:
    ends = {key: value for key, value in network.state_dict().items() if key.endswith(".weight")}
    return {key.removesuffix(".weight"): len(value) for key, value in ends.items()}


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
    write: Callable[[], Tensors],
    convert: Callable[[Tensors], Tensors],
    published: Mapping[str, int],
    tmp_path: Path,
) -> None:
    tensors = write()
    found = changes(saved(tmp_path, tensors), published)
    theirs = {key.removeprefix("transformer."): value for key, value in convert(dict(tensors)).items()}
    assert found.keys() == {key.partition(".lora_")[0] for key in theirs}
    for path in found:
        down, up = (theirs[f"{path}.lora_{side}.weight"] for side in "AB")
        np.testing.assert_allclose(found[path], (up @ down).numpy(), rtol=1e-5, atol=1e-5, err_msg=path)


INNER = 32
"""The tiny transformer's width."""
QKV = "lora_unet_double_blocks_0_img_attn_qkv"


def low_rank(up: torch.Tensor, name: str = QKV) -> Tensors:
    return {f"{name}.lora_down.weight": torch.randn(up.shape[1], INNER), f"{name}.lora_up.weight": up}


def test_parts_that_were_trained_apart_keep_their_own_rank(tiny: Mapping[str, int], tmp_path: Path) -> None:
    """kohya's split_qkv writes them as one, with zeros where a part has nothing of another one's rank."""
    up = torch.block_diag(*(torch.randn(INNER, RANK) for _ in range(3)))
    found = parts(saved(tmp_path, low_rank(up)), tiny)
    assert len(found) == 3
    for layer in found.values():
        assert layer.tensors["down"].shape == (RANK, INNER)
        factors = factors_of(layer, layer.shape, lambda: np.zeros(1), rank=RANK)
        np.testing.assert_allclose(factors.up @ factors.down, layer.product.of(np.float32(1)), atol=1e-4)


def test_part_that_a_lora_leaves_alone_is_changed_by_nothing(tiny: Mapping[str, int], tmp_path: Path) -> None:
    up = torch.cat([torch.zeros(2 * INNER, RANK), torch.randn(INNER, RANK)])
    found = changes(saved(tmp_path, low_rank(up)), tiny)
    assert not found["transformer_blocks.0.attn.to_q"].any()
    assert found["transformer_blocks.0.attn.to_v"].any()


def test_kronecker_products_and_whole_differences_are_split_by_rows(
    tiny: Mapping[str, int], tmp_path: Path
) -> None:
    one, two, bias = torch.randn(7, 4), torch.randn(INNER, 8), torch.randn(7 * INNER)
    name = "lora_unet_single_blocks_0_linear1"
    tensors = {f"{name}.lokr_w1": one, f"{name}.lokr_w2": two, f"{name}.diff_b": bias}
    found, whole = changes(saved(tmp_path, tensors), tiny), torch.kron(one, two).numpy()
    stem = "single_transformer_blocks.0"
    for path, first, last in (("attn.to_q", 0, 1), ("attn.to_v", 2, 3), ("proj_mlp", 3, 7)):
        rows = slice(first * INNER, last * INNER)
        np.testing.assert_allclose(found[f"{stem}.{path}"], whole[rows], rtol=1e-6)
        np.testing.assert_array_equal(found[f"{stem}.{path}.bias"], bias[rows].numpy())


def test_magnitudes_of_outputs_are_split_and_those_of_inputs_refused(
    tiny: Mapping[str, int], tmp_path: Path
) -> None:
    up, magnitude = torch.randn(3 * INNER, RANK), torch.rand(3 * INNER, 1)
    layer = parts(saved(tmp_path, {**low_rank(up), f"{QKV}.dora_scale": magnitude}), tiny)[
        "transformer_blocks.0.attn.to_k"
    ]
    assert layer.magnitude is not None
    np.testing.assert_array_equal(layer.magnitude, magnitude[INNER : 2 * INNER].numpy())
    of_inputs = saved(tmp_path, {**low_rank(up), f"{QKV}.dora_scale": torch.rand(1, INNER)})
    with pytest.raises(ExportError, match="is a DoRA of inputs over several layers at once"):
        parts(of_inputs, tiny)


def test_rows_of_another_width_are_refused(tiny: Mapping[str, int], tmp_path: Path) -> None:
    lora = saved(tmp_path, low_rank(torch.ones(3 * INNER + 1, RANK)))
    with pytest.raises(ExportError, match=r"img_attn_qkv makes \[97, 32\], its targets together \[96, 32\]"):
        parts(lora, tiny)


def test_product_of_other_inputs_is_refused_before_it_is_made(tmp_path: Path) -> None:
    """Of two small factors, it would be gigabytes."""
    tensors = {f"{QKV}.lokr_w1": torch.ones(3 * INNER, 4096), f"{QKV}.lokr_w2": torch.ones(1, 65536)}
    layer = saved(tmp_path, tensors).layer(QKV)
    with pytest.raises(ExportError, match=r"its targets together \[96, 32\]"):
        layer.rows(Rows(0, INNER, 3 * INNER), INNER)
