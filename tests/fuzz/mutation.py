"""Changes to a file of a corpus. The same number makes the same file."""

import contextlib
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).with_name("corpus")
MAX_BYTES = 64 << 10  # of a changed file
# Numbers at which lengths and counts go wrong, as they stand in files.
_EDGES = [
    value.to_bytes(width, order)
    for width in (1, 2, 4, 8)
    for value in {0, 1, 2 ** (8 * width - 1) - 1, 2 ** (8 * width - 1), 2 ** (8 * width) - 1, 700 << 20}
    if value < 2 ** (8 * width)
    for order in ("big", "little")
]
_WORDS = [
    *(b'"', b"{", b"[", b"]", b"}", b",", b":", b"null", b"true", b"1e999", b"-0", b"\\ud800", b"\\u0000"),
    *(b"@", b"@aya", b", -", b"\n", b"\xe2\x80\x8b", b"\xef\xbc\xa0", b"\xe2\x88\x92", b"\xf3\xa0\x80\x81"),
    *(b"\xff\xda", b"\xff\xc2", b"\xff\xeb", b"IDAT", b"zTXt", b"iCCP", b"ANMF", b"C2PA", b"jumb", b"cbor"),
    *(b"\x5b", b"\x9f", b"\xd2", b"\xff", b"data_offsets", b"shape", b"F64"),
]
_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 5, 5.0, 5.5, 1e308, 2**63, 2**64, 10**400),
    *(
        "",
        " ",
        "a",
        "@aya",
        "-",
        ",",
        "\x00",
        "\ud800",
        "a" * 5000,
        "data:image/png;base64,",
        "data:,%" * 300,
    ),
    *([], {}, [[]] * 50, {"a": {"a": {}}}, ["aya"]),
]
Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def corpus(name: str) -> list[bytes]:
    files = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
    assert files, name
    return files


def changed(files: Sequence[bytes], name: str, number: int) -> bytes:
    """One of `files` with one to six changes."""
    chance = random.Random(f"{name} {number}")
    data = bytearray(chance.choice(files))
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        chance.choice(_CHANGES)(chance, data, files)
    return bytes(data[:MAX_BYTES])


def _flip(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    edge = chance.choice(_EDGES)
    at = chance.randrange(len(data) + 1)
    data[at : at + len(edge)] = edge


def _insert(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice(_WORDS) * chance.choice((1, 1, 1, 50, 2000))


def _delete(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, end = _span(chance, data)
    del data[start:end]


def _repeat(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start, end = _span(chance, data)
    data[end:end] = data[start:end] * chance.choice((1, 2, 100))


def _splice(chance: random.Random, data: bytearray, files: Sequence[bytes]) -> None:
    other = bytearray(chance.choice(files))
    start, end = _span(chance, other)
    at = chance.randrange(len(data) + 1)
    data[at : at + end - start] = other[start:end]


def _cut(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _span(chance: random.Random, data: bytearray) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice((1, 4, 16, 200, 4000)))


def _change_value(chance: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """Of a JSON object, which stays one; most other changes leave none."""
    with contextlib.suppress(ValueError, RecursionError):
        body = json.loads(data)
        if isinstance(body, dict) and body:
            name = chance.choice(sorted(body))
            body[name if chance.random() < 0.9 else name[::-1]] = chance.choice(_VALUES)
            data[:] = json.dumps(body, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")


_CHANGES: tuple[Change, ...] = (
    *(_flip, _flip, _overwrite, _overwrite, _insert, _delete, _repeat, _splice, _cut),
    *(_change_value,) * 9,
)
