"""The keys of a network's config that reach its constructor, and what they may be; a stranger wrote the file.

The keys are those that diffusers and transformers save for the networks of the families: the arguments of
their constructors. Any other is left out with a debug line: people's files carry many, of older and newer
versions, and some (attn_implementation, quantization_config) name code that a loader would look for.

Needs msgspec only: a config is refused before torch is imported.
"""

import logging
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from export.errors import ExportError

log = logging.getLogger(__name__)

Width = Annotated[int, Meta(ge=0, le=1 << 20)]
Places = Annotated[int, Meta(ge=1, le=8192)]
"""Along one axis of what a network attends to: the published ones have 1536 at most."""
Layers = Annotated[int, Meta(ge=0, le=64)]
Word = Annotated[str, Meta(max_length=100)]
MAX_BLOCKS = 16
Words = Annotated[tuple[Word, ...], Meta(max_length=MAX_BLOCKS)]
Widths = Annotated[tuple[Width, ...], Meta(max_length=MAX_BLOCKS)]
Numbers = Annotated[tuple[float, ...], Meta(max_length=4096)]
LayersOfBlock = Annotated[tuple[Layers, ...], Meta(max_length=MAX_BLOCKS)]
LayersOf = Annotated[tuple[Layers | LayersOfBlock, ...], Meta(max_length=MAX_BLOCKS)]
Flags = Annotated[tuple[bool, ...], Meta(max_length=MAX_BLOCKS)]


class UNetConfig(Struct, kw_only=True):
    sample_size: Width | Widths | None = None
    in_channels: Width | None = None
    out_channels: Width | None = None
    center_input_sample: bool | None = None
    flip_sin_to_cos: bool | None = None
    freq_shift: float | None = None
    down_block_types: Words | None = None
    mid_block_type: Word | None = None
    up_block_types: Words | None = None
    only_cross_attention: bool | Flags | None = None
    block_out_channels: Widths | None = None
    layers_per_block: Layers | LayersOf | None = None
    downsample_padding: Layers | None = None
    mid_block_scale_factor: float | None = None
    dropout: float | None = None
    act_fn: Word | None = None
    norm_num_groups: Width | None = None
    norm_eps: float | None = None
    cross_attention_dim: Width | Widths | None = None
    transformer_layers_per_block: Layers | LayersOf | None = None
    reverse_transformer_layers_per_block: LayersOf | None = None
    encoder_hid_dim: Width | None = None
    encoder_hid_dim_type: Word | None = None
    attention_head_dim: Width | Widths | None = None
    num_attention_heads: Width | Widths | None = None
    dual_cross_attention: bool | None = None
    use_linear_projection: bool | None = None
    class_embed_type: Word | None = None
    addition_embed_type: Word | None = None
    addition_time_embed_dim: Width | None = None
    num_class_embeds: Width | None = None
    upcast_attention: bool | None = None
    resnet_time_scale_shift: Word | None = None
    resnet_skip_time_act: bool | None = None
    resnet_out_scale_factor: float | None = None
    time_embedding_type: Word | None = None
    time_embedding_dim: Width | None = None
    time_embedding_act_fn: Word | None = None
    timestep_post_act: Word | None = None
    time_cond_proj_dim: Width | None = None
    conv_in_kernel: Layers | None = None
    conv_out_kernel: Layers | None = None
    projection_class_embeddings_input_dim: Width | None = None
    attention_type: Word | None = None
    class_embeddings_concat: bool | None = None
    mid_block_only_cross_attention: bool | None = None
    cross_attention_norm: Word | None = None
    addition_embed_type_num_heads: Width | None = None


class FluxConfig(Struct, kw_only=True):
    patch_size: Layers | None = None
    in_channels: Width | None = None
    out_channels: Width | None = None
    num_layers: Layers | None = None
    num_single_layers: Layers | None = None
    attention_head_dim: Width | None = None
    num_attention_heads: Width | None = None
    joint_attention_dim: Width | None = None
    pooled_projection_dim: Width | None = None
    guidance_embeds: bool | None = None
    axes_dims_rope: Widths | None = None


class VaeConfig(Struct, kw_only=True):
    in_channels: Width | None = None
    out_channels: Width | None = None
    down_block_types: Words | None = None
    up_block_types: Words | None = None
    block_out_channels: Widths | None = None
    layers_per_block: Layers | None = None
    act_fn: Word | None = None
    latent_channels: Width | None = None
    norm_num_groups: Width | None = None
    sample_size: Width | Widths | None = None
    scaling_factor: float | None = None
    shift_factor: float | None = None
    latents_mean: Numbers | None = None
    latents_std: Numbers | None = None
    force_upcast: bool | None = None
    use_quant_conv: bool | None = None
    use_post_quant_conv: bool | None = None
    mid_block_add_attention: bool | None = None


