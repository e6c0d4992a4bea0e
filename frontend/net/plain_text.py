"""What would be sent beyond this machine for everybody on the way to read."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from yarl import URL

from frontend.common.errors import SettingError
from frontend.net.http_endpoint import endpoint_of, is_loopback
from frontend.net.service_name import SCHEME


class LinkSettings(Protocol):
    """What is read of frontend/settings.py."""

    @property
    def acs_url(self) -> str: ...
    @property
    def acs_key(self) -> str: ...
    @property
    def llm_url(self) -> str: ...
    @property
    def llm_key(self) -> str: ...
    @property
    def redis_url(self) -> str: ...
    @property
    def triton_urls(self) -> tuple[str, ...]: ...
    @property
    def triton_ca(self) -> Path: ...
    @property
    def otlp_url(self) -> str: ...
    @property
    def plain_hosts(self) -> tuple[str, ...]: ...


def plain_text_warnings(settings: LinkSettings) -> list[str]:
    """A line for each part that is spoken to in plain text. Raises SettingError where a key would be sent."""
    warnings = []
    for name, host, secret in _plain_links(settings):
        if host in settings.plain_hosts:
            continue
        remedy = f"use TLS, or name {host} in IMGEN_PLAIN_HOSTS if nobody else is on the way"
        if secret:
            raise SettingError(f"IMGEN_{name}: would be sent to {host} in plain text; {remedy}")
        warnings.append(f"IMGEN_{name}: what goes to {host} can be read on the way; {remedy}")
    return warnings


def _plain_links(settings: LinkSettings) -> Iterator[tuple[str, str, bool]]:
    """(setting, host, whether a key goes along)"""
    for part in ("acs", "llm"):
        endpoint = endpoint_of(part, getattr(settings, f"{part}_url"))
        if endpoint and endpoint.plain_host:
            if getattr(settings, f"{part}_key"):
                yield f"{part.upper()}_KEY", endpoint.plain_host, True
            yield f"{part.upper()}_URL", endpoint.plain_host, bool(endpoint.url.user)
    for address in () if settings.triton_ca.name else settings.triton_urls:
        host = address.removeprefix(SCHEME).rpartition(":")[0].strip("[]")
        if not address.startswith("unix:") and not is_loopback(host):
            yield "TRITON_URLS", host, False
    with contextlib.suppress(ValueError):
        collector = URL(settings.otlp_url)
        if collector.scheme == "http" and collector.host and not is_loopback(collector.host):
            yield "OTLP_URL", collector.host, False
    with contextlib.suppress(ValueError):  # what it says of a URL may hold the password
        yield from (("REDIS_URL", host, False) for host in _plain_redis_hosts(settings.redis_url))


def _plain_redis_hosts(url: str) -> Iterator[str]:
    """Raises ValueError."""
    scheme, _, rest = url.partition("://")
    if scheme in ("redis", "redis+sentinel"):
        for place in rest.partition("/")[0].rpartition("@")[2].split(","):
            host = URL(f"redis://{place}").host
            if host and not is_loopback(host):
                yield host
