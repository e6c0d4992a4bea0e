"""Names of models and characters, and of the Triton models and folders that are made of them."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

# One dash at a time: two part a model's name from a character's.
NAME = re.compile(r"(?=.{1,64}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
"""Of a model or a character, which become folders and, joined by dashes, Triton models."""
NAME_WORDS = "1 to 64 of a-z, 0-9 and single dashes between them"

TEXT_TO_IMAGE = "text_to_image"
MODEL_CONTROL = "model_control"
PROMPT_ENCODER = "prompt-encoder"
"""The one that comes along; IMGEN_CACHE_ENCODER may name another."""

TEXT_ENCODER, TEXT_ENCODER_T5 = "text-encoder", "text-encoder-t5"
DENOISER, DECODER = "denoiser", "decoder"
PARTS = (TEXT_ENCODER, TEXT_ENCODER_T5, DENOISER, DECODER)
"""What a model may consist of in Triton, in the order in which a picture goes through them; its family says
which of them it has."""
TEXT_PARTS = (TEXT_ENCODER, TEXT_ENCODER_T5)
COMMON_PARTS = (TEXT_ENCODER, DENOISER, DECODER)
"""What every model has."""
CHARACTER_PARTS = (TEXT_ENCODER, DENOISER)
"""What a character may have of its own; the denoiser always."""

_OF_CHARACTER = "--"
_OF_STYLE = "style--"
"""Begins what is behind those dashes; no character is called that, as its name has single ones."""


@dataclass(frozen=True)
class NetworkName:
    """Of one network: eros-denoiser, or eros-denoiser--aya for a character's own. What a bank holds for a
    style lies in a folder of such a name, too: eros-denoiser--style--ink."""

    model: str
    part: str
    character: str = ""
    style: str = ""

    @property
    def is_base(self) -> bool:
        """Whether it is the model's own."""
        return not self.character and not self.style

    def __str__(self) -> str:
        return network_name(self.model, self.part, self.character, self.style)


def network_name(model: str, part: str, character: str = "", style: str = "") -> str:
    """Triton's name of a network, and its folder's in a repository."""
    return adapted_name(f"{model}-{part}", character, style)


def split_network_name(name: str) -> NetworkName | None:
    """None for what is no network of a model, such as text_to_image."""
    base, _, rest = name.partition(_OF_CHARACTER)
    style = rest.removeprefix(_OF_STYLE) if rest.startswith(_OF_STYLE) else ""
    for part in PARTS:
        if base.endswith(f"-{part}"):
            return NetworkName(base.removesuffix(f"-{part}"), part, "" if style else rest, style)
    return None


def is_character(name: str) -> bool:
    """Whether a Triton model is a character's: text_to_image loads it when it is asked for."""
    return _OF_CHARACTER in name


def adapted_name(base: str, character: str = "", style: str = "") -> str:
    """Of a model with a character or a style: eros--aya, eros--style--ink."""
    adapter = character or (f"{_OF_STYLE}{style}" if style else "")
    return f"{base}{_OF_CHARACTER}{adapter}" if adapter else base


def control_key_file(server: int | str, folder: Path | None = None) -> Path:
    """Where model_control leaves the key that it demands. `server`: tritonserver's process id; `folder`: of
    its temporary files, where they are not this process's."""
    return (folder or Path(tempfile.gettempdir())) / f"imgen-{server}.key"


def order_counts_file(server: int) -> Path:
    """Where text_to_image tells contract/order_counts.py. `server`: tritonserver's process id."""
    return Path(tempfile.gettempdir()) / f"imgen-{server}.orders"


def load_request_file(server: int) -> Path:
    """Of contract/load_request.py. `server`: tritonserver's process id."""
    return Path(tempfile.gettempdir()) / f"imgen-{server}.load"
