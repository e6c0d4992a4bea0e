"""Whether what is installed is what the locks say, for each process that has an environment of its own."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from cli.check_result import CheckResult, bad, doubtful, good
from embedded.part import PartError, python_of, site_of
from embedded.redis import redis_binary
from frontend.common.errors import SettingError
from frontend.common.version import version_and_revision
from frontend.settings import ROOT, Settings, load

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", re.MULTILINE)
MAKE = "run `make install`"
SHOWN = 3  # of many differences


@dataclass(frozen=True)
class Environment:
    lock: str
    title: str
    without: str  # what goes without it; "": nothing
    instead: tuple[str, ...] = ()  # settings: with all of them set, its parts are elsewhere


ENVIRONMENTS = (
    Environment("triton", "models in Triton", "IMGEN_TRITON_URLS set", ("triton_urls",)),
    Environment(
        "servers",
        "Triton and Redis",
        "IMGEN_TRITON_URLS and IMGEN_REDIS_URL set",
        ("triton_urls", "redis_url"),
    ),
    Environment("acs", "reviewer", "IMGEN_ACS_URL set", ("acs_url",)),
    Environment("llm", "language model", "`imgen up --no-llm`", ("llm_url",)),
)


def check_installation() -> Iterator[CheckResult]:
    yield good("imgen", version_and_revision())
    yield _compare("API server and commands", ROOT / "requirements" / "frontend.txt", None)
    settings = _settings()
    for each in ENVIRONMENTS:
        if settings and all(getattr(settings, name) for name in each.instead):
            named = ", ".join(f"IMGEN_{name.upper()}" for name in each.instead)
            yield good(each.title, f"elsewhere ({named})")
            continue
        lock = ROOT / "requirements" / f"{each.lock}.txt"
        if not Path(python_of(each.lock)).is_file():
            yield doubtful(each.title, "not installed", f"{MAKE}, or go without: {each.without}")
        else:
            yield check_environment(each.title, lock, each.lock)
    if not (settings and settings.redis_url):
        yield _redis()


def _settings() -> Settings | None:
    """None where they do not hold together, which another check tells."""
    try:
        return load()
    except SettingError:
        return None


def check_environment(title: str, lock: Path, part: str, remedy: str = MAKE) -> CheckResult:
    """Whether what is installed in the environment of `part` is what the lock says."""
    return _compare(title, lock, [str(site_of(part))], remedy)


def _compare(title: str, lock: Path, folders: list[str] | None, remedy: str = MAKE) -> CheckResult:
    """`folders`: where the packages are; None: where this program's are."""
    found = distributions(path=folders) if folders else distributions()
    installed = {_canonical(each.name): each.version for each in found}
    wanted = PIN.findall(lock.read_text())
    wrong = list(_differences(wanted, installed))
    if not wrong:
        return good(title, f"{len(wanted)} packages, as locked")
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return bad(title, ", ".join(wrong[:SHOWN]) + more, remedy)


def _differences(wanted: Iterable[tuple[str, str]], installed: dict[str, str]) -> Iterator[str]:
    for name, version in wanted:
        have = installed.get(_canonical(name))
        if have is None:
            yield f"{name} {version} is missing"
        elif have.partition("+")[0] != version:  # a local build is another one of the same version
            yield f"{name} is {have}, not {version}"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _redis() -> CheckResult:
    try:
        binary = redis_binary()
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=10)
    except PartError:
        return doubtful("Redis server", "none", f"{MAKE}, or set IMGEN_REDIS_URL")
    except (OSError, subprocess.SubprocessError) as error:
        return bad("Redis server", f"{binary} does not run ({type(error).__name__})", MAKE)
    version = re.search(r"v=(\S+)", told.stdout)
    return good("Redis server", f"{version[1] if version else 'unknown version'} ({binary})")
