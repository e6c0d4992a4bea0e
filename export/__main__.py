"""python -m export CHECKPOINT --name eros --output REPOSITORY [--engine onnx|tensorrt|inductor] [...]"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from contract.bank import BadBank, BankSize
from contract.families import family_titles
from contract.limits import MAX_BATCH
from contract.samplers import ALL_SPACINGS, SAMPLERS
from contract.sizes import SIZES
from export.checkpoints.early_check import check_early, family_of_checkpoint
from export.checkpoints.schedule_choice import ScheduleOptions
from export.checkpoints.scheduler import PREDICTION_WORDS
from export.engines.builder import load_builder
from export.engines.recipe import WORKSPACE_MB, EngineOptions
from export.errors import ExportError, print_error
from export.repository.triton_config import check_name

PREDICTIONS = ("epsilon", "v_prediction", "v", "flow")


def _sizes(text: str | None) -> Sequence[tuple[int, int]]:
    """Raises ExportError."""
    if text is None:
        return SIZES
    found = [re.fullmatch(r"(\d{1,5})x(\d{1,5})", item.strip()) for item in text.lower().split(",")]
    if not all(found):
        raise ExportError(f"--sizes {text}: expected WIDTHxHEIGHT, with commas between them")
    return [(int(one[1]), int(one[2])) for one in found if one]


def _parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m export", description="Checkpoint → Triton model repository"
    )
    options.add_argument(
        "checkpoint",
        type=Path,
        help=f"{family_titles()}: folder in diffusers' layout, or one .safetensors file",
    )
    options.add_argument("--name", required=True, help="the model's name, such as eros")
    options.add_argument("--output", required=True, type=Path, help="model repository to write into")
    options.add_argument(
        "--storage",
        choices=("fp16", "fp32"),
        default="fp16",
        help="type of the weights on disk, where they are computed with in fp32 (default fp16)",
    )
    options.add_argument(
        "--precision",
        choices=("fp32", "fp16", "bf16"),
        help="type to compute in (default fp32; fp16 for plans and for packages on a GPU)",
    )
    options.add_argument(
        "--prediction",
        choices=PREDICTIONS,
        help="what the UNet predicts, in place of what the checkpoint says (v is v_prediction)",
    )
    options.add_argument(
        "--spacing",
        choices=ALL_SPACINGS,
        help="which noise levels are visited, in place of what the checkpoint says; few steps want trailing",
    )
    options.add_argument(
        "--sampler", choices=SAMPLERS, help="how steps are taken, in place of what the checkpoint says"
    )
    options.add_argument(
        "--zero-snr",
        action=argparse.BooleanOptionalAction,
        help="whether the last noise level is noise alone, in place of what the checkpoint says",
    )
    options.add_argument(
        "--vae",
        type=Path,
        help="VAE in place of the checkpoint's own: a .safetensors file or a folder",
    )
    options.add_argument(
        "--text-encoder",
        type=Path,
        action="append",
        default=[],
        help="file of a text encoder that a single file lacks; repeatable",
    )
    options.add_argument(
        "--distilled",
        type=Path,
        help="LoRA of few steps (Lightning, Hyper-SD, DMD2, LCM) that is merged into the whole model",
    )
    options.add_argument(
        "--like", type=Path, help="folder in diffusers' layout whose configs and tokenizers a single file has"
    )
    options.add_argument(
        "--adapters",
        metavar="SLOTSxRANK",
        help="a bank: characters are LoRAs in slots of one engine, such as 16x16; needs no engine for each",
    )
    options.add_argument(
        "--engine",
        choices=("onnx", "tensorrt", "inductor"),
        default="onnx",
        help="what Triton runs (default onnx)",
    )
    options.add_argument(
        "--batch", type=int, default=MAX_BATCH, help="largest batch of a plan or package (default 8)"
    )
    options.add_argument(
        "--sizes", help="sizes that plans are for, such as 1344x768,1024x1024 (default: all)"
    )
    options.add_argument(
        "--workspace-mb",
        type=int,
        default=WORKSPACE_MB,
        help="memory for a plan's kernels, MiB (default 8192)",
    )
    return options


def _adapters(text: str | None) -> BankSize | None:
    """Raises ExportError."""
    try:
        return BankSize.of_text(text) if text is not None else None
    except BadBank as error:
        raise ExportError(f"--adapters: {error}") from None


def _export(
    given: argparse.Namespace, engine_options: EngineOptions, adapters: BankSize | None
) -> Sequence[Path]:
    """With torch, which takes seconds to import: what is typed wrong has been told by now."""
    from export.engines.kinds import KINDS
    from export.model import ExportOptions, export_checkpoint
    from export.networks.precision import usual_precision

    options = ExportOptions(
        storage=given.storage,
        precision=given.precision
        or usual_precision(KINDS[given.engine].precision(), family_of_checkpoint(given.checkpoint)),
        engine=given.engine,
        engine_options=engine_options,
        like=given.like,
        distilled=given.distilled,
        vae=given.vae,
        text_encoders=tuple(given.text_encoder),
        adapters=adapters,
        schedule=ScheduleOptions(
            prediction=PREDICTION_WORDS.get(given.prediction),
            spacing=given.spacing,
            zero_snr=given.zero_snr,
            sampler=given.sampler,
        ),
    )
    return export_checkpoint(given.checkpoint, given.name, given.output, options)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        engine_options = EngineOptions(
            sizes=_sizes(given.sizes), batch=given.batch, workspace_mb=given.workspace_mb
        )
        adapters = _adapters(given.adapters)
        check_name(given.name)
        check_early(given.checkpoint, given.vae, given.text_encoder)
        if given.engine == "tensorrt":
            load_builder()
        folders = _export(given, engine_options, adapters)
    except (ExportError, OSError) as error:
        print_error(error)
        return 2
    print("\n".join(str(folder) for folder in folders))
    return 0


if __name__ == "__main__":
    sys.exit(main())
