"""A character's networks: the model's own with one LoRA merged in. Needs numpy, onnx and safetensors only.

A LoRA that changes the text encoder too gives the character a text encoder of its own, and only then.

python -m export.character LORA --name aya --model eros --repository REPOSITORY
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import onnx

from contract.bank import BANK_FILE
from contract.families import Family
from contract.names import DENOISER, network_name
from contract.repositories import CONFIG_FILE
from export.bank_character import add_factors, bank_of
from export.engines.package import add_character_package
from export.engines.plan import TIMING_CACHE, add_character_plan, check_character_plan
from export.errors import ExportError, print_error
from export.graphs.base_check import checked, state_of
from export.graphs.rewrite import rewrite
from export.graphs.storage import (
    MODEL_FILE,
    PACKAGE_FILE,
    PLAN_FILE,
    read_engine_digest,
    write_hashes,
)
from export.lora.lora_file import Lora, read_lora
from export.lora.merge import Merge
from export.lora.notes import merge_notes
from export.lora.strength import Strength, strength_of_options
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
from export.progress_lines import OnProgress, count_steps, ignore_progress, print_progress
from export.repository.staging import publish, staging
from export.repository.triton_config import check_name, rename_config
from frontend.common.printable import printable

REPORTS = ".reports"  # in the repository; Triton loads nothing of it


def merge_character(
    base_model_dir: Path,
    lora: Path,
    target_dir: Path,
    strength: Strength = Strength(),  # noqa: B008, frozen
    check: Check | None = None,
    on_progress: OnProgress = ignore_progress,
) -> MergeReport:
    """Writes `target_dir` (graph, config.pbtxt, weights.json, merge.json) from a denoiser and a LoRA, and a
    text encoder beside it if the LoRA has layers for one.

    Does nothing if it is already made of exactly these, and was checked if it shall be. `check` is given the
    folder that holds the new networks before they are published. Raises ExportError, with nothing published
    or changed.
    """
    must_have_base(base_model_dir)
    if not lora.is_file():
        raise ExportError(f"There is no {lora}")
    check_character_plan(base_model_dir)
    layers, family = read_lora(lora), family_of_base(base_model_dir)
    of_text, of_unet, roots = split_layers(layers, family)
    origin = origin_of(base_model_dir, lora, layers.settings_file, strength, bool(of_text))
    made = read_report(target_dir)
    if made.get("origin") == origin and (made.get("compared") or check is None):
        return MergeReport(target_dir, made["layers"], tuple(made["notes"]), written=False)
    encoder = text_encoder_of(target_dir)
    with staging(target_dir.parent, target_dir.name) as folder:
        new, new_encoder = folder / target_dir.name, folder / encoder.name
        write = partial(
            _write,
            repository=target_dir.parent,
            lora=layers,
            strength=strength,
            family=family,
            on_progress=on_progress,
        )
        engine, merge = write(base_model_dir, new, names=of_unet, roots=(denoiser_root(family),))
        merges = [merge]
        if of_text:
            of_encoder = text_encoder_of(base_model_dir)
            merges.append(write(of_encoder, new_encoder, names=of_text, roots=roots)[1])
        paths = [path for merge in merges for path in merge.paths]
        strength.check(paths)
        notes = (*layers.notes, *merge_notes(merges))
        write_hashes(new, engine, base=read_engine_digest(base_model_dir), lora=origin["lora"][0])
        report = {"origin": origin, "layers": len(paths), "text_encoder": bool(of_text), "notes": notes}
        report["compared"] = check is not None  # with torch; else nobody has
        (new / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n")
        if check:
            with count_steps(on_progress, "compare with torch", 1):
                check(folder)
        # The denoiser last: it is what makes the character one, and its report is what says that all is done.
        if of_text:
            publish(new_encoder, encoder)
        elif encoder.exists():
            encoder.rename(folder / "unneeded")
        publish(new, target_dir)
    return MergeReport(target_dir, len(paths), notes, written=True)


def _write(
    base: Path,
    new: Path,
    *,
    repository: Path,
    lora: Lora,
    names: list[str],
    strength: Strength,
    family: Family,
    roots: Sequence[Root],
    on_progress: OnProgress,
) -> tuple[str | None, Merge]:
    """One network with its part of the LoRA; returns its digest where it runs as ONNX, and what became of
    it."""
    must_have_base(base)
    before = state_of(base)
    model = onnx.load(base / "1" / MODEL_FILE, load_external_data=False)
    merge = Merge.of(model, lora, names, strength, family, roots)
    merging = count_steps(on_progress, f"merge into {base.name}", len(merge.layers))
    with checked(base, before, repository), merging as one:
        made = rewrite(base / "1", new / "1", model, merge.changes(one))
    (new / CONFIG_FILE).write_text(rename_config((base / CONFIG_FILE).read_text(), new.name))
    if (base / BANK_FILE).is_file():  # its tables are inputs still; nobody writes into these
        shutil.copyfile(base / BANK_FILE, new / BANK_FILE)
    with count_steps(on_progress, f"make the engine of {new.name}", 1):
        add_character_plan(new, base, merge.paths, base.parent / TIMING_CACHE)
        add_character_package(new, base, merge.paths)
    as_onnx = not any((new / "1" / file).is_file() for file in (PLAN_FILE, PACKAGE_FILE))
    return made if as_onnx else None, merge


def _parity(given: argparse.Namespace, strength: Strength, target: Path) -> Check:
    """Compares with torch, which this interpreter must have; it is imported when all else is done."""
    report_folder = target.parent / REPORTS / target.name

    def check(folder: Path) -> None:
        from export.parity.character import compare_character

        report = compare_character(given.lora, strength, given.model, given.repository, folder, report_folder)
        if report.failure:
            raise ExportError(
                f"{given.name} does not draw as torch does: {report.failure}; see {report_folder}"
            )

    return check


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        prog="python -m export.character", description="Merge a LoRA into a denoiser"
    )
    options.add_argument("lora", type=Path, help=".safetensors file; docs/export.md lists the layouts")
    options.add_argument("--name", required=True, help="the character's or style's name, such as aya")
    options.add_argument("--model", required=True, help="the model's name, such as eros")
    options.add_argument("--repository", required=True, type=Path, help="where {model}-denoiser is")
    options.add_argument("--output", type=Path, help="repository to write into (default: the same)")
    options.add_argument("--strength", type=float, default=1.0)
    options.add_argument(
        "--block", action="append", default=[], help="PATH=FACTOR, such as unet.up_blocks.1=0.5; repeatable"
    )
    options.add_argument(
        "--merge", action="store_true", help="into networks of its own, also where the model has a bank"
    )
    options.add_argument(
        "--style",
        action="store_true",
        help="it is a style's, for the model's bank; how much of it is drawn with, each order says",
    )
    options.add_argument(
        "--compare", action="store_true", help="with torch: nothing is published that it draws differently"
    )
    options.add_argument("--progress", action="store_true", help="tell how far it is, a JSON object a line")
    given = options.parse_args(arguments)
    try:
        model, name = check_name(given.model), check_name(given.name)
        adapted = {"style" if given.style else "character": name}
        target = (given.output or given.repository) / network_name(model, DENOISER, **adapted)
        strength = strength_of_options(given.strength, given.block)
        check = _parity(given, strength, target) if given.compare else None
        on_progress = print_progress if given.progress else ignore_progress
        base = given.repository / network_name(model, DENOISER)
        banked = not given.merge and bank_of(base)
        if given.style and not banked:
            raise ExportError(
                f"a style's LoRA is for a bank, and {model} has none: export it with --adapters 16x16, or "
                "take the LoRA out of the style"
            )
        make = add_factors if banked else merge_character
        report = make(base, given.lora, target, strength, check, on_progress)
    except (ExportError, OSError) as error:
        print_error(error)
        return 2
    for note in report.notes:
        print(json.dumps({"note": printable(note)}) if given.progress else printable(note))
    made = ("made for the bank" if banked else "merged") if report.written else "already there"
    print(f"{report.folder}: {report.layers} layers, {made}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
