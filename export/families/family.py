"""What the exporter needs of a model family beside its row in contract/families.py."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from contract.families import Family
from export.errors import ExportError, first_line

Tensors = Mapping[str, torch.Tensor]
FLAT = re.compile(r"^(embeddings\.|encoder\.|final_layer_norm\.)")
"""How CLIP's weights begin where nothing stands for its text model: before transformers nested it, and again
from transformers 5.6 on. Else they begin with text_model."""


@dataclass(frozen=True)
class Source:
    """Where a network's weights are in a single file, and how they get diffusers' names."""

    prefix: str
    convert: Callable[[Any, dict[str, torch.Tensor]], Tensors]  # of the empty network and the weights


@dataclass(frozen=True, kw_only=True)
class SingleFile:
    """How a checkpoint of the family looks in one .safetensors file, which holds weights only."""

    sources: Mapping[str, Source]  # of every network
    configs: Mapping[str, Mapping[str, Any]]  # the published ones


@dataclass(frozen=True, kw_only=True)
class TorchFamily:
    row: Family
    networks: Mapping[str, Any]
    """Class of each by its folder: the only ones that are ever loaded, whatever a checkpoint asks for."""
    predict: Callable[[Any, Tensors], torch.Tensor]
    """The denoiser's network, and what it is asked (export.networks.denoiser.asked) → its answer, of the
    latents' shape. `latents` [B, C, h, w] are scaled already, `timestep` [B] is 0 to 1000."""
    prepare: Callable[[Any], object] = lambda network: None
    """Puts into the denoiser's network what every engine can run, before it is first asked."""
    denoiser_config: Mapping[str, Any]  # what the denoiser's own config must say to be asked so
    text_width: str = "cross_attention_dim"  # in its config: how wide the embeddings are that it reads
    channels: Callable[[Any], set[int]] = lambda config: {config.in_channels, config.out_channels}
    """Its config → of the latents that it takes and makes."""
    single_file: SingleFile | None = None  # None: only folders in diffusers' layout can be exported

    def library(self, network: str) -> str:
        """diffusers or transformers."""
        return str(self.networks[network].__module__.partition(".")[0])

    def weights_file(self, network: str) -> str:
        name = "model" if self.library(network) == "transformers" else "diffusion_pytorch_model"
        return f"{name}.safetensors"

    def empty_network(self, name: str, config: Mapping[str, Any]) -> Any:
        """With shapes only. Raises ExportError for a config that is no network's."""
        kind = self.networks[name]
        try:
            with torch.device("meta"):
                if self.library(name) == "diffusers":
                    return kind.from_config(dict(config))
                return kind(kind.config_class(**config, attn_implementation=_attention(kind)))
        except Exception as error:  # both libraries raise many kinds
            raise ExportError(f"No {name} can be made as its config says: {first_line(error)}") from None

    def loader_options(self, network: str, kind: torch.dtype) -> Mapping[str, Any]:
        """Of its class's from_pretrained. `kind`: type of the weights."""
        if self.library(network) == "diffusers":
            return {"torch_dtype": kind}
        of_clip = self.networks[network].config_class.model_type == "clip_text_model"
        return {
            "dtype": kind,
            "attn_implementation": _attention(self.networks[network]),
            "trust_remote_code": False,
            **({"key_mapping": {FLAT.pattern: r"text_model.\1"}} if of_clip else {}),
        }


def _attention(kind: Any) -> str:
    """torch's own in every text encoder that can have it, whatever a checkpoint asks for."""
    return "sdpa" if kind._supports_sdpa else "eager"


def torch_family(row: Family) -> TorchFamily:
    """FAMILY of the module that is named as the row."""
    found: TorchFamily = import_module(f"export.families.{row.name}").FAMILY
    return found
