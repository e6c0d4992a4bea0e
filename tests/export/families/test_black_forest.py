import re

import pytest
import torch
from diffusers import FluxTransformer2DModel
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers

from export.families.black_forest import transformer_of
from export.families.black_forest_names import diffusers_names
from tests.export.black_forest import black_forest_state
from tests.export.tiny_flux import transformer


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("guided", [True, False], ids=["dev", "schnell"])
def test_weights_come_back_as_they_were(guided: bool, prefix: str) -> None:
    network = transformer(guidance=guided)
    wanted = network.state_dict()
    found = transformer_of(network, black_forest_state(wanted, prefix), prefix)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_diffusers_own_conversion_agrees() -> None:
    """At the published number of rows; columns are left out, as no conversion looks at them."""
    with torch.device("meta"):
        network = FluxTransformer2DModel(num_layers=2, num_single_layers=2, guidance_embeds=True)
    generator = torch.Generator().manual_seed(1)
    state = {
        key: torch.rand(len(value), *[2] * (value.ndim - 1), generator=generator)
        for key, value in network.state_dict().items()
    }
    theirs = black_forest_state(state, "")
    found = transformer_of(network, theirs, "")
    wanted = convert_flux_transformer_checkpoint_to_diffusers(dict(theirs))
    assert found.keys() == wanted.keys() == state.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_rows_of_another_width_are_refused() -> None:
    network = transformer(guidance=False)
    state = black_forest_state(network.state_dict(), "")
    state["single_blocks.0.linear1.weight"] = state["single_blocks.0.linear1.weight"][:-1]
    with pytest.raises(ValueError, match=r"single_blocks.0.linear1.weight has 223 rows, expected 224"):
        transformer_of(network, state, "")


@pytest.mark.parametrize(
    "layer",
    ["double_blocks.0.img_attn", "double_blocks.x.img_mod.lin", "single_blocks.0.linear3", "txt_norm"],
)
def test_other_names_are_of_no_layer(layer: str) -> None:
    assert diffusers_names(layer) == ()


def test_every_layer_has_a_name() -> None:
    names = {re.sub(r"\.(weight|bias)$", "", key) for key in transformer(guidance=True).state_dict()}
    theirs = {
        re.sub(r"\.(weight|bias|scale)$", "", key)
        for key in black_forest_state(transformer(guidance=True).state_dict(), "")
    }
    assert {one for layer in theirs for one in diffusers_names(layer)} == names
