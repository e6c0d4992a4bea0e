"""Qwen3 as it is traced, beside transformers' own."""

import torch
from transformers import Qwen3Config, Qwen3Model

from export.networks.qwen3 import Qwen3States


def qwen3(seed: int = 0) -> Qwen3Model:
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=50,
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=64,
        rope_theta=1e6,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    return Qwen3Model(config).eval().requires_grad_(False)


def test_states_are_those_before_the_last_layer() -> None:
    network = qwen3()
    tokens = torch.randint(0, 50, (3, 17), generator=torch.Generator().manual_seed(1))
    real = torch.arange(17) < torch.tensor([17, 4, 9]).unsqueeze(1)
    theirs = network(tokens, attention_mask=real, output_hidden_states=True).hidden_states[-2]
    torch.testing.assert_close(Qwen3States(network)(tokens)[real], theirs[real], rtol=1e-5, atol=1e-6)
