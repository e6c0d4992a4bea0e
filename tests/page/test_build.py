"""What is committed of the page is what its source makes, and it is small."""

import gzip
import json
import re
import subprocess
from pathlib import Path

import pytest

from frontend.page.built_page import BUILT
from frontend.settings import ROOT
from tests import npm
from tests.programs import needs

PAGE = ROOT / "page"
MAX_BYTES = 150_000  # of all files together, as they are sent
MAX_FILES = 8


@pytest.fixture(scope="module")
def modules() -> Path:
    return npm.installed(PAGE)


def contents(folder: Path) -> dict[str, bytes]:
    """What is in the files: two versions of zlib compress differently."""
    return {path.name: gzip.decompress(path.read_bytes()) for path in folder.glob("*")}


def test_committed_files_are_those_that_the_source_makes(modules: Path, tmp_path: Path) -> None:
    subprocess.run([needs("node"), "build.mjs", tmp_path], cwd=PAGE, check=True, timeout=120)
    assert contents(tmp_path) == contents(BUILT), "npm ci && npm run build, in page/"


def test_source_has_no_mistakes_of_types(modules: Path) -> None:
    checked = subprocess.run(
        [needs("node"), modules / ".bin" / "tsc"], cwd=PAGE, capture_output=True, text=True, timeout=300
    )
    assert checked.returncode == 0, checked.stdout


def test_all_of_it_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in BUILT.iterdir()}
    assert sum(sizes.values()) < MAX_BYTES and len(sizes) <= MAX_FILES, sizes


def test_page_holds_no_code_and_no_style_of_its_own() -> None:
    page = gzip.decompress((BUILT / "index.html.gz").read_bytes()).decode()
    assert not re.search(r"<style|\son\w+=|\sstyle=|javascript:", page)
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == [""]
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


def test_code_asks_nobody_else() -> None:
    (script,) = BUILT.glob("main-*.js.gz")
    hosts = set(re.findall(r"https?://([\w.-]+)", gzip.decompress(script.read_bytes()).decode()))
    assert hosts <= {"www.w3.org"}  # the name of SVG, not an address


def test_lock_names_no_registry() -> None:
    lock = json.loads((PAGE / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
