"""URLs of clients over real TLS, with names that a test decides about."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from embedded.part import free_port
from frontend.common.errors import SettingError
from frontend.net.guarded_fetcher import MAX_REDIRECTS, MAX_URL, GuardedFetcher, Unreachable
from frontend.net.networks import is_public, plain
from tests.certificate import certificate

MOST = 1000


@dataclass
class Names(AbstractResolver):
    """The network's names, as a test says; one that is asked about again may be answered differently."""

    answers: dict[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        later = self.answers[host]
        found = later.pop(0) if len(later) > 1 else later[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in found
        ]

    async def close(self) -> None:
        pass


PICTURE = web.AppKey("PICTURE", bytes)


async def _answer(request: web.Request) -> web.StreamResponse:
    match request.path.removeprefix("/"):
        case "picture":
            return web.Response(body=request.app[PICTURE])
        case "large":
            return web.Response(body=bytes(MOST + 1))
        case "missing":
            raise web.HTTPNotFound
        case "hangs":
            await asyncio.sleep(60)
        case "once":
            raise web.HTTPFound("/picture")
        case "for-ever":
            raise web.HTTPFound("/for-ever")
        case "plain":
            raise web.HTTPFound("http://studio.example/picture")
        case "inside":
            raise web.HTTPFound("https://10.0.0.1/picture")
        case "nowhere":
            return web.Response(status=302)
    return web.Response(body=bytes(MOST))


@dataclass(frozen=True)
class Site:
    outside: GuardedFetcher
    names: Names
    url: str


@contextlib.asynccontextmanager
async def site(
    folder: Path,
    answers: dict[str, list[list[str]]],
    *private: str,
    picture: bytes = b"picture",
    timeout_s: float = 2.0,
) -> AsyncIterator[Site]:
    chain, key = certificate(folder)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(chain, key)
    app = web.Application()
    app[PICTURE] = picture
    app.router.add_route("*", "/{name:.*}", _answer)
    runner, port = web.AppRunner(app, shutdown_timeout=0.1), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=serving).start()
    names, trust = Names(answers), ssl.create_default_context(cafile=str(chain))
    try:
        async with GuardedFetcher.open(private, names, trust, timeout_s) as outside:
            yield Site(outside, names, f"https://studio.example:{port}")
    finally:
        await runner.cleanup()


HOME = {"studio.example": [["127.0.0.1"]]}
# Loopback as inet_aton, browsers and IDNA would read it.
SPELLINGS = [
    "2130706433", "127.1", "127.0.1", "0x7f.1", "0x7f000001", "0X7F.0.0.1", "0177.0.0.1", "017700000001",
    "127.0.0.0x1", "0", "0x", "127.0.0.1.", "2130706433.", "１２７.0.0.1", "１２７.1", "①②⑦.0.0.1",
    "127。0。0。1", "２１３０７０６４３３", "0x７f.1", "%31%32%37.0.0.1", "%32130706433", "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]", "[0:0:0:0:0:0:0:1]", "[fec0::1]", "[2606:2800:220:1::1%25eth0]",
]  # fmt: skip


async def test_picture_of_an_allowed_place_is_fetched(tmp_path: Path) -> None:
    async with site(tmp_path, HOME, "127.0.0.0/8") as here:
        assert await here.outside.fetch(f"{here.url}/picture", MOST) == b"picture"
        assert await here.outside.fetch(f"{here.url}/once", MOST) == b"picture"
        literal = here.url.replace("studio.example", "127.0.0.1")
        assert await here.outside.fetch(f"{literal}/picture", MOST) == b"picture"


@pytest.mark.parametrize(
    "path", ["large", "missing", "hangs", "for-ever", "plain", "inside", "nowhere", "x" * MAX_URL]
)
async def test_what_is_not_a_picture_in_bounds_is_refused(tmp_path: Path, path: str) -> None:
    async with site(tmp_path, HOME, "127.0.0.0/8") as here:
        with pytest.raises(Unreachable):
            await here.outside.fetch(f"{here.url}/{path}", MOST)
        assert len(here.names.asked) <= MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "address", [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["93.184.216.34", "127.0.0.1"], []]
)
async def test_name_that_leads_inside_is_refused(tmp_path: Path, address: list[str]) -> None:
    async with site(tmp_path, {"studio.example": [address]}) as here:
        with pytest.raises(Unreachable):
            await here.outside.fetch(f"{here.url}/picture", MOST)


