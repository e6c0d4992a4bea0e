"""This server, as `imgen up` starts it, with a data folder, a repository and a catalogue of its own.

A size that the API does not have, such as SD 1.5's own 512x512, is put into the queue by the server's own
code, as `generate` does it; all that follows, from the queue to the polled answer, is the server's.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from contract.sizes import SIZES
from embedded.characters.declaration import CharacterDeclaration
from embedded.characters.service import CharacterService
from embedded.redis import redis_part
from frontend.actions.generate import plan
from frontend.actions.generate_request import GenerateRequest
from frontend.catalogue.catalogue import load as load_catalogue
from frontend.common.redis_connection import connect
from frontend.domain.job import Job
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Keys
from frontend.prompts.prompt import read
from frontend.settings import Settings, catalogue_folders
from perf.finished_jobs import NO_TEXTS
from perf.peers.order import PeerOrder
from perf.system import System, system_up

POLL_S = 0.1  # eight clients that poll ask 80 times a second
PATIENCE_S = 3600.0
MODEL = "eros"
ENTRY = """\
label: Published shapes
default_style: plain
steps: {steps}
guidance: {guidance}
negative: {negative}
quality: high quality
styles:
  plain: {{label: Plain}}
"""
NEGATIVE = "blurry"


def settings_of(folder: Path) -> Settings:
    own = folder / "ours"
    return replace(
        Settings(),
        data_dir=own / "data",
        catalogue_dir=own / "catalogue",
        models_dir=folder / "repository",
        job_deadline_s=PATIENCE_S,
        triton_timeout_s=PATIENCE_S,
    )


def write_entry(folder: Path, steps: int, guidance: float) -> None:
    entry = settings_of(folder).catalogue_dir / "models" / f"{MODEL}.yaml"
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_text(ENTRY.format(steps=steps, guidance=guidance, negative=NEGATIVE))


def job_of(prompt: str, size: tuple[int, int], seed: int, folder: Path, owner: str = "") -> Job:
    """What `generate` makes of a request for a PNG, but for a size that it would not take."""
    request = GenerateRequest(prompt=prompt, seed=seed, format="png")
    catalogue = load_catalogue(*catalogue_folders(settings_of(folder)))
    asked = read(request.prompt, catalogue.characters_of(MODEL))
    job = plan(request, asked, catalogue, NO_TEXTS, owner)
    return msgspec.structs.replace(job, width=size[0], height=size[1])


@dataclass(frozen=True)
class OursServer:
    system: System
    folder: Path
    prompt: str  # as a client writes it
    owner: str
    jobs: JobStore

    @property
    def pid(self) -> int:
        return self.system.pid

    async def draw(self, order: PeerOrder) -> bytes:
        asked = f"@{order.character} {self.prompt}" if order.character else self.prompt
        meta = await self.system.wait_for(
            await self._accepted(asked, order), poll_s=POLL_S, patience_s=PATIENCE_S
        )
        image = meta["images"][0]
        async with self.system.http.get(image.get("url") or image["unsafe_url"]) as response:
            response.raise_for_status()
            return await response.read()

    async def _accepted(self, asked: str, order: PeerOrder) -> str:
        width, height = order.width, order.height
        if (width, height) in SIZES:
            body = {
                "action": "generate", "prompt": asked, "seed": order.seed, "format": "png",
                "width": width, "height": height,
            }  # fmt: skip
            return str((await self.system.call(body))["id"])
        job = job_of(asked, (width, height), order.seed, self.folder, self.owner)
        return await self.jobs.accept(job, b"", None)


@contextlib.asynccontextmanager
async def ours_server(folder: Path, prompt: str) -> AsyncIterator[OursServer]:
    """Raises BenchError."""
    settings = settings_of(folder)
    environ = {
        "IMGEN_CATALOGUE_DIR": str(settings.catalogue_dir),
        "IMGEN_MODELS_DIR": str(settings.models_dir),
        "IMGEN_JOB_DEADLINE_S": str(PATIENCE_S),
        "IMGEN_TRITON_TIMEOUT_S": str(PATIENCE_S),
    }
    async with system_up(settings.data_dir, environ) as system:
        redis = connect(redis_part(settings.data_dir).url)
        try:
            key = await Keys(redis).authorize(f"Bearer {system.key}")
            yield OursServer(system, folder, prompt, key.id, JobStore(redis, settings))
        finally:
            await redis.aclose()


async def add_characters(folder: Path) -> None:
    """Merged once, before the server starts; not compared with torch, which takes 12 GB."""
    settings = settings_of(folder)
    service = CharacterService.of(settings)
    known = load_catalogue(*catalogue_folders(settings)).characters
    for lora in sorted((folder / "loras").glob("*.safetensors")):
        if lora.stem not in known:
            declaration = CharacterDeclaration(
                label=lora.stem.capitalize(),
                models=(MODEL,),
                trigger="a person",
                lora=lora.name,
                rights="fictional",
                depicts="adult",
            )
            await service.add(lora.stem, declaration, lora, replace=False, compare=False)
