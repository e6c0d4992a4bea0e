import base64
import random
import time
from urllib.parse import quote

import pytest

from frontend.common.data_uri import from_data_uri

HEAD = "data:image/png;base64,"
DATA = random.Random(1).randbytes(300_001)
TEXT = base64.b64encode(DATA).decode()


@pytest.mark.parametrize("shift", range(5))
@pytest.mark.parametrize("spelling", ["plain", "unpadded", "escaped", "wrapped"])
def test_every_spelling_gives_the_same_bytes_wherever_it_is_cut(spelling: str, shift: int) -> None:
    spelt = {
        "plain": TEXT,
        "unpadded": TEXT.rstrip("="),
        "escaped": quote(TEXT, safe=""),
        "wrapped": "\r\n".join(TEXT[start : start + 76] for start in range(0, len(TEXT), 76)),
    }[spelling]
    assert from_data_uri(HEAD + " " * shift + spelt, 1 << 20) == DATA


@pytest.mark.parametrize(
    "text", ["A", "A=AA", TEXT[:1000] + "=" + TEXT[1000:], "@" * 8, "é" * 8, "%4", "%" * 80_000]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bad base64"):
        from_data_uri(HEAD + text, 1 << 20)


def test_too_many_bytes_are_refused_and_just_as_many_are_not() -> None:
    most = 1 << 20
    assert len(from_data_uri(HEAD + base64.b64encode(bytes(most)).decode(), most)) == most
    with pytest.raises(ValueError, match="larger than 1 MiB"):
        from_data_uri(HEAD + base64.b64encode(bytes(most + 3)).decode(), most)


@pytest.mark.parametrize("unit", ["%41", " ", "=", "%", "%20"])
def test_largest_text_is_refused_at_little_cost(unit: str) -> None:
    before = time.process_time()
    with pytest.raises(ValueError, match="bad base64"):
        from_data_uri(HEAD + unit * ((8 << 20) // len(unit)) + "@", 8 << 20)
    assert time.process_time() - before < 0.5
