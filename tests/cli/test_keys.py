"""`imgen keys` on a real Redis."""

import msgspec
import pytest
from redis import Redis
from standardwebhooks import Webhook

from cli.main import main
from contract.redis_keys import WEBHOOK_SECRETS
from frontend.keys.webhook_secrets import WebhookSecrets


@pytest.fixture(autouse=True)
def settings(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGEN_REDIS_URL", redis_url)


def test_a_name_has_one_enabled_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "one of a kind"]) == 0
    capsys.readouterr()
    assert main(["keys", "create", "one of a kind"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("imgen: there is a key 'one of a kind' already") and not printed.out
    assert main(["keys", "disable", "one of a kind"]) == 0
    assert main(["keys", "create", "one of a kind"]) == 0


def test_disabling_twice_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "short-lived"]) == 0
    assert main(["keys", "disable", "short-lived"]) == 0
    assert "disabled short-lived (" in capsys.readouterr().out
    assert main(["keys", "disable", "short-lived"]) == 0
    assert capsys.readouterr().out == "short-lived was disabled already\n"


def test_key_is_made_without_urls_of_blocked_pictures_where_that_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["keys", "create", "moderated"]) == 0
    assert main(["keys", "create", "shop", "--no-unsafe-url"]) == 0
    capsys.readouterr()
    assert main(["keys", "list"]) == 0
    rows = {words[1]: words[-1] for line in capsys.readouterr().out.splitlines() if (words := line.split())}
    assert (rows["moderated"], rows["shop"]) == ("yes", "no")


def test_keys_alone_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "listed"]) == 0
    assert main(["keys"]) == 0
    assert "listed" in capsys.readouterr().out


def rows(capsys: pytest.CaptureFixture[str], name: str) -> list[str]:
    capsys.readouterr()
    assert main(["keys", "list"]) == 0
    return [line for line in capsys.readouterr().out.splitlines() if f" {name} " in line]


def test_limits_are_given_listed_and_changed(capsys: pytest.CaptureFixture[str]) -> None:
    limits = [
        "--rate",
        "2.5",
        "--daily",
        "100",
        "--concurrent",
        "2",
        "--expires",
        "90d",
        "--note",
        "till May",
    ]
    assert main(["keys", "create", "limited", *limits]) == 0
    (row,) = rows(capsys, "limited")
    for words in ("2.5/s, 100 jobs/day, 2 at a time", "enabled until 2", "generate", "till May"):
        assert words in row
    changes = [
        "--rate",
        "0",
        "--monthly",
        "5",
        "--priority",
        "batch",
        "--expires",
        "never",
        "--scope",
        "verify",
    ]
    assert main(["keys", "set", "limited", *changes]) == 0
    (row,) = rows(capsys, "limited")
    assert "100 jobs/day, 5 pictures/month, 2 at a time, batch" in row
    assert "verify" in row and "until" not in row and "2.5/s" not in row and "till May" in row


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--rate", "-1", "expected 0.01 to 1000000, or 0 for no limit of its own"),
        ("--rate", "nan", "expected 0.01 to 1000000"),
        ("--daily", "1.5", "expected 1 to 1000000000"),
        ("--monthly", "many", "expected 1 to 1000000000"),
        ("--concurrent", "1e3", "expected 1 to 1000000"),
        ("--expires", "soon", "expected 90d, 12h, a date (2027-01-31) or never"),
        ("--expires", "2020-01-01", "that is over"),
        ("--expires", "4000d", "at most 3650d"),
        ("--note", "a\nb", "at most 200 printable characters"),
    ],
)
def test_limit_without_sense_is_told_in_one_line(
    flag: str, value: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "create", "never made", f"{flag}={value}"]) == 2
    error = capsys.readouterr().err
    assert words in error and error.startswith("imgen: ") and error.count("\n") == 1
    assert rows(capsys, "never made") == []


def test_rotating_shows_a_new_secret_and_the_old_ones_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "turning"]) == 0
    first = capsys.readouterr().out
    assert main(["keys", "rotate", "turning", "--grace", "2h"]) == 0
    told = capsys.readouterr()
    assert "the one before is valid for 2h" in told.err
    assert told.out.startswith("imgen_") and told.out != first
    old, new = sorted(rows(capsys, "turning"), key=lambda row: "enabled" in row)
    assert "old secret until 2" in old and "enabled" in new
    assert main(["keys", "rotate", "turning", "--grace", "0"]) == 0
    assert sum("enabled" in row for row in rows(capsys, "turning")) == 1
    assert main(["keys", "rotate", "nobody"]) == 2
    assert "there is no enabled key 'nobody'" in capsys.readouterr().err


def test_set_wants_a_key_and_something_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "set", "nobody", "--rate", "1"]) == 2
    assert "there is no enabled key 'nobody'" in capsys.readouterr().err
    assert main(["keys", "set", "nobody"]) == 2
    assert "nothing to change" in capsys.readouterr().err


def test_webhook_secret_is_shown_once_and_the_one_before_stays_valid_until_it_is_retired(
    capsys: pytest.CaptureFixture[str], redis_url: str
) -> None:
    def told(*words: str) -> str:
        assert main(["keys", *words]) == 0
        return capsys.readouterr().out.strip()

    def valid() -> tuple[str, ...]:
        with Redis.from_url(redis_url) as redis:
            (record,) = redis.hvals(WEBHOOK_SECRETS)
        return msgspec.json.decode(record, type=WebhookSecrets).secrets

    with Redis.from_url(redis_url) as redis:
        redis.delete(WEBHOOK_SECRETS)
    told("create", "told")
    _, second, third = (told("webhook-secret", "told") for _ in range(3))
    assert valid() == (third, second)
    assert all(Webhook(secret) and len(secret) == len("whsec_") + 44 for secret in valid())
    assert "newest secret alone" in told("webhook-secret", "told", "--retire-older")
    assert valid() == (third,)
    assert "it stays" in told("webhook-secret", "told", "--retire-older")


def test_webhook_secret_of_no_key_and_retired_one_of_none_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["keys", "webhook-secret", "nobody"]) == 2
    assert "there is no enabled key 'nobody'" in capsys.readouterr().err
    assert main(["keys", "create", "silent"]) == 0
    assert main(["keys", "webhook-secret", "silent", "--retire-older"]) == 2
    assert "`imgen keys webhook-secret silent` makes one" in capsys.readouterr().err
