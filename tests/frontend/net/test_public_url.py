import pytest

from frontend.common.errors import SettingError
from frontend.net.public_url import local_url, only_local, public_url
from frontend.settings import Settings


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:81"),
        ("localhost", "http://localhost:81"),
        ("::1", "http://[::1]:81"),
        ("192.0.2.7", "http://192.0.2.7:81"),
        ("0.0.0.0", "http://127.0.0.1:81"),
        ("::", "http://[::1]:81"),
        ("", "http://127.0.0.1:81"),
    ],
)
def test_every_host_gives_an_address_to_connect_to(host: str, expected: str) -> None:
    settings = Settings(host=host, port=81)
    assert local_url(settings) == public_url(settings) == expected


@pytest.mark.parametrize(
    "wrong",
    ["api.example.org", "ftp://a.example", "http://", "https://u:p@a.example", "https://a.example/?q=1"],
)
def test_public_url_that_no_link_can_begin_with_is_refused(wrong: str) -> None:
    with pytest.raises(SettingError, match="IMGEN_PUBLIC_URL: expected http"):
        public_url(Settings(public_url=wrong))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(host="0.0.0.0"), True),
        (Settings(host="::"), True),
        (Settings(host="0.0.0.0", public_url="https://api.example.org"), False),
        (Settings(host="0.0.0.0", s3_bucket="pictures"), False),
        (Settings(host="192.0.2.7"), False),
        (Settings(), False),
    ],
)
def test_links_that_work_here_alone_are_told(settings: Settings, told: bool) -> None:
    assert ("set IMGEN_PUBLIC_URL" in only_local(settings)) is told
