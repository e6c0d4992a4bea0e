"""Where this server is reached: on this machine, and by its clients."""

import ipaddress
from typing import Protocol

from yarl import URL

from frontend.common.errors import SettingError


class ListenSettings(Protocol):
    """What is read of frontend/settings.py."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def public_url(self) -> str: ...
    @property
    def s3_bucket(self) -> str: ...


def local_url(settings: ListenSettings) -> str:
    """By which this machine reaches the server; an address of all interfaces is none to connect to."""
    return str(URL.build(scheme="http", host=_loopback(settings.host) or settings.host, port=settings.port))


def public_url(settings: ListenSettings) -> str:
    """What links to pictures begin with; "" where a bucket's own do. Raises SettingError where none could be
    made."""
    if settings.s3_bucket:
        return ""
    if settings.public_url:
        return _check(settings.public_url)
    if settings.port == 0:
        raise SettingError(
            "IMGEN_PUBLIC_URL is not set, and IMGEN_PORT is 0: no link to a picture could be made"
        )
    return local_url(settings)


def _check(text: str) -> str:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string or url.fragment:
        raise SettingError(f"IMGEN_PUBLIC_URL: expected http(s)://HOST[:PORT][/PATH], got {text!r}")
    return text


def only_local(settings: ListenSettings) -> str:
    """What to tell an operator whose server listens for other machines and gives them links to this one."""
    if settings.public_url or settings.s3_bucket or not _loopback(settings.host):
        return ""
    return (
        "links to pictures lead to this machine's loopback address and work here alone; "
        "set IMGEN_PUBLIC_URL to what clients reach this server by"
    )


def _loopback(host: str) -> str:
    """This machine's own address where `host` stands for all of them, else nothing."""
    try:
        address = ipaddress.ip_address(host or "0.0.0.0")  # noqa: S104
    except ValueError:
        return ""
    if not address.is_unspecified:
        return ""
    return "127.0.0.1" if address.version == 4 else "::1"
