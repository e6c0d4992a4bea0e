"""Where models lie on disk: their folders, their descriptions and tokenizers, the size of a character."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from order import BadOrder, Order
from residency import Unit
from slots import BankedLora
from tokens import TextTokenizer

from contract.bank import BadBank, Bank, read_bank, read_strength
from contract.description import BadDescription, Description, read_description
from contract.memory import ModelMemory, memory_of
from contract.names import (
    CHARACTER_PARTS,
    DENOISER,
    TEXT_ENCODER,
    TEXT_PARTS,
    NetworkName,
    adapted_name,
    network_name,
    split_network_name,
)
from contract.repositories import (
    DESCRIPTION_FILE,
    TOKENIZER_FILE,
    find_factors,
    find_network,
    read_hashes,
    repositories_of,
)
from contract.runtimes import told_runtime

CHARACTER, STYLE = "lora", "style_lora"
"""What the weights of a picture call an adapter of a bank."""


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    name: str
    stamp: tuple[int, ...]  # of its files: others when the model was exported again
    description: Description
    tokenizers: tuple[TextTokenizer, ...]  # one for each of the family's text encoders
    weights: Mapping[str, str]  # the denoiser's hash
    memory: ModelMemory | None  # None: it cannot be told
    banks: Mapping[str, Bank] = field(default_factory=dict)  # of its networks that have one, by name


class Repositories:
    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._models: dict[str, BaseModel] = {}
        self._memories: dict[str, tuple[int, ModelMemory | None]] = {}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], own: Path) -> "Repositories":
        """The folders in IMGEN_MODEL_REPOSITORIES, else the one that the model's folder `own` lies in."""
        return cls(repositories_of(environ, own))

    def base(self, name: str) -> BaseModel:
        """Raises BadOrder for an unknown model, BadDescription for one whose files are broken."""
        denoiser = find_network(self._folders, network_name(name, DENOISER))
        encoders = {
            part: folder
            for part in TEXT_PARTS
            if (folder := find_network(self._folders, network_name(name, part)))
        }
        if denoiser is None or TEXT_ENCODER not in encoders:
            raise BadOrder(f"unknown model {name}")
        files = (denoiser / DESCRIPTION_FILE, *(encoder / "1" for encoder in encoders.values()))
        stamp = tuple(file.stat().st_mtime_ns for file in files)
        known = self._models.get(name)
        if known is None or known.stamp != stamp:
            memory = self._memory_of(name, denoiser / DESCRIPTION_FILE)
            self._models[name] = known = _read_base(name, stamp, denoiser, encoders, memory)
        return known

    def memories(self, is_ready: Callable[[str], bool]) -> dict[str, ModelMemory]:
        """Of the base models that Triton has loaded, as far as it can be told. `is_ready`: of a network."""
        denoisers = {
            network.model: path
            for folder in self._folders
            for path in folder.glob(f"*/{DESCRIPTION_FILE}")
            if (network := split_network_name(path.parent.name)) and network.is_base
        }
        return {
            name: memory
            for name, path in denoisers.items()
            if is_ready(network_name(name, DENOISER)) and (memory := self._memory_of(name, path))
        }

    def _memory_of(self, model: str, description: Path) -> ModelMemory | None:
        """Read once, and again when the file `description` has changed, which an export writes."""
        try:
            stamp = description.stat().st_mtime_ns
        except OSError:  # gone meanwhile
            return None
        known = self._memories.get(model)
        if known is None or known[0] != stamp:
            self._memories[model] = known = (stamp, memory_of(self._folders, model))
        return known[1]

    def adapters(self, order: Order) -> list[BankedLora]:
        """What must be in the model's bank for the order: its character's LoRA, but where that has networks
        of its own, then its style's. Raises BadOrder."""
        wanted = (
            (CHARACTER, NetworkName(order.model, DENOISER, character=order.character)),
            (STYLE, NetworkName(order.model, DENOISER, style=order.style)),
        )
        found = [
            _banked_lora(role, adapted, file)
            for role, adapted in wanted
            if not adapted.is_base and (file := find_factors(self._folders, adapted))
        ]
        # A character's strength goes with its LoRA, a style's with the order.
        return [replace(one, strength=order.style_strength) if one.role == STYLE else one for one in found]

    def character(self, model: str, name: str) -> Unit:
        """What must be loaded for `name`: a denoiser, and a text encoder if it has one. Raises BadOrder."""
        denoiser = find_network(self._folders, network_name(model, DENOISER, name))
        if denoiser is None:
            raise BadOrder(f"unknown character {name} of model {model}")
        names = [network_name(model, part, name) for part in CHARACTER_PARTS]
        folders = {item: folder for item in names if (folder := find_network(self._folders, item))}
        files = [path.stat() for folder in folders.values() for path in folder.rglob("*") if path.is_file()]
        return Unit(
            name=adapted_name(model, name),
            models=tuple(folders),
            size=sum(file.st_size for file in files),
            stamp=max(file.st_mtime_ns for file in files),
            weights=read_hashes(denoiser),
        )

    def networks(self, order: Order, unit: Unit | None) -> tuple[str, ...]:
        """Triton's names of the parts of an order's model, in its family's order. Raises as `base` does."""
        own = unit.models if unit else ()

        def network(part: str) -> str:
            name = network_name(order.model, part, order.character)
            return name if name in own else network_name(order.model, part)

        return tuple(map(network, self.base(order.model).description.family.part_names))


