"""Qwen3 as it is traced, beside transformers' own."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import Qwen3Config, Qwen3Model

from export.errors import ExportError
from export.families.qwen3 import qwen3_states
from tests.export.tiny_z_image import text_encoder


def test_states_are_those_before_the_last_layer() -> None:
    network = text_encoder()
    tokens = torch.randint(0, 300, (3, 17), generator=torch.Generator().manual_seed(1))
    real = torch.arange(17) < torch.tensor([17, 4, 9]).unsqueeze(1)
    theirs = network(tokens, attention_mask=real, output_hidden_states=True).hidden_states[-2]
    made = qwen3_states(network, tokens, real.long())
    torch.testing.assert_close(made[real], theirs[real], rtol=1e-5, atol=1e-6)


def test_network_that_looks_back_over_a_window_is_refused() -> None:
    network = text_encoder()
    network.has_sliding_layers = True
    with pytest.raises(ExportError, match="looks back over a window"):
        qwen3_states(network, torch.ones(1, 3, dtype=torch.int64), torch.ones(1, 3, dtype=torch.int64))


def test_published_sizes_fit() -> None:
    """Without their weights, which are 8 GB in bfloat16. Of Qwen3-4B."""
    config = Qwen3Config(
        vocab_size=151936,
        hidden_size=2560,
        intermediate_size=9728,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40960,
        rope_theta=1e6,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    with FakeTensorMode(), torch.no_grad():
        network = Qwen3Model(config)
        tokens = torch.ones(2, 512, dtype=torch.int64)
        made = qwen3_states(network, tokens, torch.ones_like(tokens))
        assert made.shape == (2, 512, 2560)
        assert sum(weight.numel() for weight in network.parameters()) == 4_022_468_096
