"""What the server reads of strangers."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from frontend.actions.generate_request import read_generate
from frontend.cells.cells import CellFunction, Cells
from frontend.cells.limits import CellLimits, CellRefusal, LimitPassed
from frontend.common.errors import ApiError
from frontend.finishing.authority import issue
from frontend.finishing.manifest import ACTIONS, GENERATION
from frontend.finishing.wm_image import read_mark
from frontend.http.json_object import read_object
from frontend.prompts.prompt import format as format_prompt
from frontend.prompts.prompt import parse
from frontend.services import CELL_LIMITS, FOREIGN_BYTES
from frontend.verification.decode import read_picture
from frontend.verification.manifest_report import UNREADABLE, ManifestQuestion, ManifestReport, read_manifest
from tests import bombs
from tests.fuzz.run import Target

CHARACTERS = frozenset({"aya", "bella"})
# Each a pass over 24 million pixels, in a file of 80 KB: as many as are let through.
SLOW_PICTURES = (bombs.scans(4896, 4896, 100),)

STARTING_S = 1.0  # a new cell's imports may fall into the time of its first job


class LimitDidNotHold(Exception):
    """A cell worked longer than it may, and was not ended."""


@contextlib.contextmanager
def server_targets(limits: CellLimits = CELL_LIMITS) -> Iterator[Sequence[Target]]:
    cells = Cells(FOREIGN_BYTES, limits, 1)
    chain = issue()[0].decode()

    def manifest(data: bytes) -> bytes:
        asked = ManifestQuestion(file=data, chain=chain, serial="1", generation=GENERATION, actions=ACTIONS)
        return msgspec.msgpack.encode(asked)

    try:
        yield (
            Target("json", read_json),
            Target("prompts", read_prompt),
            Target("pictures", _in_cell(cells, limits, read_picture), SLOW_PICTURES),
            Target("marks", _in_cell(cells, limits, read_mark), corpus="pictures"),
            Target("manifests", _in_cell(cells, limits, read_manifest, manifest, _word)),
        )
    finally:
        cells.close()


def read_json(data: bytes) -> str:
    try:
        read_generate(read_object(data))
    except ApiError as error:
        if error.status != 400:
            raise
        return "refused"
    return "read"


def read_prompt(data: bytes) -> str:
    try:
        prompt = parse(data.decode(errors="surrogateescape"), CHARACTERS)
    except ApiError as error:
        if error.status != 400:
            raise
        return "refused"
    assert parse(format_prompt(prompt), CHARACTERS) == prompt
    return "read"


def _in_cell(
    cells: Cells,
    limits: CellLimits,
    function: CellFunction,
    asked: Callable[[bytes], bytes] = bytes,
    word_of: Callable[[bytes], str] = lambda _: "read",
) -> Callable[[bytes], str]:
    def read(data: bytes) -> str:
        before = _cpu_s(cells)
        try:
            word = word_of(cells.call(function, asked(data)))
        except CellRefusal:
            word = "refused"
        except LimitPassed as error:
            return error.limit.value
        if _cpu_s(cells) - before > limits.cpu_s + STARTING_S:
            raise LimitDidNotHold
        return word

    return read


def _word(answer: bytes) -> str:
    report = msgspec.msgpack.decode(answer, type=ManifestReport | None)
    return "refused" if report == UNREADABLE else "read"


def _cpu_s(cells: Cells) -> float:
    """That the one cell of the pool has used; 0 while another one starts."""
    with contextlib.suppress(OSError, StopIteration):
        return int(Path(f"/proc/{next(iter(cells.pids))}/schedstat").read_text().split()[0]) / 1e9
    return 0.0
