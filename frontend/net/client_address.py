"""Who asks, as far as that can be told."""

from collections.abc import Sequence

from aiohttp import web
from multidict import istr

from frontend.net.networks import Network, lies_in, plain

MAX_HOPS = 16
_FORWARDED = istr("X-Forwarded-For")


def client_address(request: web.BaseRequest, proxies: Sequence[Network]) -> str:
    """Who sent the request. A proxy may add a line of its own to those that came from the client."""
    return address_of(request.remote, ",".join(request.headers.getall(_FORWARDED, ())), proxies)


def address_of(remote: str | None, forwarded: str, proxies: Sequence[Network]) -> str:
    """Whose question it is. `forwarded`: all of X-Forwarded-For, believed as far as our own proxies wrote it.

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
