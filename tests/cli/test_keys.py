"""`imgen keys` on a real Redis."""

import pytest

from cli.main import main


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