class ClipConfig(Struct, kw_only=True):
    vocab_size: Width | None = None
    hidden_size: Width | None = None
    intermediate_size: Width | None = None
    projection_dim: Width | None = None
    num_hidden_layers: Layers | None = None
    num_attention_heads: Width | None = None
    max_position_embeddings: Width | None = None
    hidden_act: Word | None = None
    layer_norm_eps: float | None = None
    attention_dropout: float | None = None
    initializer_range: float | None = None
    initializer_factor: float | None = None
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None


class T5Config(Struct, kw_only=True):
    vocab_size: Width | None = None
    d_model: Width | None = None
    d_kv: Width | None = None
    d_ff: Width | None = None
    num_layers: Layers | None = None
    num_decoder_layers: Layers | None = None
    num_heads: Width | None = None
    relative_attention_num_buckets: Width | None = None
    relative_attention_max_distance: Width | None = None
    dropout_rate: float | None = None
    layer_norm_epsilon: float | None = None
    initializer_factor: float | None = None
    feed_forward_proj: Word | None = None
    is_encoder_decoder: bool | None = None
    tie_word_embeddings: bool | None = None
    use_cache: bool | None = None
    pad_token_id: int | None = None
    eos_token_id: int | None = None
    decoder_start_token_id: int | None = None


class Sd3Config(Struct, kw_only=True):
    sample_size: Width | None = None
    patch_size: Layers | None = None
    in_channels: Width | None = None
    out_channels: Width | None = None
    num_layers: Layers | None = None
    attention_head_dim: Width | None = None
    num_attention_heads: Width | None = None
    joint_attention_dim: Width | None = None
    caption_projection_dim: Width | None = None
    pooled_projection_dim: Width | None = None
    pos_embed_max_size: Annotated[int, Meta(ge=1, le=1024)] | None = None
    dual_attention_layers: Annotated[tuple[Layers, ...], Meta(max_length=64)] | None = None
    qk_norm: Word | None = None


class ZImageConfig(Struct, kw_only=True):
    in_channels: Width | None = None
    all_patch_size: Widths | None = None
    all_f_patch_size: Widths | None = None
    dim: Width | None = None
    n_layers: Layers | None = None
    n_refiner_layers: Layers | None = None
    n_heads: Width | None = None
    n_kv_heads: Width | None = None
    norm_eps: float | None = None
    qk_norm: bool | None = None
    cap_feat_dim: Width | None = None
    siglip_feat_dim: Width | None = None
    rope_theta: float | None = None
    t_scale: float | None = None
    axes_dims: Widths | None = None
    axes_lens: Annotated[tuple[Places, ...], Meta(max_length=MAX_BLOCKS)] | None = None


class Qwen3Config(Struct, kw_only=True):
    vocab_size: Width | None = None
    hidden_size: Width | None = None
    intermediate_size: Width | None = None
    num_hidden_layers: Layers | None = None
    num_attention_heads: Width | None = None
    num_key_value_heads: Width | None = None
    head_dim: Width | None = None
    hidden_act: Word | None = None
    max_position_embeddings: Width | None = None
    rms_norm_eps: float | None = None
    rope_theta: float | None = None
    rope_scaling: None = None  # of contexts longer than a prompt: not supported
    use_sliding_window: bool | None = None
    attention_bias: bool | None = None
    attention_dropout: float | None = None
    initializer_range: float | None = None
    tie_word_embeddings: bool | None = None


class BertEncoderConfig(Struct, kw_only=True):
    vocab_size: Width | None = None
    hidden_size: Width | None = None
    num_hidden_layers: Layers | None = None
    num_attention_heads: Width | None = None
    intermediate_size: Width | None = None
    hidden_act: Word | None = None
    hidden_dropout_prob: float | None = None
    attention_probs_dropout_prob: float | None = None
    max_position_embeddings: Width | None = None
    type_vocab_size: Width | None = None
    initializer_range: float | None = None
    layer_norm_eps: float | None = None
    pad_token_id: int | None = None
    position_embedding_type: Word | None = None


CONFIGS: Mapping[str, type[Struct]] = {
    "UNet2DConditionModel": UNetConfig,
    "FluxTransformer2DModel": FluxConfig,
    "AutoencoderKL": VaeConfig,
    "CLIPTextModel": ClipConfig,
    "CLIPTextModelWithProjection": ClipConfig,
    "T5EncoderModel": T5Config,
    "SD3Transformer2DModel": Sd3Config,
    "ZImageTransformer2DModel": ZImageConfig,
    "Qwen3Model": Qwen3Config,
    "BertModel": BertEncoderConfig,
}
"""By the name of the network's class. A class that is not here is not loaded."""


def allowed_config(network: str, found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What of a config may be used, as it is there. `network`: its class; `name`: of the file.

    Raises ExportError for a value that no network has.
    """
    kind = CONFIGS[network]
    kept = {key: value for key, value in found.items() if key in kind.__struct_fields__}
    for key in found.keys() - kept.keys():
        log.debug("%s: %s is left out", name, key)
    try:
        msgspec.convert(kept, kind)
    except msgspec.ValidationError as error:
        raise ExportError(f"{name}: {error}") from None
    return kept
