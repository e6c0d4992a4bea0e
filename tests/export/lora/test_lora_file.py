import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file

from export.errors import ExportError
from export.lora.adapters import Array, Layer
from export.lora.lora_file import read_lora
from export.lora.stability_names import sgm_names
from export.lora.targets import UNET, by_flat_path
from tests.export.tiny import unet

NAME = "unet.mid_block.attentions.0.proj_in"
Tensors = dict[str, torch.Tensor]


def pair(name: str = NAME, rank: int = 2) -> Tensors:
    return {f"{name}.lora_A.weight": torch.ones(rank, 64), f"{name}.lora_B.weight": torch.ones(64, rank)}


def change_of(layer: Layer) -> Array:
    return layer.change(np.zeros(layer.shape, np.float32))


def saved(tensors: Tensors, folder: Path, **settings: object) -> Path:
    metadata = {"lora_adapter_metadata": json.dumps(settings)} if settings else None
    save_file(tensors, folder / "lora.safetensors", metadata=metadata)
    return folder / "lora.safetensors"


def test_change_is_up_times_down_scaled_by_alpha_over_rank(tmp_path: Path) -> None:
    (layer,) = read_lora(saved({**pair(), f"{NAME}.alpha": torch.tensor(1.0)}, tmp_path))
    assert change_of(layer).shape == (64, 64)
    assert set(change_of(layer).ravel()) == {1.0}  # rank 2 of ones, times 1/2


def test_change_without_alpha_is_not_scaled(tmp_path: Path) -> None:
    (layer,) = read_lora(saved(pair(), tmp_path))
    assert layer.scale == 1.0


@pytest.mark.parametrize(("rslora", "scale"), [(False, 4.0), (True, 8.0)])
def test_alpha_is_read_from_diffusers_metadata(tmp_path: Path, rslora: bool, scale: float) -> None:
    settings = {"unet.r": 4, "unet.lora_alpha": 16, "unet.use_rslora": rslora}
    (layer,) = read_lora(saved(pair(rank=4), tmp_path, **settings))
    assert layer.scale == scale


def test_alpha_is_read_from_pefts_file_beside_it(tmp_path: Path) -> None:
    path = saved(pair("base_model.model.conv_in", rank=4), tmp_path)
    with pytest.raises(ExportError, match=r"needs the adapter_config\.json"):
        read_lora(path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 8}))
    assert [layer.scale for layer in read_lora(path)] == [2.0]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_are_read(tmp_path: Path, kind: torch.dtype) -> None:
    (layer,) = read_lora(saved({key: (value * 1.5).to(kind) for key, value in pair().items()}, tmp_path))
    assert set(change_of(layer).ravel()) == {4.5}


def with_tensor(key: str) -> Callable[[], Tensors]:
    return lambda: {**pair(), key: torch.ones(2, 2)}


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        (with_tensor("lora_unet_conv_in.hada_w1_a"), "1 keys are no part of a LoRA layer"),
        (with_tensor("lora_unet_conv_in.lokr_w2"), "1 keys are no part of a LoRA layer"),
        (with_tensor("lora_unet_conv_in.dora_scale"), "1 keys are no part of a LoRA layer"),
        (with_tensor("lora_unet_conv_in.oft_blocks"), "OFT is not supported"),
        (with_tensor("lora_unet_conv_in.on_input"), "IA3 is not supported"),
        (with_tensor(f"{NAME}.lora_B.bias"), "LoRA with biases is not supported"),
        (with_tensor("lora_te1_text_model_encoder_layers_0.lora_up.weight"), "1 keys are no part of a LoRA"),
        (with_tensor("text_encoder_2.layers.0.lora_A.weight"), "1 keys are no part of a LoRA layer"),
        (
            with_tensor("unet.conv_in.lora_A.weight"),
            r"1 keys are no part of a LoRA layer: unet\.conv_in\.lora_A",
        ),
        (with_tensor("unet.conv_in.weight"), r"1 keys are no part of a LoRA layer: unet\.conv_in\.weight"),
        (with_tensor("unet.conv_in.alpha"), r"1 keys are no part of a LoRA layer: unet\.conv_in\.alpha"),
        (dict, "0 keys"),
        (lambda: {**pair(), f"{NAME}.lora_B.weight": torch.ones(64, 3)}, "do not fit"),
        (lambda: {**pair(), f"{NAME}.lora_B.weight": torch.ones(64)}, "do not fit"),
        (lambda: {**pair(), f"{NAME}.lora_A.weight": torch.tensor(1.0)}, "do not fit"),
        (lambda: {**pair(), f"{NAME}.lora_B.weight": torch.full((64, 2), torch.nan)}, "not a finite number"),
        (lambda: {**pair(), f"{NAME}.alpha": torch.tensor(torch.inf)}, "not a finite number"),
        (lambda: {**pair(), f"{NAME}.alpha": torch.ones(0)}, "alpha is no number"),
        (lambda: {key: value.to(torch.int8) for key, value in pair().items()}, "has the type I8"),
    ],
)
def test_file_that_is_not_a_plain_lora_is_refused(
    tmp_path: Path, tensors: Callable[[], Tensors], reason: str
) -> None:
    with pytest.raises(ExportError, match=reason) as caught:
        list(read_lora(saved(tensors(), tmp_path)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"unet.lora_bias": True}, {"unet.peft_type": "VERA"}])
def test_peft_option_that_would_be_lost_is_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    with pytest.raises(ExportError, match="is not supported"):
        read_lora(saved(pair(), tmp_path, **{"unet.lora_alpha": 1, **settings}))


@pytest.mark.parametrize("settings", [{"unet.r": 4}, {"unet.lora_alpha": "much"}, {"unet.lora_alpha": []}])
def test_peft_settings_without_alpha_are_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    with pytest.raises(ExportError, match="its PEFT settings cannot be read"):
        read_lora(saved(pair(), tmp_path, **settings))


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04pickle", struct.pack("<Q", 1 << 60) + b"{}", struct.pack("<Q", 2) + b"[]"]
)
def test_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lora.safetensors"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"Cannot read lora\.safetensors"):
        read_lora(path)


def test_pickle_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="can run code"):
        read_lora(tmp_path / "lora.pt")


def sdxl() -> UNet2DConditionModel:
    """The published UNet's layout, without weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 2),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )


@pytest.mark.parametrize("make", [unet, sdxl])
def test_stabilitys_layer_names_are_those_that_diffusers_knows(
    make: Callable[[], UNet2DConditionModel],
) -> None:
    network = make()
    paths = [
        name.removesuffix(".weight")
        for name, weight in network.named_parameters()
        if name.endswith(".weight") and weight.ndim > 1
    ]
    names = sgm_names(paths)
    assert set(names) == set(paths)
    tensors = {
        f"lora_unet_{name.replace('.', '_')}.lora_{side}.weight": torch.full((2, 2), float(number))
        for number, name in enumerate(names.values())
        for side in ("down", "up")
    }
    theirs, _ = StableDiffusionXLPipeline.lora_state_dict(tensors, unet_config=network.config)
    # What diffusers makes of them are names of the attention's processor, of which targets.py knows too.
    known = by_flat_path(paths, UNET)
    order = list(names)
    for key, value in theirs.items():
        name = re.sub(r"[._]lora\.(down|up)\.weight$", "", key)
        assert known[UNET.path_of(name) or ""].ours == (order[int(value[0, 0])],)
