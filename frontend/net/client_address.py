"""Who asks, as far as that can be told."""

from collections.abc import Sequence

from frontend.net.networks import Network, lies_in, plain

MAX_HOPS = 16


def address_of(remote: str | None, forwarded: str, proxies: Sequence[Network]) -> str:
    """Whose question it is. `forwarded`: X-Forwarded-For, believed as far as our own proxies wrote it.

    IPv6 addresses count by their /64, which is what one subscriber has.
    """
    hops = [*forwarded.split(","), remote or ""]
    found = ""
    for hop in reversed(hops[-MAX_HOPS:]):
        try:
            address = plain(hop.strip().strip("[]"))
        except ValueError:
            break
        found = str(address) if address.version == 4 else f"{int(address) >> 64:x}::/64"
        if not lies_in(address, proxies):
            break
    return found
