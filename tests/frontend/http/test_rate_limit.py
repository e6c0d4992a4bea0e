import pytest

from frontend.common.errors import ApiError
from frontend.http.rate_limit import AnonymousRateLimiter
from frontend.net.client_address import address_of
from frontend.net.networks import networks


def refused(visitors: AnonymousRateLimiter, address: str, now: float) -> ApiError:
    with pytest.raises(ApiError) as raised:
        visitors.admit(address, now)
    return raised.value


def test_so_many_a_minute_and_then_as_they_come_back() -> None:
    visitors = AnonymousRateLimiter(per_minute=3)
    for _ in range(3):
        visitors.admit("a", 100.0)
    error = refused(visitors, "a", 100.0)
    assert (error.status, error.headers["Retry-After"]) == (429, "20")
    visitors.admit("b", 100.0)
    visitors.admit("a", 120.1)
    assert refused(visitors, "a", 120.2).status == 429
    for _ in range(3):
        visitors.admit("a", 1000.0)
    assert refused(visitors, "a", 1000.0).status == 429


def test_only_so_many_addresses_are_remembered() -> None:
    visitors = AnonymousRateLimiter(per_minute=1, remembered=2)
    for address in ("a", "b", "c"):
        visitors.admit(address, 0.0)
    assert refused(visitors, "c", 0.0).status == 429
    visitors.admit("a", 0.0)  # forgotten: it was silent longest


def test_none_a_minute_means_only_with_a_key() -> None:
    assert refused(AnonymousRateLimiter(per_minute=0), "a", 0.0).status == 401


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("203.0.113.5", "", "203.0.113.5"),
        ("203.0.113.5", "198.51.100.7", "203.0.113.5"),  # no proxy of ours says so
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "not an address", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "", "20010db800010002::/64"),
        ("::ffff:203.0.113.5", "", "203.0.113.5"),
        (None, "", ""),
    ],
)
def test_address_is_the_last_one_that_our_own_proxies_did_not_write(
    remote: str | None, forwarded: str, found: str
) -> None:
    proxies = networks("trusted_proxies", ("10.0.0.0/8",))
    assert address_of(remote, forwarded, proxies) == (found.lstrip("0") or found)
