"""The allowed keys are those of the installed libraries' networks: checkpoints of people still load."""

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from diffusers import AutoencoderKL, UNet2DConditionModel, ZImageTransformer2DModel
from transformers import BertConfig, CLIPTextConfig, CLIPTextModel, Qwen3Config

from export.checkpoints.clean_folder import written_config
from export.checkpoints.network_config import CONFIGS, allowed_config
from export.families.sdxl import FAMILY as SDXL
from tests.export.tiny import save_tiny, save_tiny_sd15
from tests.export.tiny_z_image import save_tiny_z_image

MAKERS = {"UNet2DConditionModel": UNet2DConditionModel, "AutoencoderKL": AutoencoderKL}
MAKERS |= {"CLIPTextModel": CLIPTextConfig, "BertModel": BertConfig}
MAKERS |= {"ZImageTransformer2DModel": ZImageTransformer2DModel, "Qwen3Model": Qwen3Config}
# Of a saved file, what says nothing about the network.
NOTES = {"_class_name", "_diffusers_version", "architectures", "dtype", "model_type", "transformers_version"}
# Of a language model: windows that it looks back over, which follow from use_sliding_window; writing.
NOTES |= {"layer_types", "max_window_layers", "sliding_window", "use_cache", "bos_token_id", "eos_token_id"}
# As published with SDXL base 1.0, whose files are of diffusers 0.19 and transformers 4.32.
PUBLISHED: dict[str, dict[str, Any]] = {
    "UNet2DConditionModel": {
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.19.0.dev0", "act_fn": "silu",
        "addition_embed_type": "text_time", "addition_embed_type_num_heads": 64,
        "addition_time_embed_dim": 256, "attention_head_dim": [5, 10, 20],
        "block_out_channels": [320, 640, 1280], "center_input_sample": False, "class_embed_type": None,
        "class_embeddings_concat": False, "conv_in_kernel": 3, "conv_out_kernel": 3,
        "cross_attention_dim": 2048, "cross_attention_norm": None,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "downsample_padding": 1, "dual_cross_attention": False, "encoder_hid_dim": None,
        "encoder_hid_dim_type": None, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4,
        "layers_per_block": 2, "mid_block_only_cross_attention": None, "mid_block_scale_factor": 1,
        "mid_block_type": "UNetMidBlock2DCrossAttn", "norm_eps": 1e-05, "norm_num_groups": 32,
        "num_attention_heads": None, "num_class_embeds": None, "only_cross_attention": False,
        "out_channels": 4, "projection_class_embeddings_input_dim": 2816, "resnet_out_scale_factor": 1.0,
        "resnet_skip_time_act": False, "resnet_time_scale_shift": "default", "sample_size": 128,
        "time_cond_proj_dim": None, "time_embedding_act_fn": None, "time_embedding_dim": None,
        "time_embedding_type": "positional", "timestep_post_act": None,
        "transformer_layers_per_block": [1, 2, 10],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "upcast_attention": None, "use_linear_projection": True,
    },
    "CLIPTextModelWithProjection": {
        "architectures": ["CLIPTextModelWithProjection"], "attention_dropout": 0.0, "bos_token_id": 0,
        "dropout": 0.0, "eos_token_id": 2, "hidden_act": "gelu", "hidden_size": 1280,
        "initializer_factor": 1.0, "initializer_range": 0.02, "intermediate_size": 5120,
        "layer_norm_eps": 1e-05, "max_position_embeddings": 77, "model_type": "clip_text_model",
        "num_attention_heads": 20, "num_hidden_layers": 32, "pad_token_id": 1, "projection_dim": 1280,
        "torch_dtype": "float16", "transformers_version": "4.32.0.dev0", "vocab_size": 49408,
    },
}  # fmt: skip


@pytest.mark.parametrize("network", MAKERS)
def test_allowed_keys_are_arguments_of_the_network(network: str) -> None:
    arguments = inspect.signature(MAKERS[network].__init__).parameters
    assert set(CONFIGS[network].__struct_fields__) <= set(arguments)


@pytest.mark.parametrize("save", [save_tiny, save_tiny_sd15, save_tiny_z_image])
def test_nothing_that_the_libraries_save_of_a_network_is_left_out(save: Any, tmp_path: Path) -> None:
    for file in save(tmp_path / "checkpoint").glob("*/config.json"):
        config = json.loads(file.read_text())
        network = config.get("_class_name") or config["architectures"][0]
        assert config.keys() - allowed_config(network, config, str(file)).keys() <= NOTES


@pytest.mark.parametrize("network", PUBLISHED)
def test_published_config_keeps_all_that_makes_the_network(network: str) -> None:
    config = PUBLISHED[network]
    kept = allowed_config(network, config, "config.json")
    assert config.keys() - kept.keys() <= {*NOTES, "torch_dtype", "dropout"}
    assert all(kept[key] == config[key] for key in kept)


def test_published_unet_is_made_as_without_the_list() -> None:
    """By shapes alone."""
    config = PUBLISHED["UNet2DConditionModel"]
    made = SDXL.empty_network("unet", allowed_config("UNet2DConditionModel", config, "config.json"))
    assert sum(weight.numel() for weight in made.parameters()) == 2_567_463_684


def test_written_config_is_read_by_its_library(tmp_path: Path) -> None:
    config = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    (tmp_path / "config.json").write_text(written_config(CLIPTextModel, config))
    read = CLIPTextConfig.from_pretrained(tmp_path)
    assert {key: getattr(read, key) for key in config} == config
