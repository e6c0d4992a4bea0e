"""What runs each network of a Triton, as its process has told: library, version, precision, in one line."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

RUNTIMES_DIR = "IMGEN_RUNTIMES_DIR"
"""In the environment of a Triton: a folder in which each network writes, under its name, what runs it."""
RUNTIME = re.compile(r"[ -~]{0,100}")
NOT_A_NUMBER = "is not a number"
"""In the message of an error: a network has computed infinity or what is no number."""


def tell_runtime(environ: Mapping[str, str], network: str, runtime: str) -> None:
    """Raises OSError."""
    if folder := environ.get(RUNTIMES_DIR):
        beside = Path(folder) / f"{network}.{os.getpid()}.tmp"
        beside.write_text(runtime)
        beside.rename(Path(folder) / network)


def told_runtime(environ: Mapping[str, str], network: str) -> str:
    """ "" where none is told, as in NVIDIA's own backends."""
    try:
        with (Path(environ[RUNTIMES_DIR]) / network).open() as file:
            told = file.read(101)
    except (OSError, KeyError, ValueError):
        return ""
    return told if RUNTIME.fullmatch(told) else ""
