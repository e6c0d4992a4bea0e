"""Which parts `imgen up` starts: each one whose URL is not set; the one whose URL is set is used."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from embedded.acs import acs_part
from embedded.dead_stub import has_dead_stub
from embedded.frontend import frontend_part
from embedded.llm import llm_part
from embedded.part import PartError, SystemPart
from embedded.redis import redis_part
from embedded.triton import triton_part
from frontend.net.public_url import public_url
from frontend.settings import Settings
from frontend.storage import StorageError
from frontend.storage.open_storage import where_links_lead

# A CPU gains little from more pictures at a time, and each one then takes longer.
WORKERS_ON_A_CPU = 2


@dataclass(frozen=True)
class SystemPlan:
    stages: list[list[SystemPart]]  # the parts of a stage start side by side
    redis_url: str
    url: str  # where the API will be
    triton_url: str  # of the Triton that is started; "" for none


async def plan(
    settings: Settings,
    models: list[Path],
    *,
    llm: bool,
    given: Collection[str],
    triton_port: int | None = None,
) -> SystemPlan:
    """`models`: repositories for the Triton that is started here. `given`: the settings that somebody set.
    `triton_port`: where Triton listens on loopback; None: on a Unix socket.

    Raises PartError, and SettingError where the settings allow no links to pictures.
    """
    data_dir = settings.data_dir.resolve()
    stores: list[SystemPart] = []
    parts: list[SystemPart] = []
    environment: dict[str, str] = {}
    if not settings.redis_url:
        stores.append(redis_part(data_dir, settings.redis_max_mb))
        environment["IMGEN_REDIS_URL"] = stores[-1].url
    if not settings.triton_urls:
        triton = triton_part(
            data_dir=data_dir,
            repositories=models,
            port=triton_port,
            memory_mb=settings.memory_mb,
            cpu_runtime=settings.cpu_runtime,
            cpu_precision=settings.cpu_precision,
            otlp_url=settings.otlp_url,
        )
        parts.append(replace(triton, is_unhealthy=has_dead_stub))
        environment["IMGEN_TRITON_URLS"] = triton.url
        if "workers" not in given:
            environment["IMGEN_WORKERS"] = str(WORKERS_ON_A_CPU)
    if not settings.acs_url:
        parts.append(acs_part(data_dir, fetch_allow=await _find_picture_prefix(settings)))
        environment["IMGEN_ACS_URL"] = parts[-1].url
    if llm and not settings.llm_url:
        parts.append(replace(llm_part(data_dir), background=True))
        environment["IMGEN_LLM_URL"] = parts[-1].url
    frontend = frontend_part(settings, environment)
    # The API server needs Redis to begin; the others it finds when they are there.
    return SystemPlan(
        [stores, [*parts, frontend]],
        environment.get("IMGEN_REDIS_URL", settings.redis_url),
        frontend.url,
        environment.get("IMGEN_TRITON_URLS", ""),
    )


async def _find_picture_prefix(settings: Settings) -> str:
    """Where the reviewer may fetch pictures from. Raises PartError."""
    try:
        return await where_links_lead(settings, public_url(settings))
    except StorageError as error:
        raise PartError(f"no link to a picture can be made, see the settings of storage: {error}") from None
