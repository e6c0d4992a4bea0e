"""Which addresses are anybody's, and which belong to a network of someone's own."""

import ipaddress
from collections.abc import Iterable, Sequence

from frontend.common.errors import SettingError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# All that IANA has given out for public use of IPv6; whatever it gives out later is refused until then.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Of IANA's special-purpose registries, what the standard library's list lacks.
_SPECIAL = (
    ipaddress.ip_network("192.0.0.0/24"),  # protocol assignments; older versions know parts of it
    ipaddress.ip_network("192.88.99.0/24"),  # relays of 6to4, given back
    ipaddress.ip_network("3fff::/20"),  # documentation
)


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
    """Neither private, loopback, link-local, shared, multicast or reserved, nor a wrapping of such a one.

    The standard library's list is IANA's, as far as this Python is up to date.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and not lies_in(address, _SPECIAL)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    wrapped = address.sixtofour
    return (
        address in _GLOBAL_UNICAST
        and address.is_global
        and not lies_in(address, _SPECIAL)
        and (wrapped is None or is_public(wrapped))
    )


def plain(text: str) -> Address:
    """An address without its zone, and an IPv4 one as such. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return (address.version == 6 and address.ipv4_mapped) or address
