"""Whether this machine can run what is to run on it."""

import os
import platform
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from cli.check_result import CheckResult, bad, doubtful, good
from embedded.cpu_runtime import fixed_runtime
from embedded.part import PartError, site_of
from frontend.common.errors import SettingError
from frontend.settings import Settings, load

# Measured of the embedded default with a picture under way, without the language model (perf/README.md).
NEEDED_MB = 1_400
MIN_FREE_MB, GOOD_FREE_MB = 500, 5_000
STATUS = Path("/proc/self/status")


def check_machine() -> Iterator[CheckResult]:
    settings = _settings()
    yield _system()
    yield from _memory(settings)
    yield _processor(settings)
    yield _disk(settings.data_dir)
    yield _files(settings.max_connections)
    yield _seccomp()


def _settings() -> Settings:
    """What is wrong with them, system_checks.py tells."""
    try:
        return load()
    except SettingError:
        return Settings()


def _system() -> CheckResult:
    told = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    if platform.system() != "Linux":
        return bad("system", told, "imgen runs on Linux; use a container or a virtual machine")
    return good("system", told)


def _memory(settings: Settings) -> Iterator[CheckResult]:
    have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    told = f"{have:,} MiB; the demo model with all parts takes {NEEDED_MB:,}"
    if settings.triton_urls:
        yield good("memory", f"{have:,} MiB; pictures are drawn elsewhere (IMGEN_TRITON_URLS)")
    elif have < NEEDED_MB:
        yield bad("memory", told, "run Triton on another machine (IMGEN_TRITON_URLS), or add memory")
    else:
        yield good("memory", told)


def _processor(settings: Settings) -> CheckResult:
    count = len(os.sched_getaffinity(0))
    if settings.triton_urls:
        return good("processor", f"{count} cores")
    try:
        fixed_runtime(site_of("triton"), settings.cpu_runtime, settings.cpu_precision)
    except PartError as error:
        return bad("processor", str(error))
    return good("processor", f"{count} cores")


def nearest_folder(path: Path) -> Path:
    """It, or the one in which it would be made."""
    whole = path.resolve()
    return next(each for each in (whole, *whole.parents) if each.is_dir())


def _disk(data_dir: Path) -> CheckResult:
    free = shutil.disk_usage(nearest_folder(data_dir)).free >> 20
    told, remedy = f"{free:,} MiB free for {data_dir}", "free some, or name another folder in IMGEN_DATA_DIR"
    if free < MIN_FREE_MB:
        return bad("disk", told, remedy)
    return doubtful("disk", told, remedy) if free < GOOD_FREE_MB else good("disk", told)


def _files(connections: int) -> CheckResult:
    from frontend.serve import OTHER_FILES

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        told = f"a process may open {hard}, and IMGEN_MAX_CONNECTIONS wants {wanted}"
        return doubtful("open files", told, "raise the hard limit (ulimit -Hn), or lower the setting")
    return good("open files", f"at least {wanted} for each process")


def _seccomp() -> CheckResult:
    if "Seccomp:" not in STATUS.read_text():
        told = "this kernel has no seccomp, without which strangers' pictures are not read"
        return bad("kernel", told, "use a kernel with CONFIG_SECCOMP_FILTER")
    return good("kernel", "has seccomp, for the processes that read strangers' pictures")
