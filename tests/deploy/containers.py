"""Containers as processes of this machine: their commands, variables and probes; stand-ins for programs.

No container engine and no cluster runs in the tests. What a container finds by its name or place is replaced
in its words by where that is here, and nothing else is: services' names and all addresses (0.0.0.0) by a
loopback address of each container's own, folders by the test's, `python` and Triton by what is installed.
"""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from embedded.part import SystemPart, python_of
from embedded.redis import redis_binary
from embedded.shared_memory import remove_shared_memory
from embedded.triton import triton_part
from frontend.settings import ROOT
from tests.deploy.dockerfile import last, variables

OURS = ("frontend", "acs", "triton")
PATIENCE_S = 180.0
# As its image says.
CADDY = ("caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile")
OF_CADDY = {"XDG_CONFIG_HOME": "/config", "XDG_DATA_HOME": "/data"}
OF_OLD_TRITON, UNKNOWN_TO_OLD_TRITON = ("--backend", "--disable-auto"), "--grpc-max-response-pool-size"
OF_IMAGES = {
    "frontend": {"/app": str(ROOT)},
    "acs": {"/app": str(ROOT)},
    "triton": {
        "/opt/imgen/triton.sh": str(ROOT / "deploy" / "triton.sh"),
        "/opt/imgen/model_repository": str(ROOT / "model_repository"),
    },
}


@dataclass(frozen=True)
class ContainerProbe:
    """One of HTTP, TCP, and a command."""

    path: str = ""
    port: int = 0
    command: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Container:
    name: str  # the service's, by which others find it
    image: str  # a stage of the Dockerfile, or another image's reference
    command: tuple[str, ...] = ()  # in place of the image's ENTRYPOINT
    arguments: tuple[str, ...] | None = None  # in place of its CMD
    environment: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)  # where it finds them → where they are
    probes: tuple[ContainerProbe, ...]
    grace_s: float

    @property
    def words(self) -> list[str]:
        own = self.image in OURS
        command = self.command or (tuple(last(self.image, "ENTRYPOINT")) if own else ())
        arguments = self.arguments
        if self.image.startswith("caddy:") and arguments is None:
            return [*CADDY]
        if self.image.startswith("prom/"):
            command = ("prometheus",)
        if arguments is None:  # as everywhere: another ENTRYPOINT forgets the image's CMD
            arguments = tuple(last(self.image, "CMD")) if own and not self.command else ()
        return [*command, *arguments]


