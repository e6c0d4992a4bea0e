"""Makes each character's denoiser out of the base model and its LoRA, once: only those two are shipped."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from embedded.child import child, run_all
from embedded.part import PartError, installed_python
from frontend.catalogue.catalogue import Character, load
from frontend.settings import ROOT, Settings, catalogue_folders


async def model_repositories(settings: Settings, say: Callable[[str], None]) -> list[Path]:
    """The Triton repositories of base models and of characters. Raises PartError and CatalogueError."""
    base, made = settings.models_dir.resolve(), settings.data_dir.resolve() / "models"
    made.mkdir(parents=True, exist_ok=True)
    catalogue = await asyncio.to_thread(load, *catalogue_folders(settings))
    merges = [
        merge(model, character, base, made, catalogue.lora(name))
        for name, character in catalogue.characters.items()
        for model in character.models
    ]
    await run_all(merges)
    if merges:
        say("characters")
    return [base, made]


class Progress(msgspec.Struct, frozen=True):
    """A line of `export.character --progress`."""

    stage: str
    done: float  # of the stage, 0 to 1
    gib: float  # the most memory so far


async def merge(
    model: str,
    character: Character,
    base: Path,
    made: Path,
    lora: Path,
    torch: str | None = None,
    tell: Callable[[Progress], None] | None = None,
) -> None:
    """Writes the character's denoiser for `model`, from repository `base` into `made`. Raises PartError.

    `torch`: an interpreter that has it, which then draws with the LoRA too, and must draw the same.
    """
    async with child(
        *(installed_python("triton"), "-m", "export.character", str(lora.resolve())),
        *("--name", character.name, "--model", model, "--repository", str(base), "--output", str(made)),
        f"--strength={character.strength}",
        *(f"--block={path}={factor}" for path, factor in character.blocks.items()),
        *(("--torch", torch) if torch else ()),
        *(("--progress",) if tell else ()),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        async with asyncio.TaskGroup() as group:
            errors = group.create_task(process.stderr.read())
            group.create_task(_listen(process.stdout, tell))
        await process.wait()
    if process.returncode:
        reason = errors.result().decode(errors="replace").strip().splitlines() or ["it ended without a word"]
        raise PartError(f"@{character.name} of {model}: {reason[-1].removeprefix('export: ')}")


async def _listen(lines: asyncio.StreamReader, tell: Callable[[Progress], None] | None) -> None:
    """The last line is the result, for people."""
    async for line in lines:
        if tell and line.startswith(b"{"):
            tell(msgspec.json.decode(line, type=Progress))
