"""What the keys of a LoRA file say: of which layer each is, and what its tensor is to that layer.

Sources: the names that kohya's sd-scripts, LyCORIS, PEFT, OneTrainer, ComfyUI and diffusers (its training
scripts and converters of all versions) write.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from export.errors import ExportError

ROLES = {
    **dict.fromkeys((".lora_down.weight", ".lora_A.weight", ".lora_A"), "down"),
    **dict.fromkeys((".lora.down.weight", "_lora.down.weight", ".lora_linear_layer.down.weight"), "down"),
    ".down.weight": "down",
    ".up.weight": "up",
    **dict.fromkeys((".lora_up.weight", ".lora_B.weight", ".lora_B"), "up"),
    **dict.fromkeys((".lora.up.weight", "_lora.up.weight", ".lora_linear_layer.up.weight"), "up"),
    ".lora_mid.weight": "mid",
    **{f".hada_{role}": f"hada_{role}" for role in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f".lokr_{role}": f"lokr_{role}" for role in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
    **dict.fromkeys((".diff", ".w_norm"), "diff"),
    **dict.fromkeys((".diff_b", ".b_norm"), "bias"),
    **dict.fromkeys((".alpha", ".lora.alpha", "_lora.alpha", ".lora_linear_layer.alpha"), "alpha"),
    **dict.fromkeys((".lora.down.weight.alpha", "_lora.down.weight.alpha"), "alpha"),
    **dict.fromkeys((".dora_scale", ".magnitude", ".lora_magnitude_vector"), "magnitude"),
    ".lora_magnitude_vector.weight": "magnitude",
}
"""End of a key → what the tensor is to its layer."""
LONGEST_FIRST = sorted(ROLES, key=len, reverse=True)
ADAPTER = re.compile(r"(\.lora_[AB]|\.lora_magnitude_vector)\.(?!weight$)[^.]{1,100}(?=\.weight$|$)")
"""PEFT writes an adapter's name into the keys, unless it saves them itself."""
BIAS = ".bias"
"""Ends the name of a layer that changes a bias."""
SIDE = frozenset({"alpha", "magnitude"})  # may go with any kind that is scaled

MERGE_IT = "merge it into its checkpoint with the tool that made it, and export that"
NO_LORA = "it is no LoRA; a character needs one"
UNSUPPORTED = {
    "first_stage_model.": ("A whole checkpoint", "`imgen export` takes it"),
    "lora_controlnet": ("A control-LoRA", NO_LORA),
    "lllite_": ("ControlNet-LLLite", NO_LORA),
    "ip_adapter": ("IP-Adapter", NO_LORA),
    "_custom_diffusion": ("Custom Diffusion", MERGE_IT),
    ".a1.weight": ("GLoRA", MERGE_IT),
    ".b1.weight": ("GLoRA", MERGE_IT),
    "boft_": ("BOFT", MERGE_IT),
    ".boft": ("BOFT", MERGE_IT),
    "oft_": ("OFT", MERGE_IT),
    ".on_input": ("IA3", MERGE_IT),
    ".ia3_l": ("IA3", MERGE_IT),
    ".vera_lambda": ("VeRA", MERGE_IT),
    ".lora_E": ("AdaLoRA", MERGE_IT),
    ".lora_B.bias": ("LoRA with biases", MERGE_IT),
    ".lora_up.bias": ("LoRA with biases", MERGE_IT),
    ".lora_embedding_": ("LoRA of an embedding", MERGE_IT),
    ".set_weight": ("A file with whole weights", MERGE_IT),
    ".reshape_weight": ("LoRA of a model of another shape", MERGE_IT),
    "scaled_fp8": ("Scaled fp8", "save it as fp16"),
    "scale_weight$": ("Scaled fp8", "save it as fp16"),
    "weight_scale$": ("Scaled fp8", "save it as fp16"),
    ".absmax$": ("LoRA in 4 or 8 bits with a table", "save it as fp16"),
    ".down$": ("A control-LoRA", NO_LORA),
}
"""Part of a key, the end being $ → what has such keys, and what to do."""
BUNDLE = "bundle_emb."
EMBEDDING = re.compile(r"clip_[lg]|emb_params|text_encoders_[01]|string_to_param\..*|<.*>")
"""Keys of textual inversion, in a file of its own."""
SHOWN = 5  # keys that an error names
SHOWN_CHARACTERS = 120  # of each


@dataclass(frozen=True)
class LayerKeys:
    """Of one layer."""

    name: str  # as in the file, without the tensors' suffixes
    roles: Mapping[str, str]  # what the tensor is → its key

    @property
    def kind(self) -> frozenset[str]:
        return frozenset(self.roles) - SIDE


def flatten(name: str) -> str:
    """Some files have dots in a layer's name, some underscores, and some both for one layer."""
    return name.replace(".", "_")


def list_keys(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - SHOWN:,} more" if len(keys) > SHOWN else ""
    cut = (key if len(key) <= SHOWN_CHARACTERS else f"{key[:SHOWN_CHARACTERS]}…" for key in keys[:SHOWN])
    return ", ".join(cut) + more


def refuse_unsupported(keys: Sequence[str]) -> None:
    for marker, (kind, advice) in UNSUPPORTED.items():
        found = [key for key in keys if marker in f"{key}$"]
        if found:
            raise ExportError(
                f"{kind} is not supported ({len(found):,} keys, such as {list_keys(found[:1])}): {advice}"
            )


def split_embeddings(keys: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The keys of trained embeddings by their names, and all others."""
    embeddings: dict[str, list[str]] = {}
    others = []
    for key in keys:
        if key.startswith(BUNDLE):
            embeddings.setdefault(key.removeprefix(BUNDLE).partition(".")[0], []).append(key)
        elif EMBEDDING.fullmatch(key):
            embeddings.setdefault(key.partition(".")[0], []).append(key)
        else:
            others.append(key)
    return embeddings, others


def group_keys(keys: Iterable[str]) -> tuple[dict[str, LayerKeys], list[str]]:
    """Layers by their flat names, and the keys that are of none."""
    names: dict[str, str] = {}
    roles: dict[str, dict[str, str]] = {}
    alone = []
    for key in keys:
        plain = ADAPTER.sub(r"\1", key)
        suffix = next((suffix for suffix in LONGEST_FIRST if plain.endswith(suffix)), "")
        role = ROLES.get(suffix, "")
        name = plain.removesuffix(suffix) + (BIAS if role == "bias" else "")
        flat = flatten(name)
        if not role or role in roles.get(flat, {}):
            alone.append(key)
            continue
        roles.setdefault(flat, {})[role] = key
        if role not in SIDE:
            names[flat] = name
    found = {flat: LayerKeys(names.get(flat, flat), of_layer) for flat, of_layer in roles.items()}
    return found, alone