class Machine:
    """Runs containers, each at an address of its own."""

    def __init__(
        self,
        folder: Path,
        containers: Sequence[Container],
        aliases: Mapping[str, str],
        elsewhere: Mapping[str, str],
    ) -> None:
        """`aliases`: further names of containers. `elsewhere`: what is called otherwise here, by its name."""
        self.folder = folder
        self.containers = {container.name: container for container in containers}
        # 127.0.0.0/8 is this machine's; others' tests have other addresses in it.
        base = f"127.{1 + os.getpid() % 250}.{os.getpid() // 250 % 250}"
        self.addresses = {name: f"{base}.{number}" for number, name in enumerate(self.containers, 1)}
        self.addresses |= {alias: self.addresses[name] for alias, name in aliases.items()}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._elsewhere = elsewhere
        self._tritons: dict[str, SystemPart] = {}

    def environment(self, name: str) -> dict[str, str]:
        """A container's own, and what its image's programs need here."""
        container = self.containers[name]
        own = variables(container.image) if container.image in OURS else {}
        if container.image.startswith("caddy:"):
            own = dict(OF_CADDY)
        own.pop("PATH", None)
        here = {key: self.here(name, value) for key, value in {**own, **container.environment}.items()}
        here["PATH"] = f"{self._programs(name)}:{os.environ['PATH']}"
        if container.image != "triton":
            return here
        needed = dict(self._triton(name).environment)
        path = f"{here['PATH']}:{needed['PATH']}"
        return {**needed, **here, "PATH": path, "IMGEN_TRITON_SITE": needed["IMGEN_TRITON_SITE"]}

    def replace_folder(self, name: str, place: str, folder: Path) -> None:
        container = self.containers[name]
        self.containers[name] = replace(container, folders={**container.folders, place: folder})

    def start(self, name: str, **more: str) -> None:
        container = self.containers[name]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [self.here(name, word) for word in container.words],
                env={**self.environment(name), **more},
                cwd=ROOT if container.image in OURS else container.folders.get("/data", self.folder),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, name: str, *command: str) -> "subprocess.CompletedProcess[str]":
        """Another command within a container."""
        return subprocess.run(
            [self.here(name, word) for word in command],
            env=self.environment(name),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def until_ready(self, *names: str) -> None:
        """Each probe of each, one after the other, must come to succeed."""
        deadline = time.monotonic() + PATIENCE_S
        for name in names:
            for probe in self.containers[name].probes:
                while not self._succeeds(name, probe):
                    ended = self.processes[name].poll()
                    assert ended is None, f"{name} ended with {ended}: {self.log(name)}"
                    assert time.monotonic() < deadline, f"{name}: {probe}: {self.log(name)}"
                    time.sleep(0.1)

    def stop(self, name: str) -> int:
        """As it is stopped: a signal, and as long as it is given. Its exit status."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            return process.wait(self.containers[name].grace_s)
        finally:
            # What it has started ends with it, as in a container.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def _succeeds(self, name: str, probe: ContainerProbe) -> bool:
        address = self.addresses[name]
        if probe.command:
            # Within the container, this machine is the container.
            inside = [word.replace("127.0.0.1", address) for word in probe.command]
            return self.run(name, *inside).returncode == 0
        if not probe.path:
            return _listens(address, probe.port)
        try:
            with urllib.request.urlopen(f"http://{address}:{probe.port}{probe.path}", timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def here(self, name: str, text: str) -> str:
        """What a container calls so, as it is called here."""
        container = self.containers[name]
        places = {"0.0.0.0": self.addresses[name], **self._elsewhere}
        places |= {place: str(folder) for place, folder in container.folders.items()}
        places |= OF_IMAGES.get(container.image, {})
        found = re.compile(
            rf"(?<![\w.-])(?:({_any_of(places)})(?![\w.-])|({_any_of(self.addresses)})(?=[ :]\d))"
        )
        return found.sub(lambda match: places.get(match[0]) or self.addresses[match[0]], text)

    def _programs(self, name: str) -> Path:
        """A folder with what is on PATH in the image."""
        image, address, folder = (
            self.containers[name].image,
            self.addresses[name],
            self.folder / f"{name}-bin",
        )
        folder.mkdir(exist_ok=True)
        python = python_of("acs") if image == "acs" else sys.executable
        _script(folder / "python", f'exec {python} -P "$@"')
        if image == "triton":
            _script(folder / "tritonserver", self._triton_server(name))
        if image.startswith("caddy:"):
            (folder / "caddy").unlink(missing_ok=True)
            (folder / "caddy").symlink_to(Path(sys.prefix) / "bin" / "caddy")
        if image.startswith("valkey/"):
            ping = f"redis.Redis(host={address!r}, password=os.environ['REDISCLI_AUTH']).ping()"
            pong = shlex.quote(f"import os, redis; print('PONG' if {ping} else '')")
            _script(folder / "valkey-server", f'exec {redis_binary()} --bind {address} "$@"')
            _script(folder / "valkey-cli", f"exec {sys.executable} -c {pong}")
        return folder

    def _triton_server(self, name: str) -> str:
        """The embedded one. It is older than the image's, and lies elsewhere."""
        own = [word for word in self._triton(name).command[1:] if word.startswith(OF_OLD_TRITON)]
        lines = (
            "for word; do shift",
            'case "$word" in',
            f"{UNKNOWN_TO_OLD_TRITON}=*) continue ;;",
            f'--*-address=*) word="${{word%%=*}}={self.addresses[name]}" ;;',
            'esac; set -- "$@" "$word"; done',
            f'exec {self._triton(name).command[0]} {shlex.join(own)} "$@"',
        )
        return "\n".join(lines)

    def _triton(self, name: str) -> SystemPart:
        if name not in self._tritons:
            repositories = [self.containers[name].folders["/models"]]
            self._tritons[name] = triton_part(
                data_dir=self.folder / name, repositories=repositories, threads=1
            )
        return self._tritons[name]


@contextlib.contextmanager
def machine(
    folder: Path,
    containers: Sequence[Container],
    aliases: Mapping[str, str] = MappingProxyType({}),
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Machine]:
    running = Machine(folder, containers, aliases, elsewhere)
    try:
        yield running
    finally:
        for name in list(running.processes):
            running.stop(name)
        for name in running.containers:
            remove_shared_memory(folder / name)


def _any_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(each) for each in sorted(names, key=len, reverse=True))


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True
