"""What links to pictures begin with for the client that asks: where it reached this server, if known."""

import logging
import re
from collections.abc import Sequence

from aiohttp import hdrs, web
from multidict import istr
from yarl import URL

from frontend.net.http_endpoint import is_loopback
from frontend.net.networks import Network, lies_in, plain
from frontend.net.public_url import ListenSettings, local_url

log = logging.getLogger(__name__)
_FOR, _HOST, _PROTO = istr("X-Forwarded-For"), istr("X-Forwarded-Host"), istr("X-Forwarded-Proto")
_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class ClientOrigins:
    """Of all requests. Our own proxies alone are believed: what stands in a header anybody can write."""

    def __init__(self, settings: ListenSettings, proxies: Sequence[Network]) -> None:
        self._is_set = bool(settings.public_url or settings.s3_bucket)
        self._local = URL(local_url(settings))
        self._proxies = proxies
        self.warning = ""  # once a client came by another name than its links begin with

    def of(self, request: web.BaseRequest) -> str:
        """`https://api.example.org`, or "": links begin as the settings say."""
        if self._is_set:
            return ""
        told = _forwarded(request) if self._is_proxy(request.remote) else ""
        if not told and not self.warning:
            self._warn_of_another_name(request)
        return told

    def _is_proxy(self, remote: str | None) -> bool:
        try:
            return lies_in(plain(remote or ""), self._proxies)
        except ValueError:
            return False

    def _warn_of_another_name(self, request: web.BaseRequest) -> None:
        name = _last(request, _HOST) or _last(request, hdrs.HOST)
        proxied = not {_FOR, _HOST, _PROTO}.isdisjoint(request.headers)
        if not proxied and self._is_local(name):
            return
        how = f"by {name if _NAME.fullmatch(name) else 'another name'}"
        remedy = "set IMGEN_PUBLIC_URL to what clients reach this server by"
        if proxied:
            how = f"{how}, through a proxy"
            remedy = f"{remedy}, or name the proxy in IMGEN_TRUSTED_PROXIES"
        self.warning = f"links to pictures begin with {self._local}, but a client came {how}: {remedy}"
        log.warning("%s", self.warning)

    def _is_local(self, name: str) -> bool:
        if not _NAME.fullmatch(name):
            return False
        try:
            url = URL(f"http://{name}")
        except ValueError:
            return False
        host, own = url.host or "", self._local.host or ""
        return url.port == self._local.port and (host == own or (is_loopback(host) and is_loopback(own)))


def _forwarded(request: web.BaseRequest) -> str:
    """As a proxy tells it; "" where it does not, or not in words that can begin a link."""
    proto, name = _last(request, _PROTO).lower(), _last(request, _HOST)
    if not proto and not name:
        return ""
    name = name or _last(request, hdrs.HOST)
    if proto not in ("", "http", "https") or not _NAME.fullmatch(name):
        return ""
    return f"{proto or 'http'}://{name}"


def _last(request: web.BaseRequest, header: str) -> str:
    """What the last one on the way wrote: some add to what the client sent."""
    return ",".join(request.headers.getall(header, ())).rpartition(",")[2].strip()
