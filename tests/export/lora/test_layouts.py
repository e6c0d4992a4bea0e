"""Every layout of LoRA files is merged by the formula, compared by the formula, or refused by name."""

import copy
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from peft.tuners.tuners_utils import BaseTunerLayer

from contract.families import SD15, SDXL, Family
from export.character import merge_character
from export.lora.strength import Strength
from export.lora.torch_lora import apply_lora
from tests.export.lora.bases import base_of, merged_weights
from tests.export.lora.layouts import LAYOUTS, WITNESSED, LoraDraft

FAMILIES = pytest.mark.parametrize("family", [SDXL, SD15], ids=lambda family: family.name)


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Family, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {family: base_of(family).save(folder / family.name) for family in (SDXL, SD15)}


@lru_cache
def drafted(name: str, family: Family) -> LoraDraft:
    draft = LoraDraft(base_of(family))
    LAYOUTS[name](draft)
    assert draft.wanted
    return draft


@FAMILIES
@pytest.mark.parametrize("name", LAYOUTS)
def test_merged_weights_are_the_formulas(
    name: str, family: Family, repositories: Mapping[Family, Path], tmp_path: Path
) -> None:
    draft = drafted(name, family)
    lora, target = draft.save(tmp_path / "lora.safetensors"), tmp_path / "eros-denoiser--aya"
    merge_character(repositories[family], lora, target)
    before, found = draft.base.weights, merged_weights(target)
    wanted = {path: value for path, value in draft.wanted.items() if draft.base.in_graph(path)}
    assert wanted.keys() <= found.keys()
    for path, value in found.items():
        if path in wanted:
            np.testing.assert_allclose(value, wanted[path].numpy(), 1e-4, 1e-5, err_msg=path)
        else:
            np.testing.assert_array_equal(value, before[path].numpy(), err_msg=path)


@FAMILIES
@pytest.mark.parametrize("name", LAYOUTS)
def test_reference_in_torch_is_the_formulas(name: str, family: Family, tmp_path: Path) -> None:
    """What `imgen character add` compares with, at half the strength."""
    draft = drafted(name, family)
    before = {path: weight.clone() for path, weight in draft.base.weights.items()}
    with draft.base.lent() as checkpoint:
        apply_lora(draft.save(tmp_path / "lora.safetensors"), Strength(0.5), checkpoint)
        for path, value in draft.base.weights.items():
            wanted = (before[path] + draft.wanted.get(path, before[path])) / 2
            np.testing.assert_allclose(value.numpy(), wanted.numpy(), 1e-4, 1e-5, err_msg=path)


@pytest.mark.parametrize("name", sorted(WITNESSED))
def test_diffusers_own_loader_agrees_with_the_formulas(name: str, tmp_path: Path) -> None:
    """A second witness, of whatever it reads."""
    draft = drafted(name, SDXL)
    path = draft.save(tmp_path / "lora.safetensors")
    parts = ("unet", *draft.base.text_encoders)
    networks = copy.deepcopy({part: draft.base.networks[part] for part in parts})
    load_with_diffusers(path, networks)
    for name, network in networks.items():
        layers = {path: one for path, one in network.named_modules() if isinstance(one, BaseTunerLayer)}
        for module, layer in layers.items():
            layer.merge()
            value = layer.get_base_layer().weight.detach()
            torch.testing.assert_close(value, draft.wanted[f"{name}.{module}.weight"], rtol=1e-4, atol=1e-5)
        assert len(layers) == sum(one.startswith(f"{name}.") for one in draft.wanted)


def load_with_diffusers(path: Path, networks: Mapping[str, Any]) -> None:
    pipeline, config = StableDiffusionXLPipeline, networks["unet"].config
    state, alphas, metadata = pipeline.lora_state_dict(
        str(path.parent), weight_name=path.name, unet_config=config, return_lora_metadata=True
    )
    given = {"network_alphas": alphas, "metadata": metadata}
    pipeline.load_lora_into_unet(state, unet=networks["unet"], **given)
    for encoder in SDXL.text_encoders:
        if any(key.startswith(f"{encoder.name}.") for key in state):
            pipeline.load_lora_into_text_encoder(
                state, text_encoder=networks[encoder.name], prefix=encoder.name, **given
            )
