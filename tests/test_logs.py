"""Goes last (tests/log_watch.py): what the whole run has logged."""

import logging
import secrets
from pathlib import Path

import pytest

from tests.log_watch import WATCH, LogWatch, keys_in_files

KEY = f"imgen_{secrets.token_urlsafe(32)}"


def test_key_in_a_log_would_be_found(tmp_path: Path) -> None:
    watch, log = LogWatch(), logging.Logger("a test's own")
    log.addHandler(watch)
    log.warning("refused %s", {"Authorization": f"Bearer {KEY}"})
    try:
        raise ValueError(KEY)
    except ValueError:
        log.exception("failed")
    log.warning("imgen_http_requests")
    assert [line.partition(":")[0] for line in watch.found] == ["a test's own"] * 2
    assert KEY not in "".join(watch.found)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "frontend.log.1").write_text(f"fine\nBearer {KEY}\n")
    assert list(keys_in_files(tmp_path)) == [f"{tmp_path}/logs/frontend.log.1:2"]
    (tmp_path / "logs" / "frontend.log.1").unlink()


def test_no_log_of_this_run_holds_a_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert WATCH in logging.getLogger().handlers
    assert WATCH.found == []
    assert list(keys_in_files(tmp_path_factory.getbasetemp())) == []