async def test_name_is_asked_for_once_and_its_answer_is_what_is_connected_to(tmp_path: Path) -> None:
    """The second answer, which leads elsewhere, is never asked for."""
    async with site(tmp_path, {"studio.example": [["127.0.0.1"], ["10.0.0.1"]]}, "127.0.0.0/8") as here:
        assert await here.outside.fetch(f"{here.url}/picture", MOST) == b"picture"
        assert here.names.asked == ["studio.example"]
        with pytest.raises(Unreachable):
            await here.outside.fetch(f"{here.url}/large", MOST)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "studio.example",
        "http://studio.example/",
        "ftp://studio.example/",
        "file:///etc/hostname",
        "https://user:pass@studio.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[fe80::1%25eth0]/",
        "https://studio.example:99999/",
        "https://[",
        "https://",
    ],
)
async def test_url_that_is_no_public_https_one_is_refused_unasked(tmp_path: Path, url: str) -> None:
    async with site(tmp_path, HOME) as here:
        with pytest.raises(Unreachable):
            await here.outside.fetch(url, MOST)
        assert here.names.asked == []


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_an_address_is_looked_up_as_a_name(tmp_path: Path, host: str) -> None:
    """A resolver may take any of them for an address: here one that says it is the site, and allowed."""
    spoken = str(URL(f"https://{host}/").raw_host)
    async with site(tmp_path, {**HOME, spoken: [["93.184.216.34"]]}) as here:
        with pytest.raises(Unreachable):
            await here.outside.fetch(f"https://{host}/picture", MOST)
        assert here.names.asked == []


async def test_name_that_only_begins_with_a_number_is_a_name(tmp_path: Path) -> None:
    names = ("127.0.0.1.example", "0x7f.example", "1e100.net", "2130706433.example.")
    async with site(tmp_path, {name: [["10.0.0.1"]] for name in names}) as here:
        for name in names:
            with pytest.raises(Unreachable):
                await here.outside.fetch(f"https://{name}/picture", MOST)
        assert len(here.names.asked) == len(names)


# What IANA's special-purpose registries do not call globally reachable, and what has not been given out.
NOT_PUBLIC = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.0.8/32", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "::/96", "::1/128", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64",
    "2001::/32", "2001:2::/48", "2001:10::/28", "2001:db8::/32", "3fff::/20", "4000::/2", "5f00::/16",
    "8000::/1", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    "64:ff9b::7f00:0/104", "64:ff9b::a00:0/104", "2002:7f00::/24", "2002:a00::/24",
]  # fmt: skip


@pytest.mark.parametrize("block", NOT_PUBLIC)
def test_no_end_of_a_block_that_is_nobody_s_is_public(block: str) -> None:
    network = ipaddress.ip_network(block)
    for number in (0, network.num_addresses // 2, network.num_addresses - 1):
        assert not is_public(network[number])


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d822", True),
    ],
)
def test_public_addresses_are_told_from_others(address: str, public: bool) -> None:
    assert is_public(plain(address)) is public


@pytest.mark.parametrize(
    ("path", "status"), [("picture", 200), ("large", 200), ("once", 302), ("inside", 302), ("missing", 404)]
)
async def test_what_is_posted_is_answered_with_a_status_and_no_redirect_is_followed(
    tmp_path: Path, path: str, status: int
) -> None:
    async with site(tmp_path, HOME, "127.0.0.0/8") as here:
        assert await here.outside.post(f"{here.url}/{path}", b"{}", {}) == status
        assert here.names.asked == ["studio.example"]


async def test_nothing_is_posted_where_it_must_not_go_nor_waited_for_long(tmp_path: Path) -> None:
    async with site(tmp_path, {"studio.example": [["127.0.0.1"]]}, timeout_s=0.2) as here:
        for url in (f"{here.url}/picture", "http://studio.example/", "https://10.0.0.1/", "https://127.1/"):
            with pytest.raises(Unreachable):
                await here.outside.post(url, b"{}", {})
    async with site(tmp_path, HOME, "127.0.0.0/8", timeout_s=0.2) as here:
        with pytest.raises(Unreachable):
            await here.outside.post(f"{here.url}/hangs", b"{}", {})


async def test_network_that_is_none_stops_the_start() -> None:
    with pytest.raises(SettingError, match="IMGEN_PRIVATE_NETWORKS"):
        async with GuardedFetcher.open(("10.0.0.1/8",)):
            pass
