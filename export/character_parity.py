"""Whether a character's merged networks draw what torch draws with the same LoRA over the same base.

torch's side shares no code with the merge: PEFT applies the file.

python -m export.character_parity LORA --model eros --base REPOSITORY --merged FOLDER --report FOLDER [...]
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto
from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file

from export.beside import publish, staging
from export.checkpoint import Checkpoint
from export.errors import ExportError, first_line
from export.networks import Network, network_of
from export.parity import Report, compare
from export.precision import LIMITS, Limit
from export.restore import open_restored
from export.sgm import sgm_names
from export.storage import MODEL_FILE
from export.strength import Strength, strength_of_options
from export.tokens import open_tokenizer

PARTS = ("text-encoder", "denoiser", "decoder")
PEFT_PREFIX = "base_model.model."
KOHYA = {
    "unet": ("lora_unet_",),
    "text_encoder": ("lora_te1_", "lora_te_"),
    "text_encoder_2": ("lora_te2_",),
}
KINDS = {"lora_down.weight": "lora_A.weight", "lora_up.weight": "lora_B.weight"}
Tensors = Mapping[str, torch.Tensor]


def compare_character(
    lora: Path, strength: Strength, model: str, base: Path, merged: Path, report_folder: Path
) -> Report:
    """`merged`: a folder with the character's denoiser and, if it has its own, its text encoder.

    Puts the report in `report_folder`'s place. Raises ExportError if torch cannot take the LoRA.
    """
    parts = {part: base / f"{model}-{part}" for part in PARTS}
    for path in merged.iterdir():
        parts |= {part: path for part in PARTS if path.name.startswith(f"{model}-{part}--")}
    with (
        tempfile.TemporaryDirectory() as scratch,
        staging(report_folder.parent, report_folder.name) as folder,
    ):
        checkpoint = open_restored(base, model, Path(scratch))
        tokenizers = {
            name: open_tokenizer(checkpoint.folder / name, encoder.config)
            for name, encoder in checkpoint.tokenizers.items()
        }

        def reference(part: str) -> Network:
            """Of a checkpoint of its own, so that nothing but it is in fp32, and it is gone after use."""
            own = open_restored(base, model, Path(tempfile.mkdtemp(dir=scratch)))
            network = network_of(own, part)
            _apply(lora, strength, own)
            return network

        new = folder / "report"
        new.mkdir()
        limit = _limit(base / f"{model}-denoiser")
        report = compare(parts, checkpoint, tokenizers, limit, new, reference)
        publish(new, report_folder)
    return report


def _apply(lora: Path, strength: Strength, checkpoint: Checkpoint) -> None:
    networks = {
        "unet": checkpoint.unet,
        "text_encoder": checkpoint.text_encoder,
        "text_encoder_2": checkpoint.text_encoder_2,
    }
    try:
        _load(lora, checkpoint)
    except Exception as error:  # diffusers and PEFT raise many kinds
        raise ExportError(f"torch cannot take {lora.name}: {first_line(error)}") from None
    with torch.no_grad():
        for root, network in networks.items():
            for name, parameter in network.named_parameters() if network else ():
                if ".lora_B." in name:
                    parameter.mul_(strength.of(f"{root}.{name.partition('.lora_B.')[0]}"))


def _load(lora: Path, checkpoint: Checkpoint) -> None:
    state = load_file(lora)
    networks = {"unet": checkpoint.unet, "text_encoder": checkpoint.text_encoder}
    if checkpoint.text_encoder_2 is not None:
        networks["text_encoder_2"] = checkpoint.text_encoder_2
    if all(key.startswith(PEFT_PREFIX) for key in state):
        inject_adapter_in_model(LoraConfig.from_pretrained(str(lora.parent)), checkpoint.unet)
        bare = {key.removeprefix(PEFT_PREFIX): value for key, value in state.items()}
        set_peft_model_state_dict(checkpoint.unet, bare)
    elif any(key.startswith("lora_") for key in state):
        for name, network in networks.items():
            _inject(network, *_kohya(state, KOHYA[name], network))
    else:
        settings = _settings(lora)
        for name, network in networks.items():
            own = {
                key.removeprefix(f"{name}."): value
                for key, value in state.items()
                if key.startswith(f"{name}.")
            }
            alpha = settings.get(f"{name}.lora_alpha")
            _inject(network, own, {} if alpha is None else dict.fromkeys(_modules(own), float(alpha)))


def _kohya(
    state: Tensors, prefixes: Sequence[str], network: torch.nn.Module
) -> tuple[Tensors, dict[str, float]]:
    """In PEFT's names, and each module's alpha."""
    modules = [path for path, module in network.named_modules() if hasattr(module, "weight")]
    spelled = [(path, path) for path in modules]
    if "lora_unet_" in prefixes:  # Stability's names too; tests hold them beside diffusers' conversion
        spelled += [(theirs, ours) for ours, theirs in sgm_names(modules).items()]
    paths = {prefix + name.replace(".", "_"): path for name, path in spelled for prefix in prefixes}
    found, alphas = {}, {}
    for key, value in state.items():
        name, _, kind = key.partition(".")
        if path := paths.get(name):
            if kind == "alpha":
                alphas[path] = float(value)
            else:
                found[f"{path}.{KINDS[kind]}"] = value
    return found, alphas


def _modules(state: Tensors) -> list[str]:
    return sorted({key.partition(".lora_")[0] for key in state})


def _inject(network: torch.nn.Module, state: Tensors, alphas: Mapping[str, float]) -> None:
    """`state` in PEFT's names; a module without alpha has its rank's."""
    modules = _modules(state)
    if not modules:
        return
    ranks = {path: state[f"{path}.lora_A.weight"].shape[0] for path in modules}
    given = {path: alphas.get(path, rank) for path, rank in ranks.items()}
    config = LoraConfig(
        target_modules=modules,
        rank_pattern={f"^{re.escape(path)}": rank for path, rank in ranks.items()},
        alpha_pattern={f"^{re.escape(path)}": alpha for path, alpha in given.items()},
    )
    inject_adapter_in_model(config, network)
    set_peft_model_state_dict(network, dict(state))


def _settings(lora: Path) -> Mapping[str, Any]:
    """As diffusers keeps PEFT's in a file: unet.lora_alpha and so on."""
    with safe_open(lora, framework="pt") as file:
        text = (file.metadata() or {}).get("lora_adapter_metadata")
    found: Mapping[str, Any] = json.loads(text) if text else {}
    return found


def _limit(denoiser: Path) -> Limit:
    """By the type of the weights that the base keeps and computes with."""
    graph = onnx.load(denoiser / "1" / MODEL_FILE, load_external_data=False).graph
    half = {
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT16 and len(tensor.dims) > 1
    }
    computes = any(node.op_type in ("Conv", "MatMul") and half & set(node.input) for node in graph.node)
    return LIMITS["fp16" if computes else "fp32", "fp16" if half else "fp32"]


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python -m export.character_parity")
    options.add_argument("lora", type=Path)
    options.add_argument("--model", required=True)
    options.add_argument("--base", type=Path, required=True)
    options.add_argument("--merged", type=Path, required=True)
    options.add_argument("--report", type=Path, required=True)
    options.add_argument("--strength", type=float, default=1.0)
    options.add_argument("--block", action="append", default=[])
    given = options.parse_args(arguments)
    try:
        strength = strength_of_options(given.strength, given.block)
        report = compare_character(given.lora, strength, given.model, given.base, given.merged, given.report)
        if report.failure:
            raise ExportError(f"does not draw as torch with PEFT does: {report.failure}; see {given.report}")
    except ExportError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
