"""A tiny random SD 3.5 checkpoint in diffusers' layout: two CLIPs, T5, a transformer, a VAE."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    CLIPTextModelWithProjection,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from export.lora.mmdit_names import mmdit_names
from tests.export.tiny import END, PAD, WORDS, save_checkpoint, text_config, tokenizer

CHANNELS, POOLED, T5_WIDTH = 16, (32, 64), 128
T5_VOCABULARY = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0)]
T5_VOCABULARY += [(f"▁{word}", -2.0) for word in WORDS] + [("▁", -4.0), ("s", -4.0)]


def t5_tokenizer() -> PreTrainedTokenizerFast:
    """As T5's: pieces with their chances, spaces as a sign of their own, an end of text and no begin."""
    inner = Tokenizer(models.Unigram(T5_VOCABULARY, unk_id=2))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    inner.decoder = decoders.Metaspace()
    inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def t5() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=64,
            d_model=T5_WIDTH,
            d_kv=16,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
        )
    )


def transformer() -> SD3Transformer2DModel:
    """With both kinds of attention of SD 3.5 Medium, and its norms."""
    return SD3Transformer2DModel(
        sample_size=32,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=3,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=T5_WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=sum(POOLED),
        pos_embed_max_size=48,
        dual_attention_layers=(0, 1),
        qk_norm="rms_norm",
    )


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 8, 8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 6,
        up_block_types=("UpDecoderBlock2D",) * 6,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=4,
        scaling_factor=1.5305,
        shift_factor=0.0609,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def save_tiny_sd3(folder: Path, *, with_t5: bool = True) -> Path:
    """Weights are random but always the same."""
    torch.manual_seed(0)
    clips = [
        CLIPTextModelWithProjection(text_config(width, eos_token_id=2, projection_dim=width))
        for width in POOLED
    ]
    networks: dict[str, Any] = {
        "text_encoder": clips[0],
        "text_encoder_2": clips[1],
        "text_encoder_3": t5(),
        "transformer": transformer(),
        "vae": vae(),
        "tokenizer": tokenizer(END),
        "tokenizer_2": tokenizer(PAD),
        "tokenizer_3": t5_tokenizer(),
    }
    if not with_t5:
        del networks["text_encoder_3"], networks["tokenizer_3"]
    return save_checkpoint(folder, "StableDiffusion3Pipeline", networks, "flow")


def stability_state(transformer: SD3Transformer2DModel) -> dict[str, torch.Tensor]:
    """Its weights under Stability's names, of which diffusers' own conversion makes the same again."""
    ours = {key: value.clone() for key, value in transformer.state_dict().items()}
    found = {"pos_embed": ours["pos_embed.pos_embed"]}
    for name in mmdit_names(sorted({key.rpartition(".")[0] for key in ours})):
        for kind in (".weight", ".bias"):
            parts = [ours[f"{path}{kind}"] for path in name.ours if f"{path}{kind}" in ours]
            if parts:
                value = torch.cat(parts)
                turned = torch.cat(value.chunk(2)[::-1]) if name.swapped else value
                found[f"{name.theirs}{kind}"] = turned
    return found
