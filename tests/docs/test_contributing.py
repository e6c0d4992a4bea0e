"""What the documents name is there, and no document is without its line in the index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX = ROOT / "docs" / "README.md"
LINKED = [
    (document.relative_to(ROOT), link)
    for document in (ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", INDEX)
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:\w[\w.-]*/)+[\w.*-]*)`", CONTRIBUTING)) - {"logs/"})
TARGETS = sorted(set(re.findall(r"`make ([a-z-]+)", CONTRIBUTING)))


@pytest.mark.parametrize(("document", "link"), LINKED)
def test_link_leads_to_a_file(document: Path, link: str) -> None:
    assert (ROOT / document.parent / link).exists()


def test_every_document_is_in_the_index() -> None:
    told = {link for document, link in LINKED if document == INDEX.relative_to(ROOT)}
    documents = {path.relative_to(INDEX.parent).as_posix() for path in INDEX.parent.rglob("*.md")}
    assert documents - told == {"README.md"}


@pytest.mark.parametrize(
    "name",
    [name for name in NAMED if "NAME" not in name],
)
def test_file_that_contributors_are_sent_to_is_there(name: str) -> None:
    assert list(ROOT.glob(name))


@pytest.mark.parametrize("target", TARGETS)
def test_target_that_contributors_are_told_of_is_there(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
