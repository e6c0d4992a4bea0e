"""The keys of the invisible mark: a file of one line per version, `VERSION HEX64`, made at first start.

The highest version writes; all are read, so that pictures marked with an older key are still recognised.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from frontend.common.atomic_write import atomic_write
from frontend.common.errors import SettingError
from frontend.invisible_mark.codes import Codes

FILE = "mark.key"
MAX_VERSIONS = 16  # each makes every reading slower
MAX_BYTES = 4096
_LINE = re.compile(r"([1-9][0-9]{0,5})[ \t]+([0-9a-fA-F]{64})")


@dataclass(frozen=True)
class InvisibleKeys:
    """The keys as patterns. At least one."""

    versions: Mapping[int, Codes] = field(repr=False)
    fingerprints: Mapping[int, str] = field(repr=False)  # SHA-256 of each key, hex

    @classmethod
    def of(cls, keys: Mapping[int, bytes]) -> "InvisibleKeys":
        """`keys`: 32 bytes by version. Takes some 30 ms a key."""
        versions = {version: Codes.of(keys[version], version) for version in sorted(keys)}
        return cls(versions, {version: hashlib.sha256(keys[version]).hexdigest() for version in sorted(keys)})

    @property
    def writing(self) -> Codes:
        return self.versions[max(self.versions)]

    @property
    def reading(self) -> tuple[Codes, ...]:
        """The newest first."""
        return tuple(self.versions[version] for version in sorted(self.versions, reverse=True))


def path_of(mark_key: Path, data_dir: Path) -> Path:
    return data_dir / FILE if mark_key == Path() else mark_key


def load_keys(mark_key: Path, data_dir: Path) -> InvisibleKeys:
    """Of the file that is named or, made if need be, ours in the data folder. Raises SettingError."""
    path = path_of(mark_key, data_dir)
    if mark_key == Path() and not path.exists():
        _make(path)
    return InvisibleKeys.of(parse(_read(path), path))


def parse(text: str, path: Path) -> dict[int, bytes]:
    """Keys by version. Raises SettingError; no message holds any of the text."""
    keys: dict[int, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise SettingError(f"mark_key: {path}, line {number}: expected VERSION and 64 hex digits")
        version = int(match[1])
        if version in keys:
            raise SettingError(f"mark_key: {path}, line {number}: version {version} is there twice")
        keys[version] = bytes.fromhex(match[2])
    if not 1 <= len(keys) <= MAX_VERSIONS:
        raise SettingError(f"mark_key: {path} holds {len(keys)} keys, expected 1 to {MAX_VERSIONS}")
    return keys


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingError(f"mark_key: cannot read {path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise SettingError(f"mark_key: {path} is larger than {MAX_BYTES} bytes")
    return data.decode("ascii", "replace")


def _make(path: Path) -> None:
    """Of two starts at once the first wins, and both use its key."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(path, f"1 {secrets.token_hex(32)}\n".encode(), mode=0o600, replace=False)
    except OSError as error:
        raise SettingError(f"data_dir: cannot write {path}: {error.strerror}") from None
