"""A name server for one name, and processes that ask it alone: its answers change, or do not come."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from embedded.part import SystemPart

NAME = "tritons.imgen.test"
NOWHERE = "127.0.9.9"  # an address that nobody has
TTL_S = 1
PORT = 53
Lie = Literal["", "silent", "fails", "forgets one", "forgets all", "adds a stranger"]
LIES: tuple[Lie, ...] = ("silent", "fails", "forgets one", "forgets all", "adds a stranger")
ANSWER, SERVER_FAILED, NO_SUCH_NAME = 0x8580, 0x8582, 0x8583  # RFC 1035, 4.1.1
A, INTERNET = 1, 1


@dataclass
class NameServer(asyncio.DatagramProtocol):
    chance: random.Random
    resolver: Path  # what a process reads in place of /etc/resolv.conf
    addresses: list[str] = field(default_factory=list)
    lie: Lie = ""
    _transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport and self.lie != "silent":
            self._transport.sendto(self.answer(data), addr)

    def answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5  # one question: a name, its type, its class
        question, (kind,) = query[12:end], struct.unpack("!H", query[end - 4 : end - 2])
        told = self._told() if kind == A else []
        flags = {"fails": SERVER_FAILED, "forgets all": NO_SUCH_NAME}.get(self.lie, ANSWER)
        records = b"".join(
            struct.pack("!HHHIH4s", 0xC00C, A, INTERNET, TTL_S, 4, socket.inet_aton(address))
            for address in told
        )
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(told), 0, 0) + question + records

    def _told(self) -> list[str]:
        match self.lie:
            case "fails" | "forgets all":
                return []
            case "forgets one":
                return self.addresses[1:]
            case "adds a stranger":
                return [*self.addresses, NOWHERE]
        return self.addresses

    def asked_by(self, part: SystemPart) -> SystemPart:
        """The part, in a view of the file system where this is the machine's name server."""
        mounts = f'mount --bind {self.resolver} /etc/resolv.conf && exec "$@"'
        return replace(part, command=("unshare", "--mount", "sh", "-c", mounts, "sh", *part.command))


@contextlib.asynccontextmanager
async def name_server(folder: Path, chance: random.Random) -> AsyncIterator[NameServer | None]:
    """None where this user may not listen at port 53, or not mount."""
    address = f"127.53.{random.randrange(256)}.{random.randrange(1, 255)}"
    server = NameServer(chance, folder / "resolv.conf")
    server.resolver.write_text(f"nameserver {address}\noptions timeout:1 attempts:1\n")
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: server, (address, PORT)
        )
    except OSError:
        yield None
        return
    try:
        yield server if await _may_mount(server.resolver) else None
    finally:
        transport.close()


async def _may_mount(resolver: Path) -> bool:
    command = f"mount --bind {resolver} /etc/resolv.conf"
    with contextlib.suppress(FileNotFoundError):
        process = await asyncio.create_subprocess_exec(
            "unshare", "--mount", "sh", "-c", command, stderr=asyncio.subprocess.DEVNULL
        )
        return await process.wait() == 0
    return False
