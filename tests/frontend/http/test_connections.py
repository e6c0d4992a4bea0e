from dataclasses import dataclass, field

from frontend.http.connections import Connections
from frontend.net.networks import networks


@dataclass(eq=False)
class FakeConnection:
    used: float = 0.0
    idle: bool = True
    head_since: float | None = None
    unsent_since: float | None = None
    address: str = ""
    aborted: list[str] = field(default_factory=list)

    def abort(self, reason: str) -> None:
        self.aborted.append(reason)


def test_idle_connection_that_was_silent_longest_makes_room() -> None:
    connections = Connections(3, header_timeout_s=10, unsent_s=60)
    busy, older, newer = FakeConnection(used=1, idle=False), FakeConnection(used=2), FakeConnection(used=3)
    assert all(connections.admit(one) for one in (busy, older, newer))
    late = FakeConnection(used=4, idle=False)
    assert connections.admit(late)
    assert (busy.aborted, older.aborted, newer.aborted) == ([], ["crowded out"], [])
    newer.idle = False
    assert not connections.admit(FakeConnection(used=5))
    connections.forget(busy)
    assert connections.admit(FakeConnection(used=6))


def test_connection_that_keeps_the_server_waiting_is_given_up() -> None:
    connections = Connections(9, header_timeout_s=10, unsent_s=60)
    fine = FakeConnection(head_since=91.0, unsent_since=41.0)
    no_head, unread = FakeConnection(head_since=89.0), FakeConnection(unsent_since=39.0, idle=False)
    for one in (fine, no_head, unread):
        assert connections.admit(one)
    connections.give_up_late(100.0)
    assert (fine.aborted, no_head.aborted, unread.aborted) == ([], ["header timeout"], ["unread"])


def test_address_that_holds_too_many_places_gives_way_to_others_where_none_is_idle() -> None:
    connections = Connections(4, header_timeout_s=10, unsent_s=60)
    customer = FakeConnection(idle=False, address="192.0.2.1")
    greedy = [FakeConnection(used=9 - at, idle=False, address="192.0.2.2") for at in range(3)]
    assert all(connections.admit(one) for one in (customer, *greedy))
    assert not connections.admit(FakeConnection(idle=False, address="192.0.2.2"))
    assert connections.admit(FakeConnection(idle=False, address="192.0.2.3"))
    assert connections.admit(FakeConnection(idle=False, address="192.0.2.4"))
    assert [len(one.aborted) for one in (customer, *greedy)] == [0, 0, 1, 1]
    # Now nobody has more than a fourth: whoever is there stays.
    assert not connections.admit(FakeConnection(idle=False, address="192.0.2.5"))


def test_proxies_and_sockets_hold_places_for_everybody() -> None:
    proxies = networks("trusted_proxies", ["10.0.0.0/8"])
    connections = Connections(2, header_timeout_s=10, unsent_s=60, proxies=proxies)
    assert connections.address_of(("10.1.2.3", 4)) == connections.address_of("/run/imgen.sock") == ""
    assert connections.address_of(("::ffff:10.1.2.3", 4, 0, 0)) == ""
    assert connections.address_of(("192.0.2.1", 4)) == "192.0.2.1"
    same = {connections.address_of((f"2001:db8:1:2::{at}", 4, 0, 0)) for at in range(3)}
    assert len(same) == 1
    assert all(connections.admit(FakeConnection(idle=False)) for _ in range(2))
    assert not connections.admit(FakeConnection(idle=False, address="192.0.2.1"))
