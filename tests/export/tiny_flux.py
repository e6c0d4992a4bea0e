"""FLUX.1 at tiny size, with random weights."""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from tests.export import tiny

CHANNELS, POOLED, WIDTH = 16, 24, 32
SHIFT_BY_SIZE = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
END, PAD = "</s>", "<pad>"
VOCABULARY = {word: number for number, word in enumerate((PAD, END, "<unk>", *tiny.WORDS))}


def transformer(*, guidance: bool, seed: int = 0) -> FluxTransformer2DModel:
    torch.manual_seed(seed)
    network = FluxTransformer2DModel(
        in_channels=4 * CHANNELS,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=POOLED,
        guidance_embeds=guidance,
        axes_dims_rope=(4, 6, 6),
    )
    return network.eval().requires_grad_(False)


def t5() -> T5EncoderModel:
    config = T5Config(
        vocab_size=len(VOCABULARY),
        d_model=WIDTH,
        d_kv=8,
        d_ff=2 * WIDTH,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        tie_word_embeddings=False,
    )
    return T5EncoderModel(config)


def t5_tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, VOCABULARY[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=END, pad_token=PAD, unk_token="<unk>", model_max_length=512
    )


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 8, 8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 6,
        up_block_types=("UpDecoderBlock2D",) * 6,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=4,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def save_tiny_flux(folder: Path, *, guidance: bool = True, seed: int = 0) -> Path:
    """dev, or schnell without `guidance`."""
    torch.manual_seed(seed)
    networks: dict[str, Any] = {
        "text_encoder": CLIPTextModel(tiny.text_config(POOLED, eos_token_id=tiny.VOCABULARY[tiny.END])),
        "text_encoder_2": t5(),
        "transformer": transformer(guidance=guidance, seed=seed),
        "vae": vae(),
        "tokenizer": tiny.tokenizer(tiny.END),
        "tokenizer_2": t5_tokenizer(),
    }
    tiny.save_checkpoint(folder, "FluxPipeline", networks, "flow")
    options = SHIFT_BY_SIZE if guidance else {"shift": 1.0}
    FlowMatchEulerDiscreteScheduler(**options).save_pretrained(folder / "scheduler")
    return folder
