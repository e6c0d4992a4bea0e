from pathlib import Path
from typing import Any

import pytest

from frontend.common.errors import SettingError
from frontend.net.plain_text import plain_text_warnings
from frontend.settings import Settings

TLS_OR_NAMED = "use TLS, or name {} in IMGEN_PLAIN_HOSTS if nobody else is on the way"


@pytest.mark.parametrize(
    ("settings", "named", "host"),
    [
        ({"acs_url": "http://acs:9000", "acs_key": "harbour"}, "IMGEN_ACS_KEY", "acs"),
        ({"llm_url": "http://10.0.0.7/v1", "llm_key": "harbour"}, "IMGEN_LLM_KEY", "10.0.0.7"),
        ({"llm_url": "http://user:harbour@llm/v1"}, "IMGEN_LLM_URL", "llm"),
    ],
)
def test_key_is_not_sent_in_plain_text(settings: dict[str, Any], named: str, host: str) -> None:
    with pytest.raises(SettingError) as refused:
        plain_text_warnings(Settings(**settings))
    assert (
        str(refused.value) == f"{named}: would be sent to {host} in plain text; {TLS_OR_NAMED.format(host)}"
    )


@pytest.mark.parametrize(
    ("settings", "named", "host"),
    [
        ({"acs_url": "http://acs:9000"}, "IMGEN_ACS_URL", "acs"),
        ({"llm_url": "http://llm/v1"}, "IMGEN_LLM_URL", "llm"),
        ({"triton_urls": ("gpu1:8001",)}, "IMGEN_TRITON_URLS", "gpu1"),
        ({"redis_url": "redis://:harbour@redis:6379/0"}, "IMGEN_REDIS_URL", "redis"),
    ],
)
def test_what_can_be_read_on_the_way_is_told_once(settings: dict[str, Any], named: str, host: str) -> None:
    expected = f"{named}: what goes to {host} can be read on the way; {TLS_OR_NAMED.format(host)}"
    assert plain_text_warnings(Settings(**settings)) == [expected]
    assert plain_text_warnings(Settings(**settings, plain_hosts=(host,))) == []


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"acs_url": "https://acs", "acs_key": "k", "llm_url": "https://llm/v1", "llm_key": "k"},
        {
            "acs_url": "unix:/run/acs.sock",
            "acs_key": "k",
            "llm_url": "unix:/run/llm.sock:/v1",
            "llm_key": "k",
        },
        {"acs_url": "http://127.0.0.1:9000", "acs_key": "k", "llm_url": "http://[::1]:1/v1", "llm_key": "k"},
        {"acs_url": "http://acs:9000", "acs_key": "k", "plain_hosts": ("acs",)},
        {"triton_urls": ("unix:/run/t.sock:8001", "127.0.0.1:8001", "localhost:8001", "[::1]:8001")},
        {"triton_urls": ("gpu1:8001",), "triton_ca": Path("ca.pem")},
        {"redis_url": "rediss://redis"},
        {"redis_url": "redis://:with/slash@redis:6379"},
        {"redis_url": "redis://[::1"},
        {"redis_url": "unix:///run/redis.sock"},
    ],
)
def test_nothing_is_said_where_nobody_listens_in(settings: dict[str, Any]) -> None:
    assert plain_text_warnings(Settings(**settings)) == []
