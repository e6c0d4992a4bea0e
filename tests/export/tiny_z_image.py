"""A tiny random Z-Image checkpoint in diffusers' layout, and as the split files that ComfyUI takes."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from safetensors.torch import save_file
from tokenizers import pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from export.checkpoints.qwen_tokenizer import tokenizer_of
from tests.export.single import vae_state
from tests.export.tiny import WORDS, round_to_fp16

CHANNELS, TEXT_WIDTH = 16, 24
PAD, END = "<|endoftext|>", "<|im_end|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
"""What Qwen3's says of a conversation of one user."""


def tokenizer() -> PreTrainedTokenizerFast:
    """Of Qwen's build, with few merges."""
    trainer = trainers.BpeTrainer(
        vocab_size=290, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    learnt = tokenizer_of({}, [])
    learnt.train_from_iterator([" ".join(WORDS), "user\nassistant\n"], trainer)
    found = json.loads(learnt.to_str())["model"]
    inner = tokenizer_of(found["vocab"], [(first, last) for first, last in found["merges"]])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=PAD, eos_token=END, chat_template=TEMPLATE, model_max_length=512
    )


def transformer(seed: int = 0, width: int = TEXT_WIDTH) -> ZImageTransformer2DModel:
    torch.manual_seed(seed)
    network = ZImageTransformer2DModel(
        in_channels=CHANNELS,
        dim=48,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=width,
        axes_dims=[8, 8, 8],
        axes_lens=[1024, 128, 128],
    )
    for weight in network.parameters():  # the pad tokens are made as zeros
        weight.data = weight.data + torch.randn_like(weight) * 0.1
    return network.eval().requires_grad_(False)


def text_encoder(seed: int = 0, vocabulary: int = 320) -> Qwen3Model:
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=TEXT_WIDTH,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=1024,
        rope_theta=1e6,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    return Qwen3Model(config).eval().requires_grad_(False)


def vae(seed: int = 0) -> AutoencoderKL:
    torch.manual_seed(seed)
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
    ).requires_grad_(False)


def pipeline(shift: float = 3.0) -> ZImagePipeline:
    made = ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
        vae=vae(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(),
        transformer=transformer(),
    )
    for network in (made.vae, made.text_encoder, made.transformer):
        round_to_fp16(network)
    made.set_progress_bar_config(disable=True)
    return made


def save_tiny_z_image(folder: Path, shift: float = 3.0) -> Path:
    pipeline(shift).save_pretrained(folder)
    return folder


def save_split(folder: Path, prefix: str = "") -> Mapping[str, Path]:
    """By what it is: the transformer's file (its keys begin with `prefix`), the text encoder's, the VAE's."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pipeline()
    states: dict[str, dict[str, torch.Tensor]] = {
        "transformer": {prefix + key: value for key, value in fused(made.transformer.state_dict()).items()},
        "text_encoder": {f"model.{key}": value for key, value in made.text_encoder.state_dict().items()},
        "vae": {
            key.removeprefix("first_stage_model."): value
            for key, value in vae_state(made.vae.state_dict()).items()
        },
    }
    names = {"transformer": "z_image_turbo_bf16", "text_encoder": "qwen_3_4b", "vae": "ae"}
    paths = {part: folder / f"{name}.safetensors" for part, name in names.items()}
    for part, path in paths.items():
        save_file({key: value.contiguous() for key, value in states[part].items()}, path)
    return paths


def fused(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The transformer's weights as its authors name them, queries, keys and values in one."""
    found = {}
    for key, value in state.items():
        if key.endswith(".to_q.weight"):
            parts = [state[key.replace("to_q", name)] for name in ("to_q", "to_k", "to_v")]
            found[key.replace("to_q", "qkv")] = torch.cat(parts)
        elif not key.endswith((".to_k.weight", ".to_v.weight")):
            for theirs, ours in (
                ("all_final_layer.2-1.", "final_layer."),
                ("all_x_embedder.2-1.", "x_embedder."),
                (".norm_q.", ".q_norm."),
                (".norm_k.", ".k_norm."),
                (".to_out.0.", ".out."),
            ):
                key = key.replace(theirs, ours)
            found[key] = value
    return found
