"""Server-sent events, as WHATWG's HTML standard (9.2.6) reads them. No network in here."""

import codecs
import re
from dataclasses import dataclass

MAX_CHARACTERS = 1 << 20
_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class ServerEvent:
    id: str
    name: str
    data: str


class EventReader:
    """Reads a stream piece by piece. `id` and `retry_s` are the last that were told."""

    def __init__(self) -> None:
        self.id = ""
        self.retry_s: float | None = None
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._rest = ""
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def read(self, piece: bytes) -> list[ServerEvent]:
        """The events that this piece completes. Raises ValueError where a line or an event has no end."""
        text = self._rest + self._decode(piece)
        held = text[-1:] == "\r"  # half of a \r\n, perhaps
        *lines, rest = _BREAK.split(text[:-1] if held else text)
        self._rest = rest + "\r" * held
        self._bound(len(self._rest))
        return [event for line in lines if (event := self._take(line))]

    def _take(self, line: str) -> ServerEvent | None:
        if not line:
            return self._end()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._size += len(value)
                self._bound(self._size)
                self._data.append(value)
            case "event":
                self._name = value
            case "id" if "\0" not in value:
                self.id = value
            case "retry" if re.fullmatch(r"[0-9]{1,7}", value):
                self.retry_s = int(value) / 1000
        return None

    def _end(self) -> ServerEvent | None:
        event = ServerEvent(self.id, self._name or "message", "\n".join(self._data))
        empty = not self._data
        self._name, self._data, self._size = "", [], 0
        return None if empty else event

    def _bound(self, size: int) -> None:
        if size > MAX_CHARACTERS:
            raise ValueError("an event has no end")
