"""Tiny networks with the published layouts (two layers a block) of SDXL and SD 1.5, and the repository that a
LoRA is merged into: the graphs' weights under the exporter's names, without nodes, which no merge reads."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from diffusers import UNet2DConditionModel
from onnx import numpy_helper
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from contract.description import Description
from contract.families import SD15, SDXL, Family
from export.checkpoints.checkpoint import Checkpoint
from export.families.family import torch_family
from tests.export.tiny import POOLED, text_config, vae

Array = np.typing.NDArray[np.float32]
LAST = "text_encoder.text_model.encoder.layers.2."
FINAL = "text_encoder.text_model.final_layer_norm."


@dataclass(frozen=True)
class Base:
    family: Family
    networks: Mapping[str, Any]

    @cached_property
    def stability_names(self) -> Mapping[str, str]:
        """Of the UNet's layers, in Stability's files."""
        names = {name for name, _ in self.networks["unet"].named_modules()}
        layers = {name.removesuffix(".weight") for name, _ in self.networks["unet"].named_parameters()}
        return {name: stability_name(name, names) for name in names & layers}

    @property
    def text_encoders(self) -> list[str]:
        return [encoder.name for encoder in self.family.text_encoders]

    @cached_property
    def weights(self) -> Mapping[str, torch.Tensor]:
        """unet.conv_in.weight → value, of all networks that a LoRA may change."""
        return {
            f"{part}.{name}": weight.detach()
            for part in ("unet", *self.text_encoders)
            for name, weight in self.networks[part].named_parameters()
        }

    def in_graph(self, name: str) -> bool:
        """SDXL never runs its first text encoder's last block."""
        return self.family is not SDXL or not name.startswith((LAST, FINAL))

    @contextmanager
    def lent(self) -> Iterator[Checkpoint]:
        """A checkpoint of these networks, whose weights may be changed until the end: no copy is as quick."""
        kept = {name: weight.clone() for name, weight in self.weights.items()}
        diffusion = self.family.diffusion
        family = torch_family(self.family)
        yield Checkpoint(folder=Path(), family=family, networks=self.networks, diffusion=diffusion)
        for name, weight in self.weights.items():
            weight.copy_(kept[name])

    def save(self, repository: Path) -> Path:
        """Returns the denoiser's folder."""
        for part, prefixes in {"denoiser": ["unet."], "text-encoder": self.text_encoders}.items():
            folder = repository / f"eros-{part}"
            (folder / "1").mkdir(parents=True)
            graph = onnx.GraphProto(name=part)
            for name, weight in self.weights.items():
                if name.startswith(tuple(prefixes)) and self.in_graph(name):
                    linear = weight.ndim == 2 and "embedding.weight" not in name
                    value = np.ascontiguousarray(weight.numpy().T) if linear else weight.numpy()
                    graph.initializer.append(numpy_helper.from_array(value, name + ".T" * linear))
            (folder / "1" / "model.onnx").write_bytes(onnx.ModelProto(graph=graph).SerializeToString())
            (folder / "config.pbtxt").write_text(f'name: "{folder.name}"\n')
        told = Description(
            family=self.family,
            diffusion=self.family.diffusion,
            latent_channels=4,
            downscale=8,
            pad_tokens=(0,) * len(self.text_encoders),
            token_window=77,
        )
        (repository / "eros-denoiser" / "pipeline.json").write_bytes(told.to_json())
        return repository / "eros-denoiser"


def stability_name(path: str, names: Collection[str]) -> str:
    """A layer's name in Stability's files, of a UNet of two layers a block; `names`: of all its modules."""
    outside = {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }
    inner = {
        "norm1": "in_layers.0",
        "conv1": "in_layers.2",
        "norm2": "out_layers.0",
        "conv2": "out_layers.3",
        "time_emb_proj": "emb_layers.1",
        "conv_shortcut": "skip_connection",
    }
    if path in outside:
        return outside[path]
    block, *rest = path.split(".")
    if block == "mid_block":
        kind, number, *last = rest
        first = "middle_block." + ("1" if kind == "attentions" else str(2 * int(number)))
    else:
        level, kind, number, *last = rest
        down = block == "down_blocks"
        stem, index = ("input_blocks" if down else "output_blocks"), int(level) * 3 + (1 if down else 0)
        if kind == "downsamplers":
            return f"{stem}.{index + 2}.0.op"
        if kind == "upsamplers":
            return f"{stem}.{index + 2}.{2 if f'up_blocks.{level}.attentions' in names else 1}.conv"
        first = f"{stem}.{index + int(number)}.{int(kind == 'attentions')}"
    return ".".join([first, *(inner.get(one, one) if kind == "resnets" else one for one in last)])


def merged_weights(denoiser: Path) -> dict[str, Array]:
    """Of a merged denoiser and its text encoder, if it has its own, as torch holds them."""
    found = {}
    for folder in (denoiser, denoiser.with_name(denoiser.name.replace("denoiser", "text-encoder"))):
        if folder.is_dir():
            for tensor in onnx.load(folder / "1" / "model.onnx").graph.initializer:
                value = numpy_helper.to_array(tensor)
                turned = tensor.name.endswith(".T")
                found[tensor.name.removesuffix(".T")] = value.T if turned else value
    return found


@lru_cache
def base_of(family: Family) -> Base:
    torch.manual_seed(7)
    options: dict[str, Any] = {
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 2,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    }
    if family is SDXL:
        unet = UNet2DConditionModel(
            block_out_channels=(8, 16, 24),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=1,
            cross_attention_dim=96,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + POOLED,
            **options,
        )
        second = CLIPTextModelWithProjection(text_config(64, eos_token_id=2, projection_dim=POOLED))
        first = CLIPTextModel(text_config(32, eos_token_id=2))
        networks = {"unet": unet, "text_encoder": first, "text_encoder_2": second, "vae": vae()}
        return Base(SDXL, networks)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16, 24, 24),
        down_block_types=(*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
        up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
        cross_attention_dim=32,
        **options,
    )
    first = CLIPTextModel(text_config(32, eos_token_id=2))
    return Base(SD15, {"unet": unet, "text_encoder": first, "vae": vae()})
