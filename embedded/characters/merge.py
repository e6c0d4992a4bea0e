"""Runs the exporter's merge of a LoRA into a model's networks, or makes it fit the model's bank, in an
environment that has what it needs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from embedded.characters.adaptation import Adaptation
from embedded.child import run_child
from embedded.part import UMASK, PartError, inherit_environment, installed_python, python_of
from frontend.settings import ROOT


class MergeProgress(msgspec.Struct, frozen=True):
    """A line of `export.character --progress`; it has a stage or a note."""

    stage: str = ""
    done: float = 0.0  # of the stage, 0 to 1
    gib: float = 0.0  # the most memory so far
    note: str = ""  # what people should know of the LoRA


Tell = Callable[[MergeProgress], None]


def can_compare() -> bool:
    """Whether torch is installed here, which draws with the LoRA too and must draw the same."""
    return Path(python_of("export")).is_file()


async def merge(
    adaptation: Adaptation,
    *,
    base: Path,
    merged: Path,
    compare: bool = False,
    tell: Tell | None = None,
) -> list[str]:
    """Writes the networks or factors of a character or a style, from repository `base` into `merged`; nothing
    where they are there already. Returns notes on the LoRA for people. Raises PartError.

    `compare`: with torch, and nothing is written that it draws differently.
    """
    python = installed_python("export" if compare else "triton")
    async with run_child(
        *(python, "-m", "export.character", str(adaptation.lora.resolve())),
        *("--name", adaptation.character or adaptation.style, "--model", adaptation.model),
        *("--repository", str(base.resolve()), "--output", str(merged.resolve())),
        f"--strength={adaptation.strength}",
        *(f"--block={path}={factor}" for path, factor in adaptation.blocks.items()),
        *(("--merge",) if adaptation.merged else ()),
        *(("--style",) if adaptation.style else ()),
        *(("--compare",) if compare else ()),
        "--progress",
        cwd=ROOT,
        env=inherit_environment("CUDA_*", "NVIDIA_*"),
        umask=UMASK,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        async with asyncio.TaskGroup() as group:
            errors = group.create_task(process.stderr.read())
            notes = group.create_task(_listen(process.stdout, tell))
        await process.wait()
    if process.returncode:
        reason = errors.result().decode(errors="replace").strip().splitlines() or ["it ended without a word"]
        raise PartError(f"{adaptation}: {reason[-1].removeprefix('export: ')}")
    return notes.result()


async def _listen(lines: asyncio.StreamReader, tell: Tell | None) -> list[str]:
    """Returns the notes. The last line is the result, for people."""
    notes = []
    async for line in lines:
        if not line.startswith(b"{"):
            continue
        told = msgspec.json.decode(line, type=MergeProgress)
        if told.note:
            notes.append(told.note)
        elif tell:
            tell(told)
    return notes
