"""The wheel is whole: installed in empty environments, in another folder, it is the system."""

import contextlib
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import requests
from PIL import Image
from redis.asyncio import Redis

from embedded.part import free_port
from frontend.common.version import __version__, version_and_revision
from frontend.settings import ROOT
from tests.system.running import Announced, children_of
from tests.triton_server import RunningTriton

pytestmark = [pytest.mark.slow, pytest.mark.system]
SHIPPED = (
    *("acs", "backends", "cli", "contract", "demo/catalogue", "demo/loras", "demo/models", "embedded"),
    *("export", "frontend", "llm", "model_repository", "LICENSE", "NOTICE", "NOTICE-THIRD-PARTY.md"),
)
PATIENCE_S = 120.0
PROMPT = "a red car on the beach"


@dataclass(frozen=True)
class Built:
    """What `python -m build` leaves in a folder."""

    folder: Path

    @property
    def wheel(self) -> Path:
        (wheel,) = self.folder.glob("*.whl")
        return wheel

    @property
    def content(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.wheel) as file:
            return {name: file.read(name) for name in file.namelist()}


@dataclass(frozen=True)
class Installed:
    prefix: Path  # of the environment
    outside: Path  # a folder that has nothing to do with it, where commands are typed

    @property
    def home(self) -> Path:
        return self.prefix / "lib" / "python3.11" / "site-packages" / "imgen"

    def run(self, *command: str, **settings: str) -> str:
        """What the command of the environment prints."""
        done = subprocess.run(
            self.command(*command),
            env=environment(settings),
            cwd=self.outside,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def running(self, *command: str, **settings: str) -> Iterator[None]:
        process = subprocess.Popen(self.command(*command), env=environment(settings), cwd=self.outside)
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(30) in (0, -15)

    def command(self, program: str, *arguments: str) -> list[str]:
        return [str(self.prefix / "bin" / program), *arguments]


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Nothing of ours but the settings."""
    return {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"], **settings}


def build(folder: Path, *options: str) -> Built:
    # No isolation: hatchling comes from the lock, not from a registry.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), *options, str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Built(folder)


def install(prefix: Path, lock: Path, *more: Path) -> None:
    """An environment of a lock's packages, and of the wheels `more`, from uv's cache where they are in it."""
    uv = str(Path(sys.prefix) / "bin" / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(prefix)], check=True)
    pip = [uv, "pip", "install", "--quiet", "--no-deps", "--python", str(prefix / "bin" / "python")]
    cached = subprocess.run([*pip, "--offline", "-r", str(lock)], capture_output=True, check=False)
    if cached.returncode:
        subprocess.run([*pip, "-r", str(lock)], check=True)
    if more:
        subprocess.run([*pip, "--offline", *map(str, more)], check=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Both packages; the wheel is made from the sdist."""
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def imgen(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """As the README installs it: the wheel, and each part's environment from the lock that the wheel has."""
    prefix = tmp_path_factory.mktemp("imgen")
    installed = Installed(prefix, tmp_path_factory.mktemp("outside"))
    install(prefix, ROOT / "requirements" / "frontend.txt", built.wheel)
    for part in ("triton", "servers", "acs", "llm"):
        install(prefix / "parts" / part, installed.home / "requirements" / f"{part}.txt")
    # As pip leaves it, unlike uv: with compiled files among those that Triton reads.
    python = prefix / "parts" / "servers" / "bin" / "python"
    (backends,) = prefix.glob("parts/servers/lib/python3.11/site-packages/pytriton/tritonserver/backends")
    subprocess.run([str(python), "-m", "compileall", "-q", str(backends)], check=True)
    return installed


@pytest.fixture(scope="module")
def reviewer(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel among the reviewer's packages."""
    prefix = tmp_path_factory.mktemp("acs")
    install(prefix, ROOT / "requirements" / "acs.txt", built.wheel)
    return Installed(prefix, tmp_path_factory.mktemp("outside"))


@contextlib.contextmanager
def up(imgen: Installed) -> Iterator[Announced]:
    announced = imgen.run("imgen", "up", "--detach", IMGEN_PORT="0").strip().splitlines()[-1]
    try:
        yield msgspec.json.decode(announced, type=Announced)
    finally:
        imgen.run("imgen", "down")


def until_ready(url: str, *parts: str) -> dict[str, object]:
    """The first answer of /readyz that is 200 and in which `parts` work."""
    deadline, told = time.monotonic() + PATIENCE_S, ""
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.get(f"{url}/readyz", timeout=10)
            told = answer.text
            if answer.status_code == 200 and all(answer.json()["parts"][part] for part in parts):
                return dict(answer.json())
        time.sleep(0.1)
    raise AssertionError(f"{url} is not ready: {told}")


def draw(url: str, key: str) -> bytes:
    """The file of one picture, asked for as any client asks."""

    def post(body: dict[str, str]) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {key}"}
        return dict(requests.post(f"{url}/api/v2", json=body, headers=headers, timeout=30).json())

    job = str(post({"action": "generate", "prompt": PROMPT})["id"])
    deadline = time.monotonic() + PATIENCE_S
    while (state := post({"action": "status", "id": job}))["status"] != "COMPLETED":
        assert state["status"] in ("IN_QUEUE", "IN_PROGRESS") and time.monotonic() < deadline, state
        time.sleep(0.1)
    answer = requests.get(state["meta"]["images"][0]["url"], timeout=30)  # type: ignore[index]
    answer.raise_for_status()
    return answer.content


def test_checkout_and_sdist_make_the_same_wheel(built: Built, tmp_path: Path) -> None:
    direct, through_sdist = build(tmp_path, "--wheel").content, built.content
    for content in (direct, through_sdist):
        (record,) = (name for name in content if name.endswith("/RECORD"))  # the same lines in another order
        content[record] = b"\n".join(sorted(content[record].splitlines()))
    assert direct == through_sdist


def test_wheel_has_all_that_git_keeps_of_its_folders(built: Built) -> None:
    git = ["git", "-C", str(ROOT), "ls-files", "--", *SHIPPED]
    kept = subprocess.run(git, check=True, capture_output=True, text=True).stdout.split()
    names = set(built.content)
    licences = f"imgen-{__version__}.dist-info/licenses"
    assert [name for name in kept if not {f"imgen/{name}", f"{licences}/{name}"} & names] == []


def test_commands_are_those_of_the_wheel_and_tell_its_version(imgen: Installed) -> None:
    assert imgen.run("imgen", "--help").startswith("usage: imgen [-h] [--version] COMMAND")
    assert imgen.run("imgen", "--version") == f"imgen {version_and_revision()}\n"
    where = imgen.run("python", "-c", "import cli, frontend; print(cli.__file__, frontend.__file__)").split()
    assert where == [str(imgen.home / name / "__init__.py") for name in ("cli", "frontend")]


def test_installed_packages_are_all_that_the_wheel_asks_for(imgen: Installed) -> None:
    uv = str(Path(sys.prefix) / "bin" / "uv")
    command = [uv, "pip", "check", "--python", str(imgen.prefix / "bin" / "python")]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_installed_system_draws_a_picture_with_nothing_of_the_checkout(imgen: Installed) -> None:
    installed = {path for path in imgen.home.rglob("*") if "__pycache__" not in path.parts}
    with up(imgen) as system:
        assert until_ready(system.url, "llm", "cache")["version"] == __version__
        processes = children_of(system.pid) | {system.pid}
        for pid in processes:
            for source in ("cmdline", "environ", "maps"):
                text = (Path("/proc") / str(pid) / source).read_bytes()
                assert str(ROOT).encode() not in text and sys.prefix.encode() not in text, (pid, source)
        assert Image.open(io.BytesIO(draw(system.url, system.key))).size == (1344, 768)
        assert (imgen.outside / ".imgen" / "up.json").exists()
    assert {path for path in imgen.home.rglob("*") if "__pycache__" not in path.parts} == installed


def test_installed_server_and_reviewer_serve_beside_parts_of_others(
    imgen: Installed,
    reviewer: Installed,
    redis: "Redis",  # emptied: it knows the keys of other tests' marks
    redis_url: str,
    demo_triton: RunningTriton,
    tmp_path: Path,
) -> None:
    url, acs = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    settings = {
        "IMGEN_PORT": url.rpartition(":")[2],
        "IMGEN_DATA_DIR": str(tmp_path),
        "IMGEN_REDIS_URL": redis_url,
        "IMGEN_TRITON_URLS": demo_triton.url,
        "IMGEN_ACS_URL": acs,
    }
    key = imgen.run("imgen", "keys", "create", "studio", **settings).split()[-1]
    module = ("python", "-m", "acs", "--port", acs.rpartition(":")[2], "--fetch-allow", f"{url}/")
    with reviewer.running(*module), imgen.running("imgen", "serve", **settings):
        assert until_ready(url)["version"] == __version__
        assert Image.open(io.BytesIO(draw(url, key))).size == (1344, 768)


def test_language_model_can_be_run_by_its_name(built: Built, tmp_path: Path) -> None:
    install(tmp_path / "llm", ROOT / "requirements" / "llm.txt", built.wheel)
    llm = Installed(tmp_path / "llm", tmp_path)
    assert "--data-dir" in llm.run("python", "-m", "llm", "--help")
