"""`imgen export`: a checkpoint becomes models for Triton, in the environment that has torch."""

import argparse
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cli.errors import UserError
from cli.first_picture import first_picture
from cli.help import Commands, command
from cli.instance import Instance
from cli.repository import choose_output
from contract.families import family_titles
from contract.samplers import ALL_SPACINGS, SAMPLERS
from embedded.part import python_of
from frontend.common import seccomp
from frontend.common.printable import printable_lines
from frontend.settings import ROOT, load

OPTIONAL = (
    "precision",
    "prediction",
    "spacing",
    "sampler",
    "like",
    "distilled",
    "vae",
    "sizes",
    "workspace_mb",
    "adapters",
)


def add(commands: Commands) -> None:
    examples = (
        "  imgen export /models/my-sdxl.safetensors --name mine\n"
        "  imgen export /models/my-sdxl --name mine --output /srv/imgen/models --engine tensorrt --batch 4"
    )
    text = f"Turn a checkpoint of {family_titles()} into Triton models (needs `make install-export`)"
    parser = command(commands, "export", text, examples, run)
    add_checkpoint(parser)
    parser.add_argument(
        "--output",
        type=Path,
        help="model repository (default: IMGEN_MODELS_DIR, where none is set models/ in the data folder)",
    )
    add_export_options(parser, ("onnx", "tensorrt", "inductor"))
    parser.add_argument("--workspace-mb", type=int, help="memory for a plan's kernels, MiB (default 8192)")
    parser.add_argument("--sizes", help="sizes that plans are for, such as 1344x768,1024x1024 (default: all)")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="folder in diffusers' layout, or one .safetensors file")
    parser.add_argument("--name", required=True, help="the model's name, such as mine")


def add_export_options(parser: argparse.ArgumentParser, engines: Sequence[str]) -> None:
    """`engines`: that may be made, the usual one first."""
    parser.add_argument("--storage", choices=("fp16", "fp32"), default="fp16", help="type of stored weights")
    parser.add_argument("--precision", choices=("fp32", "fp16", "bf16"), help="type to compute in")
    predictions = ("epsilon", "v_prediction", "v", "flow")
    parser.add_argument("--prediction", choices=predictions, help="of the UNet, whatever the checkpoint says")
    parser.add_argument("--spacing", choices=ALL_SPACINGS, help="of the noise levels; trailing for few steps")
    parser.add_argument("--sampler", choices=SAMPLERS, help="of the steps, whatever the checkpoint says")
    parser.add_argument(
        "--zero-snr", action=argparse.BooleanOptionalAction, help="whether drawing begins at noise alone"
    )
    parser.add_argument("--vae", type=Path, help="file or folder of a VAE in place of the checkpoint's own")
    parser.add_argument(
        "--text-encoder",
        type=Path,
        action="append",
        help="file of a text encoder that a single file lacks; give it for each",
    )
    parser.add_argument(
        "--distilled", type=Path, help="LoRA of few steps (Lightning, …) that makes the whole model one"
    )
    parser.add_argument("--like", type=Path, help="folder whose configs and tokenizers a single file has")
    parser.add_argument("--engine", choices=engines, default=engines[0], help="what Triton runs")
    parser.add_argument(
        "--adapters",
        metavar="SLOTSxRANK",
        help="a bank, such as 16x16: characters of it are LoRAs in slots of one engine",
    )
    parser.add_argument("--batch", type=int, default=8, help="largest batch of a plan or package, 1 to 8")


def run(arguments: argparse.Namespace) -> int:
    if not arguments.checkpoint.exists():
        raise UserError(f"there is no checkpoint {arguments.checkpoint}")
    python = find_exporter()
    settings = load()
    output = choose_output(settings, arguments.output, arguments.name)
    Instance(settings.data_dir).prepare()
    code = run_exporter(python, arguments, output)
    if code:
        return code
    try:
        print(printable_lines(first_picture(settings, arguments.name, output)))
    except OSError as error:
        raise UserError(f"exported, but without an entry in the catalogue: {error}") from None
    return 0


def run_exporter(
    python: str, arguments: argparse.Namespace, output: Path, *, niceness: int = 0, tell_folders: bool = True
) -> int:
    """Its exit status. `niceness`: how far it stands back behind other processes of the machine;
    `tell_folders`: whether it prints what it has written."""
    command = [
        *(python, "-P", "-m", "export", str(arguments.checkpoint), "--name", arguments.name),
        *("--output", str(output), "--storage", arguments.storage),
        *("--engine", arguments.engine, "--batch", str(arguments.batch)),
        *(
            part
            for option in OPTIONAL
            if (value := getattr(arguments, option, None))
            for part in (f"--{option.replace('_', '-')}", str(value))
        ),
        *(part for path in arguments.text_encoder or () for part in ("--text-encoder", str(path))),
        *({True: ["--zero-snr"], False: ["--no-zero-snr"]}.get(arguments.zero_snr, [])),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def prepare() -> None:
        seccomp.prctl(seccomp.PR_SET_PDEATHSIG, signal.SIGKILL)  # it ends with us, however we end
        os.nice(niceness)

    stdout = None if tell_folders else subprocess.DEVNULL
    done = subprocess.run(command, env=environment, stdout=stdout, check=False, preexec_fn=prepare)
    return done.returncode


def find_exporter() -> str:
    """The interpreter that has torch. Raises UserError."""
    python = python_of("export")
    if not Path(python).is_file():
        raise UserError("the exporter is not installed; run `make install-export` (it brings torch)")
    return python
