"""Which of several Tritons takes an order. Pure: the caller tells the time.

A Triton's load is the share of what it can hold: an order of a model of which it holds 16 is a sixteenth. It
counts what others sent, as far as Triton has told.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from contract.inventory import MAX_ORDERS, Inventory
from contract.names import TEXT_TO_IMAGE

REST_S = 5.0  # a server that failed is passed over for so long, and twice as long after each further failure
MAX_REST_S = 60.0
SLACK = 0.25  # of what it can hold: so much busier may a server be that has a character loaded
ROUNDING = 1e-9


@dataclass(frozen=True)
class Wanted:
    """What of an order matters here."""

    model: str
    character: str = ""
    tie: str = ""  # decides among equals where there is no character
    style: str = ""  # that has a LoRA

    @property
    def key(self) -> str:
        return f"{self.model}/{self.character}" if self.character else self.tie


@dataclass
class Lane:
    """What a server does with requests of one Triton model; one that cannot run one may well run another."""

    outstanding: int = 0
    failures: int = 0  # one after the other
    resting_until: float = 0.0  # time.monotonic()
    ramp: int = MAX_ORDERS  # so many at a time, while others are there: one that comes back starts slowly

    def fail(self, now: float, *, began: bool = True) -> None:
        """`began`: with the work; who was busy or is starting rests, and no longer than that."""
        self.failures += began
        self.resting_until = now + min(REST_S * 2 ** min(max(self.failures - 1, 0), 10), MAX_REST_S)
        self.start_slowly()

    def start_slowly(self) -> None:
        self.ramp = 1

    def serve(self) -> None:
        self.failures = 0
        self.ramp = min(self.ramp * 2, MAX_ORDERS)

    def rests(self, now: float) -> bool:
        return self.resting_until > now


@dataclass
class TritonState:
    name: str  # its address
    alive: bool = True
    inventory: Inventory | None = None  # as it told last
    own: "Counter[str]" = field(default_factory=Counter)  # orders from here, by model
    others: Mapping[str, int] = field(default_factory=dict)  # from elsewhere
    lanes: "defaultdict[str, Lane]" = field(default_factory=lambda: defaultdict(Lane))

    @property
    def drawing(self) -> Lane:
        return self.lanes[TEXT_TO_IMAGE]

    @property
    def load(self) -> float:
        return sum(
            (self.own[name] + self.others.get(name, 0)) * self._weight(name) for name in self._models()
        )

    def fits(self, model: str) -> bool:
        """Whether it can hold one more order. One it always can, or a large one would never be drawn."""
        load = self.load
        return load == 0.0 or load + self._weight(model) <= 1.0 + ROUNDING

    @property
    def has_room(self) -> bool:
        """For an order of whatever model it holds most of."""
        return any(self.fits(name) for name in self.inventory or ("",))

    def draws(self, wanted: Wanted) -> bool:
        """Whether it has the weights, as far as it has told."""
        if self.inventory is None:
            return True
        stock = self.inventory.get(wanted.model)
        return (
            stock is not None
            and (not wanted.character or wanted.character in stock.characters)
            and (not wanted.style or wanted.style in stock.styles)
        )

    def has_loaded(self, wanted: Wanted) -> bool:
        stock = self.inventory.get(wanted.model) if self.inventory else None
        return stock is not None and wanted.character in stock.loaded

    def _models(self) -> set[str]:
        return {name for name, count in self.own.items() if count} | self.others.keys()

    def _weight(self, model: str) -> float:
        stock = self.inventory.get(model) if self.inventory else None
        return 1.0 / (stock.at_once if stock else MAX_ORDERS)


def rendezvous(key: str, server: str) -> int:
    """The highest one of all servers is the key's: the same for everyone who asks, and when servers come and
    go only those keys move that must (Thaler and Ravishankar, 1998)."""
    return int.from_bytes(hashlib.blake2b(f"{key}\0{server}".encode(), digest_size=8).digest(), "big")


def candidates(
    servers: Sequence[TritonState], lane: str, now: float, tried: Collection[str]
) -> list[TritonState]:
    """Those that may be asked: alive, not tried, and not at rest unless all are."""
    left = [server for server in servers if server.alive and server.name not in tried]
    return [server for server in left if not server.lanes[lane].rests(now)] or left


def choose(
    servers: Sequence[TritonState], wanted: Wanted, now: float, tried: Collection[str]
) -> TritonState | None:
    """The server with the least load, or one nearly as free that has the character loaded, else the one that
    the character falls to. None while none can hold it: `may_draw` tells whether one will."""
    left, alone = may_draw(servers, wanted, now, tried), _is_alone(servers)
    free = [server for server in left if server.fits(wanted.model) and (alone or _in_ramp(server))]
    if not free:
        return None
    least = min(server.load for server in free)
    near = [server for server in free if server.load <= least + (SLACK if wanted.character else ROUNDING)]
    loaded = [server for server in near if wanted.character and server.has_loaded(wanted)]
    return max(loaded or near, key=lambda server: rendezvous(wanted.key, server.name))


def may_draw(
    servers: Sequence[TritonState], wanted: Wanted, now: float, tried: Collection[str]
) -> list[TritonState]:
    """Those that could take the order, busy or not: with its weights, unless none has told of them."""
    stocked = [server for server in servers if server.draws(wanted)] or servers
    return candidates(stocked, TEXT_TO_IMAGE, now, tried)


def have_room(servers: Sequence[TritonState], now: float) -> bool:
    """Whether an order that is taken from the queue now would be drawn at once."""
    left, alone = candidates(servers, TEXT_TO_IMAGE, now, ()), _is_alone(servers)
    return any(server.has_room and (alone or _in_ramp(server)) for server in left)


def choose_for_request(
    servers: Sequence[TritonState], model: str, tie: str, now: float, tried: Collection[str]
) -> TritonState | None:
    """For a request with one answer: whoever has the fewest of its kind."""
    left = candidates(servers, model, now, tried)
    fewest = min((server.lanes[model].outstanding for server in left), default=0)
    equals = [server for server in left if server.lanes[model].outstanding == fewest]
    return max(equals, key=lambda server: rendezvous(tie, server.name), default=None)


def _is_alone(servers: Sequence[TritonState]) -> bool:
    """Where there is no other, starting slowly would help nobody."""
    return sum(server.alive for server in servers) == 1


def _in_ramp(server: TritonState) -> bool:
    return server.drawing.outstanding < server.drawing.ramp
