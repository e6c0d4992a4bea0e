"""No other user of the machine gets in, reads along, or finds a secret."""

import os
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.listener import tcp_listeners
from perf.processes import title
from tests.system.running import PATIENCE_S, System, children_of, running

NOBODY = 65534
ACCEPTS = "00010000"  # __SO_ACCEPTCON, in the column of flags
# What an operator's environment holds, each with a part that needs it.
GIVEN = {
    "AWS_ACCESS_KEY_ID": "AKHARBOURHARBOUR0001",
    "AWS_SECRET_ACCESS_KEY": "harbour-of-the-object-store-0002",
    "IMGEN_C2PA_SIGNER_TOKEN": "harbour-of-the-signer-0003",
    "IMGEN_LLM_KEY": "harbour-of-the-language-model-0004",
    "SOME_TOKEN": "harbour-of-somebody-else-0005",
}
CONNECT = """
import os, socket, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
for path in sys.argv[2:]:
    try:
        if path.startswith("/dev/shm/"):
            open(path, "rb").close()
        else:
            socket.socket(socket.AF_UNIX).connect(path)
    except PermissionError:
        continue
    print(path)
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system started with a lax umask by somebody whose environment is full of secrets."""
    before = os.umask(0o022)
    try:
        with running(tmp_path_factory.mktemp("guarded"), **GIVEN) as system:
            job = system.post({"action": "generate", "prompt": "@aya by the sea"})
            assert system.until_final(job["id"])["status"] == "COMPLETED"
            yield system
    finally:
        os.umask(before)


def arguments(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")


def processes(system: System) -> dict[int, str]:
    """Of the whole system: pid → what it runs."""
    return {pid: title(pid) for pid in children_of(system.pid) | {system.pid}}


def pid_of(system: System, name: str) -> int:
    (pid,) = (pid for pid, runs in processes(system).items() if name in runs)
    return pid


def sockets(system: System) -> list[Path]:
    """Every Unix socket with a path that one of the processes listens on; see proc_pid_net(5)."""
    inodes = set()
    for pid in processes(system):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            inodes |= set(re.findall(r"^socket:\[(\d+)\]$", os.readlink(entry)))
    lines = [line.split(maxsplit=7) for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    listening_ones = [line for line in lines if len(line) == 8 and line[3] == ACCEPTS and line[6] in inodes]
    return [Path(line[7]) for line in listening_ones if line[7].startswith("/")]


def regions(system: System) -> set[Path]:
    """Shared memory that any of the processes has before it."""
    found: set[Path] = set()
    for pid in processes(system):
        maps = Path(f"/proc/{pid}/maps").read_text()
        found |= {Path(path) for path in re.findall(r"(/dev/shm/\S+)$", maps, re.MULTILINE)}
    return {path for path in found if path.exists()}


def test_no_command_line_tells_a_secret(guarded: System) -> None:
    kept = [(guarded.folder / name).read_bytes() for name in ("key", "mark.key", "files.key")]
    words = {word for text in kept for word in text.split() if len(word) > 8}
    secrets = {word.decode() if word.isascii() else word.hex() for word in words}
    for pid, name in processes(guarded).items():
        command = " ".join(arguments(pid))
        assert not [secret for secret in {*secrets, *GIVEN.values()} if secret in command], name
        # Nor anything that looks like one.
        assert not re.findall(r"\b[0-9a-f]{32,}\b", command), name


def test_nothing_but_the_api_listens_on_tcp(guarded: System) -> None:
    heard = {pid: list(tcp_listeners(pid)) for pid in processes(guarded)}
    api = pid_of(guarded, "cli.main serve")
    port = int(guarded.url.rpartition(":")[2])
    assert {pid: found for pid, found in heard.items() if found} == {api: [("0100007F", port)]}


def test_every_socket_lies_in_a_folder_for_this_user_alone(guarded: System) -> None:
    # Redis, Triton, the reviewer, and the language model, for which nothing waits.
    deadline = time.monotonic() + PATIENCE_S
    while len(found := sockets(guarded)) < 4:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert len(found) == 4
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, path
        assert path.parent.stat().st_uid == os.getuid()


def test_shared_memory_is_for_this_user_alone(guarded: System) -> None:
    found = regions(guarded)
    assert found
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in found} == dict.fromkeys(
        [path.name for path in found], 0o600
    )


def test_whatever_is_kept_is_for_this_user_alone(guarded: System) -> None:
    assert stat.S_IMODE(guarded.folder.stat().st_mode) == 0o700
    code = tuple(guarded.folder / "triton" / name for name in ("backends", "site"))  # copies
    kept = [path for path in guarded.folder.rglob("*") if not any(path.is_relative_to(each) for each in code)]
    assert [path for path in kept if not path.is_symlink() and path.lstat().st_mode & 0o077] == []


def test_each_part_is_told_only_what_it_needs(guarded: System) -> None:
    api = pid_of(guarded, "cli.main serve")
    for pid in children_of(guarded.pid) - {api}:
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode()
        assert "harbour" not in environment.lower(), processes(guarded)[pid]
        assert not re.search(r"(?:^|\0)(?:AWS|IMGEN_(?:REDIS|LLM|C2PA|S3|ACS))_", environment)
    told = Path(f"/proc/{api}/environ").read_bytes().decode().split("\0")
    assert {f"{name}={value}" for name, value in GIVEN.items() if name != "SOME_TOKEN"} <= set(told)
    assert not [line for line in told if line.startswith("SOME_TOKEN=")]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_can_neither_connect_nor_read_along(guarded: System) -> None:
    paths = [*sockets(guarded), *regions(guarded)]
    command = [sys.executable, "-I", "-c", CONNECT, str(NOBODY), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with socket.socket(socket.AF_UNIX) as ours:  # while we can: the sockets are there
        ours.connect(str(paths[0]))
