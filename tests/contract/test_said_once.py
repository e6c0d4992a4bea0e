"""What contract/ says stands nowhere else: each row is a second copy that was there once."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("backends", "contract", "deploy", "embedded", "export", "model_repository")
COPIES = {
    "the grammar of names": r"a-z0-9\]\+\(\?:-",
    "the rule that tells characters": r"\*--\*|[\"']--[\"'] (not )?in |--\{",
    "SDXL's betas": r"0\.00085",
    "the least share of the picture": r"2\.0 ?\*\* ?-24|2\*\*-24|LEAST_KEPT",
    "the API's sizes": r"\(1344, 768\)",
    "a family told by its looks": r"_is_sdxl|len\(.*pad_tokens\)|text_encoder_2 is (not )?None",
    "the key file of model_control": r"imgen-\{(os\.getppid|server)",
    "text_to_image's limits": r"MAX_STEPS = |MAX_GUIDANCE = |MAX_SIDE = 2048|MAX_BATCH = |40_000",
}


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [path for name in listed.stdout.split("\0") if (path := ROOT / name).suffix in (".py", ".sh")]


@pytest.mark.parametrize("what", COPIES)
def test_no_second_copy_comes_back(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files()
        if path.is_file()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(COPIES[what], line)
    ]
    assert {place.partition("/")[0] for place in found} <= {"contract"}, found
    assert len({place.partition(":")[0] for place in found}) <= 1, found