def runtime_of(environ: Mapping[str, str], networks: Sequence[str]) -> str:
    """What runs them, as they have told; "" where they do not, as in NVIDIA's own backends."""
    return ", ".join(dict.fromkeys(filter(None, (told_runtime(environ, name) for name in networks))))


def tell_weights(weights: Mapping[str, str], adapters: Sequence[BankedLora]) -> str:
    """What drew, as JSON: `weights`, and each LoRA of a bank by its file's hash and its strength."""
    told = dict(weights)
    for adapter in adapters:
        if adapter.sha256:
            base = {"base": told["engine"]} if "engine" in told else {}
            told |= {
                **base,
                adapter.role: adapter.sha256,
                f"{adapter.role}_strength": _figure(adapter.strength),
            }
    return json.dumps(told)


def _figure(strength: float) -> str:
    """Without an exponent: 0.7."""
    return f"{strength:.6f}".rstrip("0").rstrip(".")


def _banked_lora(role: str, adapted: NetworkName, file: Path) -> BankedLora:
    """Raises BadOrder."""
    name = adapted_name(adapted.model, adapted.character, adapted.style)
    try:
        strength, state = read_strength(file), file.stat()
    except (OSError, BadBank) as error:
        raise BadOrder(f"{name} cannot be read: {error}") from None
    return BankedLora(
        name=name,
        file=file,
        stamp=hash((state.st_mtime_ns, state.st_ino, state.st_size)),
        strength=strength,
        role=role,
        sha256=read_hashes(file.parent).get("lora", ""),
    )


def _read_base(
    name: str,
    stamp: tuple[int, ...],
    denoiser: Path,
    encoders: Mapping[str, Path],
    memory: ModelMemory | None,
) -> BaseModel:
    description = read_description(denoiser / DESCRIPTION_FILE)
    family, tokenizers = description.family, []
    for one, pad in zip(family.text_encoders, description.pad_tokens, strict=True):
        if one.part not in encoders:
            raise BadDescription(f"there is no {network_name(name, one.part)}")
        path = encoders[one.part] / one.tokenizer / TOKENIZER_FILE
        if not path.is_file():
            raise BadDescription(f"{path.parent.parent.name}: there is no {one.tokenizer}/{TOKENIZER_FILE}")
        window = family.window(one.part, description.token_window)
        tokenizers.append(TextTokenizer(path, pad=pad, window=window, template=one.template))
    try:
        banks = {
            folder.name: bank for folder in (*encoders.values(), denoiser) if (bank := read_bank(folder))
        }
    except BadBank as error:
        raise BadDescription(str(error)) from None
    return BaseModel(
        name=name,
        stamp=stamp,
        description=description,
        tokenizers=tuple(tokenizers),
        weights=read_hashes(denoiser),
        memory=memory,
        banks=banks,
    )
