"""Which of several Tritons takes an order. Pure: the caller tells the time."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

REST_S = 5.0  # a server that failed is passed over for so long
SLACK = 2  # so many more orders may a server have and still be preferred for a character it has loaded
REMEMBERED = 64  # characters remembered per server


@dataclass
class TritonServer:
    url: str
    outstanding: int = 0  # orders that it works on for us
    resting_until: float = 0.0  # time.monotonic()
    _characters: "OrderedDict[str, None]" = field(default_factory=OrderedDict)

    def rest(self, now: float) -> None:
        self.resting_until = now + REST_S

    def record_served(self, character: str) -> None:
        """Remembers that the character's network is probably loaded there."""
        if character:
            self._characters[character] = None
            self._characters.move_to_end(character)
            if len(self._characters) > REMEMBERED:
                self._characters.popitem(last=False)

    def has_served(self, character: str) -> bool:
        return character in self._characters


def choose(
    servers: Sequence[TritonServer], character: str, now: float, tried: Collection[str]
) -> TritonServer | None:
    """The server with the fewest orders, or one nearly as free that already served `character` ("" for none).

    None if every server was tried. Servers that rest are asked only where no other is left.
    """
    left = [server for server in servers if server.url not in tried]
    awake = [server for server in left if server.resting_until <= now] or left
    if not awake:
        return None
    fewest = min(server.outstanding for server in awake)
    near = [s for s in awake if s.has_served(character) and s.outstanding <= fewest + SLACK]
    return min(near or awake, key=lambda server: server.outstanding)
