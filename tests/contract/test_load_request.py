from pathlib import Path

import pytest

from contract.load_request import load_request, tell_load_failure
from contract.names import load_request_file


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_who_asked_for_a_load_is_told_why_it_failed_and_nobody_else() -> None:
    assert not tell_load_failure(7, "mine-decoder", "no memory")  # as at start
    with load_request(7, "mine-decoder") as request:
        assert not tell_load_failure(7, "other-decoder", "no memory")
        assert not tell_load_failure(8, "mine-decoder", "no memory")
        assert request.failure == ""
        assert tell_load_failure(7, "mine-decoder", "no memory")
        assert request.failure == "no memory"
    assert not load_request_file(7).exists()
    assert not tell_load_failure(7, "mine-decoder", "no memory")
