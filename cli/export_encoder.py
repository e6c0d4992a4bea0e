"""`imgen export-encoder`: a sentence encoder becomes the cache's prompt encoder, where torch is."""

import argparse
import os
import subprocess
from pathlib import Path

from cli.errors import UserError
from cli.export import find_exporter
from cli.help import Commands, command
from cli.repository import choose_output
from frontend.settings import ROOT, load


def add(commands: Commands) -> None:
    examples = (
        "  imgen export-encoder all-MiniLM-L12-v2 --name larger-encoder\n"
        "  IMGEN_CACHE_ENCODER=larger-encoder imgen up"
    )
    text = "Turn a sentence encoder into a prompt encoder (needs `make install-export`)"
    parser = command(commands, "export-encoder", text, examples, run)
    parser.add_argument("folder", type=Path, help="a BERT in sentence-transformers' layout")
    parser.add_argument("--name", required=True, help="the Triton model's name, for IMGEN_CACHE_ENCODER")
    parser.add_argument("--output", type=Path, help="model repository (default: as of `imgen export`)")


def run(arguments: argparse.Namespace) -> int:
    if not arguments.folder.is_dir():
        raise UserError(f"there is no folder {arguments.folder}")
    output = choose_output(load(), arguments.output, arguments.name)
    command = [
        *(find_exporter(), "-P", "-m", "export.prompt_encoder", str(arguments.folder)),
        *("--name", arguments.name, "--output", str(output)),
    ]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode
