"""The registry in memory: one column per property, 77 bytes for a picture."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from frontend.domain.registered_picture import RegisteredPicture

Words = npt.NDArray[np.uint64]

FIRST_ROOM = 1024  # pictures
NO_KEY = 0


@dataclass(frozen=True, kw_only=True)
class Columns:
    """n pictures, in the order of the stream. What is written later is not seen through it."""

    marks: Words  # [n] identities; 0 where there is none, and then its key is NO_KEY
    keys: npt.NDArray[np.int32]  # [n] versions of the mark's key
    prints: Words  # [4, n] PDQ, the first 64 bits in the first row
    qualities: npt.NDArray[np.uint8]  # [n] of PDQ
    files: Words  # [n] first 64 bits of the file's SHA-256
    names: Words  # [n] digests of gen_id, see `name_digest`
    entries: Words  # [2, n] ids in the stream: milliseconds, and the number within one

    def __len__(self) -> int:
        return len(self.marks)

    def entry(self, row: int) -> str:
        return f"{self.entries[0, row]}-{self.entries[1, row]}"


def empty(room: int) -> Columns:
    """Columns of zeroes, to be written to by whoever asked for them."""
    return Columns(
        marks=np.zeros(room, np.uint64),
        keys=np.zeros(room, np.int32),
        prints=np.zeros((4, room), np.uint64),
        qualities=np.zeros(room, np.uint8),
        files=np.zeros(room, np.uint64),
        names=np.zeros(room, np.uint64),
        entries=np.zeros((2, room), np.uint64),
    )


class RegistryIndex:
    """Grows at its end only, by one writer; readers in other threads hold `columns`."""

    def __init__(self) -> None:
        self._all = empty(FIRST_ROOM)
        self.columns = _part(self._all, 0)

    def add(self, pictures: Iterable[tuple[str, RegisteredPicture]]) -> None:
        """Each with its id in the stream. Raises ValueError where one is malformed; none is added then."""
        new = [(entry, picture, _words(entry, picture)) for entry, picture in pictures]
        count = len(self.columns)
        self._make_room(count + len(new))
        for row, (_, picture, words) in enumerate(new, count):
            whole = self._all
            whole.marks[row], whole.files[row], whole.names[row] = words[:3]
            whole.prints[:, row], whole.entries[:, row] = words[3:7], words[7:]
            whole.keys[row] = picture.invisible_key if picture.invisible_id else NO_KEY
            whole.qualities[row] = picture.fingerprint_quality
        self.columns = _part(self._all, count + len(new))

    def forget(self, gen_id: str) -> None:
        """Its row stays, and is found by nothing."""
        rows = np.flatnonzero(self.columns.names == np.uint64(name_digest(gen_id)))
        for column in (
            self._all.keys,
            self._all.marks,
            self._all.files,
            self._all.names,
            self._all.qualities,
        ):
            column[rows] = 0

    def _make_room(self, count: int) -> None:
        room = len(self._all)
        if count <= room:
            return
        larger = empty(max(count, room + room // 2))
        for name, column in vars(self._all).items():
            getattr(larger, name)[..., :room] = column
        self._all = larger


def _part(whole: Columns, count: int) -> Columns:
    return Columns(**{name: column[..., :count] for name, column in vars(whole).items()})


def _words(entry: str, picture: RegisteredPicture) -> list[int]:
    """mark, file, name, four of PDQ, two of the entry's id. Raises ValueError."""
    if not 0 <= picture.fingerprint_quality <= 255 or not 0 <= picture.invisible_key < 2**31:
        raise ValueError("quality or key version out of range")
    milliseconds, _, number = entry.partition("-")
    return [
        _word(picture.invisible_id or "0" * 16),
        file_word(picture.sha256),
        name_digest(picture.gen_id),
        *print_words(picture.fingerprint),
        int(milliseconds),
        int(number),
    ]


def _word(digits: str) -> int:
    if len(digits) != 16:
        raise ValueError("expected 16 hexadecimal digits")
    return int.from_bytes(bytes.fromhex(digits), "big")


def file_word(sha256: str) -> int:
    return _word(sha256[:16])


def print_words(fingerprint: str) -> list[int]:
    if len(fingerprint) != 64:
        raise ValueError("expected 64 hexadecimal digits")
    return [_word(fingerprint[start : start + 16]) for start in range(0, 64, 16)]


def name_digest(gen_id: str) -> int:
    """64 bits: what is found by it has to be compared once more."""
    return int.from_bytes(hashlib.blake2b(gen_id.encode(), digest_size=8).digest(), "big")
