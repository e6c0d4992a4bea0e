"""A name that stands for several servers, which come and go: dns:///name:port, as gRPC writes it."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from frontend.common.errors import SettingError

SCHEME = "dns:///"


@dataclass(frozen=True)
class ServiceName:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{SCHEME}{self.host}:{self.port}"


LookUp = Callable[[ServiceName], Awaitable[frozenset[str]]]
"""The addresses (10.0.0.3:8001, [fd00::3]:8001) under a name. Raises OSError where nobody tells."""


def service_name(setting: str, text: str) -> ServiceName | None:
    """None for what is another kind of address. Raises SettingError."""
    if not text.startswith("dns:"):
        return None
    host, _, port = text.removeprefix(SCHEME).rpartition(":")
    if not text.startswith(SCHEME) or not host or "/" in host or not port.isdecimal() or int(port) > 65_535:
        raise SettingError(f"{setting}: expected dns:///name:port, got {text!r}")
    return ServiceName(host, int(port))


async def look_up(name: ServiceName) -> frozenset[str]:
    """As this machine resolves names. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
    return frozenset(_address(str(place[0]), int(place[1])) for *_, place in found)


def _address(host: str, port: int) -> str:
    return (
        f"[{host}]:{port}" if ipaddress.ip_address(host.partition("%")[0]).version == 6 else f"{host}:{port}"
    )
