"""docs/security.md names the test that proves each row: it exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
FILE = re.compile(r"`(tests/[\w/]+\.py)`(?:: `(test_\w+)`)?")
ROWS = re.findall(r"^\| (?!who \|)(?!row \|)(?!-)(.+) \|$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split(" | ")[0][:40])
def test_every_row_names_a_test_that_exists(row: str) -> None:
    proofs = FILE.findall(row.split(" | ")[-1])
    assert proofs
    for path, name in proofs:
        assert f"def {name}(" in (ROOT / path).read_text() if name else (ROOT / path).is_file(), path


def test_other_tests_that_are_named_exist() -> None:
    for path, name in FILE.findall(TEXT):
        assert (ROOT / path).is_file()
        assert not name or f"def {name}(" in (ROOT / path).read_text(), name
