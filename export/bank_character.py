"""A character of a model that has a bank: its LoRA's factors, which any of the bank's slots may hold.

No network is written: tens of megabytes that text_to_image puts into a slot when an order asks for them.
Needs numpy, onnx and safetensors only.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from safetensors.numpy import save_file

from contract.bank import DOWN, FACTORS_FILE, STRENGTH, UP, BadBank, Bank, read_bank
from contract.families import Family
from contract.limits import MAX_STRENGTH
from export.errors import ExportError
from export.graphs.rewrite import read_weight
from export.graphs.storage import MAX_FP16, MODEL_FILE, read_engine_digest, write_hashes
from export.lora.adapters import Array
from export.lora.factors import Factors, balance, check_lost, factors_of
from export.lora.lora_file import Lora, read_lora
from export.lora.merge import Merge
from export.lora.notes import merge_notes
from export.lora.strength import Strength
from export.lora.targets import Root, denoiser_root
from export.merge_origin import (
    REPORT_FILE,
    Check,
    MergeReport,
    family_of_base,
    must_have_base,
    origin_of,
    read_report,
    split_layers,
    text_encoder_of,
)
from export.progress_lines import OnProgress, count_steps, ignore_progress
from export.repository.staging import publish, staging


def bank_of(base_model_dir: Path) -> Bank | None:
    """Of a denoiser's folder. Raises ExportError."""
    try:
        return read_bank(base_model_dir)
    except BadBank as error:
        raise ExportError(f"{error}: export the model again") from None


def add_factors(
    base_model_dir: Path,
    lora: Path,
    target_dir: Path,
    strength: Strength = Strength(),  # noqa: B008, frozen
    check: Check | None = None,
    on_progress: OnProgress = ignore_progress,
) -> MergeReport:
    """Writes `target_dir` (factors.safetensors, weights.json, merge.json) from a denoiser with a bank and a
    LoRA, in the place of what was merged for the same character.

    Does nothing if it is already made of exactly these, and was checked if it shall be. `check` is given the
    folder that holds the new one before it is published. Raises ExportError, with nothing published or
    changed.
    """
    must_have_base(base_model_dir)
    if not lora.is_file():
        raise ExportError(f"There is no {lora}")
    layers, family = read_lora(lora), family_of_base(base_model_dir)
    of_text, of_unet, roots = split_layers(layers, family)
    origin = {**origin_of(base_model_dir, lora, layers.settings_file, strength, bool(of_text)), "bank": 1}
    made = read_report(target_dir, (FACTORS_FILE,))
    if made.get("origin") == origin and (made.get("compared") or check is None):
        return MergeReport(target_dir, made["layers"], tuple(made["notes"]), written=False)
    with staging(target_dir.parent, target_dir.name) as folder:
        new = folder / target_dir.name
        new.mkdir()
        found: dict[str, Factors] = {}
        merges = []
        parts: list[tuple[Path, list[str], Sequence[Root]]] = [
            (base_model_dir, of_unet, (denoiser_root(family),))
        ]
        if of_text:
            parts.append((text_encoder_of(base_model_dir), of_text, roots))
        for base, names, its_roots in parts:
            merges.append(_convert(base, layers, names, strength, family, its_roots, found, on_progress))
        strength.check([path for merge in merges for path in merge.paths])
        notes = (*layers.notes, *check_lost(found, lora.name), *merge_notes(merges))
        _write(new / FACTORS_FILE, found, strength.whole)
        engine = read_engine_digest(base_model_dir)
        write_hashes(new, engine, base=engine, lora=origin["lora"][0])
        report = {"origin": origin, "layers": len(found), "text_encoder": False, "notes": notes}
        report["compared"] = check is not None  # with torch; else nobody has
        (new / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n")
        if check:
            with count_steps(on_progress, "compare with torch", 1):
                check(folder)
        publish(new, target_dir)
        merged_encoder = text_encoder_of(target_dir)
        if merged_encoder.exists():
            merged_encoder.rename(folder / "unneeded")
    return MergeReport(target_dir, len(found), notes, written=True)


def _convert(
    base: Path,
    lora: Lora,
    names: list[str],
    strength: Strength,
    family: Family,
    roots: Sequence[Root],
    found: dict[str, Factors],
    on_progress: OnProgress,
) -> Merge:
    """Adds to `found`, by the module's path, what one network's layers become."""
    must_have_base(base)
    bank = bank_of(base)
    tables = {table.name: table for table in bank.tables} if bank else {}
    model = onnx.load(base / "1" / MODEL_FILE, load_external_data=False)
    merge = Merge.of(model, lora, names, strength, family, roots)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    with count_steps(on_progress, f"factors for {base.name}", len(merge.layers)) as one:
        for initialiser, (target, name) in merge.layers.items():
            one()
            shape = target.shape[::-1] if target.transposed else target.shape
            layer = merge.layer(initialiser)
            merge.check(layer, shape)
            factor = strength.of(target.full_path) / strength.whole
            if target.full_path + DOWN not in tables:
                raise ExportError(
                    f"LoRA layer {name} changes {target.full_path}, for which {base.name} has no bank: "
                    "--merge makes networks of its own of it"
                )
            assert bank

            def read(
                tensor: onnx.TensorProto = weights[initialiser], turned: bool = target.transposed
            ) -> Array:
                weight = read_weight(base / "1", tensor)
                return weight.T if turned else weight

            made = factors_of(layer, shape, read, bank.size.rank)
            if factor:
                rows = _rows(made.down, shape)
                scaled = Factors(rows, made.up * np.float32(factor), made.size, made.lost)
                found[target.full_path] = balance(scaled)
                if made.size:
                    merge.changed.add(initialiser)
    return merge


def _rows(down: Array, shape: Sequence[int]) -> Array:
    """[rank, in · places] → [rank · places, in], as a convolution's table has it."""
    inputs = shape[1]
    return np.ascontiguousarray(down.reshape(len(down), inputs, -1).transpose(0, 2, 1).reshape(-1, inputs))


def _write(path: Path, found: Mapping[str, Factors], strength: float) -> None:
    tensors = {}
    for layer, factors in found.items():
        for suffix, value in ((DOWN, factors.down), (UP, factors.up.T)):
            if not float(np.abs(value).max(initial=0)) <= MAX_FP16:
                raise ExportError(f"LoRA layer {layer} makes values that float16 cannot hold")
            tensors[layer + suffix] = np.ascontiguousarray(value, np.float16)
    assert abs(strength) <= MAX_STRENGTH
    save_file(tensors, path, metadata={STRENGTH: repr(strength)})
