"""Which addresses are anybody's, and which belong to a network of someone's own."""

import ipaddress
from collections.abc import Iterable, Sequence

from frontend.common.errors import SettingError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def networks(setting: str, values: Iterable[str]) -> tuple[Network, ...]:
    """Raises SettingError."""
    try:
        return tuple(ipaddress.ip_network(value) for value in values)
    except ValueError as error:
        raise SettingError(
            f"IMGEN_{setting.upper()}: {error}; expected networks such as 10.0.0.0/8"
        ) from None


def lies_in(address: Address, ranges: Sequence[Network]) -> bool:
    return any(address in network for network in ranges)


def is_public(address: Address) -> bool:
    """Neither private, loopback, link-local, shared, multicast or reserved, nor a wrapping of such a one."""
    return all(one.is_global and not one.is_multicast for one in (address, *_unwrap(address)))


def plain(text: str) -> Address:
    """An address without its zone, and an IPv4 one as such. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.version == 6 and address.ipv4_mapped) or address


def _unwrap(address: Address) -> tuple[Address, ...]:
    """The IPv4 addresses that lie in an IPv6 one and that a network on the way may take for it."""
    if address.version == 4:
        return ()
    found = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
    return tuple(one for one in (*found, inside) if one is not None)
