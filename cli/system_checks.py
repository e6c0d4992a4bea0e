"""Whether the settings hold together, and what runs by them answers."""

import asyncio
import difflib
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from cli.check_result import CheckResult, bad, doubtful, good
from cli.errors import UserError
from cli.instance import Instance
from cli.machine_checks import nearest_folder
from cli.up import choose_port
from cli.warnings_told import read_readiness
from embedded.stores import check_stores
from frontend.catalogue.catalogue import load as load_catalogue
from frontend.common.errors import CatalogueError, SettingError
from frontend.common.probe import NotReady, Probe
from frontend.common.version import __version__
from frontend.http.health import OPTIONAL
from frontend.net.http_endpoint import HttpService, open_http_service
from frontend.net.plain_text import plain_text_warnings
from frontend.net.public_url import local_url, only_local
from frontend.settings import Settings, catalogue_folders, load

PREFIX = "IMGEN_"
# Read by other programs of ours than the API server.
OTHERS = {"API_KEY", "CONFIG", "ORT_THREADS", "RESIDENT_MB", "URL", "WEBHOOK_SECRET"}


def check_system() -> Iterator[CheckResult]:
    yield from _unknown_names(os.environ)
    try:
        settings = load()
        warned = [*filter(None, [only_local(settings)]), *plain_text_warnings(settings)]
    except SettingError as error:
        yield bad("settings", str(error))
        return
    for words in warned:
        yield doubtful("settings", words)
    yield good("settings", f"data folder {settings.data_dir.resolve()}")
    yield from _catalogue(settings)
    instance = Instance(settings.data_dir)
    try:
        runs = instance.holder() is not None
    except UserError as error:
        yield bad("data folder", str(error))
        return
    yield from _privacy(instance.folder)
    serving = instance.serving()
    if runs and serving:
        yield from _running(read_readiness(settings, serving.url))
    elif not runs and (told := _server_alone(settings)):
        yield from _running(told)
    elif runs:
        yield doubtful("imgen up", "is starting or stopping", f"ask again, or look into {instance.logs}")
    else:
        yield from _before_start(settings)


def _unknown_names(environ: Mapping[str, str]) -> Iterator[CheckResult]:
    known = {item.name.upper() for item in fields(Settings)} | OTHERS
    for name in sorted(environ):
        bare = name.removeprefix(PREFIX)
        if not name.startswith(PREFIX) or bare in known or bare.startswith(("CPU_", "TEST_")):
            continue
        near = difflib.get_close_matches(bare, known, 1)
        yield doubtful(name, "is no setting and has no effect", f"perhaps {PREFIX}{near[0]}" if near else "")


def _catalogue(settings: Settings) -> Iterator[CheckResult]:
    try:
        catalogue = load_catalogue(*catalogue_folders(settings))
    except CatalogueError as error:
        yield bad("catalogue", str(error))
        return
    names = ", ".join(f"@{name}" for name in catalogue.characters) or "no characters"
    yield good("catalogue", f"{', '.join(catalogue.models)}; {names}")
    for fault in catalogue.faults:
        yield doubtful("catalogue", f"left out: {fault.line}")
    if catalogue.warning:
        yield doubtful("catalogue", catalogue.warning)


def _privacy(folder: Path) -> Iterator[CheckResult]:
    if not folder.is_dir():
        return
    if folder.stat().st_uid != os.getuid():
        yield bad("data folder", f"{folder} is another user's", "name another folder in IMGEN_DATA_DIR")
    elif mode := folder.stat().st_mode & 0o077:
        told = f"other users can look into {folder} (mode 7{mode:02o})"
        yield doubtful("data folder", told, f"chmod 700 {folder}; `imgen up` does it, too")


def _running(told: Mapping[str, Any]) -> Iterator[CheckResult]:
    """`told`: by /readyz; empty where it did not answer."""
    if not told:
        yield bad(
            "imgen up", "runs, and does not answer", "look into its logs, or `imgen down` and `imgen up`"
        )
        return
    version = str(told.get("version", ""))
    if version != __version__:
        yield doubtful("imgen up", f"runs {version}, this is {__version__}", "`imgen down`, then `imgen up`")
    else:
        yield good("imgen up", f"runs, {version}")
    reasons = told.get("reasons", {})
    for part, works in told.get("parts", {}).items():
        if works:
            yield good(part, "works")
        elif part in OPTIONAL:
            yield doubtful(part, "does not work; pictures are made without it", str(reasons.get(part, "")))
        else:
            yield bad(part, "does not work", str(reasons.get(part, "")))
    for network, runtimes in told.get("runtimes", {}).items():
        yield good(network, f"computed by {', '.join(runtimes)}")
    for words in told.get("warnings", ()):
        yield doubtful("imgen up", str(words))


def _server_alone(settings: Settings) -> Mapping[str, Any]:
    """What `imgen serve` tells, where it runs by these settings."""
    told = read_readiness(settings, local_url(settings)) if settings.port else {}
    return told if "parts" in told and "version" in told else {}


def _before_start(settings: Settings) -> Iterator[CheckResult]:
    yield from _stores(settings)
    yield from asyncio.run(_other_parts(settings))
    try:
        choose_port(settings)
    except UserError as error:
        yield bad("address", str(error))
    else:
        yield good("address", f"{settings.host}:{settings.port} is free")
    yield good("imgen up", "does not run here; `imgen up` starts it")


def _stores(settings: Settings) -> Iterator[CheckResult]:
    if not settings.redis_url and not settings.s3_bucket:
        place = nearest_folder(settings.data_dir)
        if not os.access(place, os.W_OK):
            yield bad("data folder", f"cannot write to {place}", "name another folder in IMGEN_DATA_DIR")
        return
    try:
        asyncio.run(check_stores(settings))
    except SettingError as error:
        yield bad("stores", str(error))
    else:
        yield good("stores", "take what is to be kept")


async def _other_parts(settings: Settings) -> list[CheckResult]:
    """Those that are not started here, because their URLs are set."""
    found = []
    try:
        if settings.triton_urls:
            found.append(await _triton(settings))
        async with (
            open_http_service("acs", settings.acs_url, key=settings.acs_key, ca=settings.acs_ca) as acs,
            open_http_service("llm", settings.llm_url, key=settings.llm_key) as llm,
        ):
            for part, service, path in (("acs", acs, "healthz"), ("llm", llm, "models")):
                if service.url:
                    ask = partial(_get, service, path)
                    found.append(await _answers(part, f"{part.upper()}_URL", ask))
    except SettingError as error:
        found.append(bad("settings", str(error)))
    return found


async def _triton(settings: Settings) -> CheckResult:
    from frontend.drawing import open_inference

    async with open_inference(settings) as triton:
        return await _answers("triton", "TRITON_URLS", triton.ready)


async def _get(service: HttpService, path: str) -> bool:
    async with service.session.get(f"{service.url}/{path}", allow_redirects=False) as response:
        return response.status < 500


async def _answers(part: str, setting: str, ask: Callable[[], Awaitable[object]]) -> CheckResult:
    try:
        await Probe(ask).check()
    except NotReady as error:
        return bad(part, f"does not answer {error}".rstrip(), f"start it, or look at IMGEN_{setting}")
    return good(part, f"answers (IMGEN_{setting})")
