"""What `make install` tells uv, on machines and for users of all kinds."""

import subprocess
from pathlib import Path

import pytest

from frontend.settings import ROOT

OURS = str(ROOT / ".venv" / ".uv-cache")


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({}, OURS),
        ({"HOME": "/nonexistent"}, OURS),  # that of nobody
        ({"HOME": "{writable}"}, ""),  # uv's own choice
        ({"XDG_CACHE_HOME": "{writable}"}, ""),
        ({"UV_CACHE_DIR": "{writable}/new"}, "{writable}/new"),
    ],
)
def test_uv_keeps_things_where_the_user_may_write(
    tmp_path: Path, environment: dict[str, str], folder: str
) -> None:
    given = {name: value.format(writable=tmp_path) for name, value in environment.items()}
    show = tmp_path / "show.mk"
    show.write_text('show: ; @echo "$(UV_CACHE_DIR)"\n')
    told = subprocess.run(
        ["make", "--silent", "--no-print-directory", "-f", "Makefile", "-f", str(show), "show"],
        env={"PATH": "/usr/bin:/bin", **given},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert told == folder.format(writable=tmp_path)
