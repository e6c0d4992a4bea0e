from dataclasses import dataclass, field

from frontend.http.connections import Connections


@dataclass(eq=False)
class FakeConnection:
    used: float = 0.0
    idle: bool = True
    head_since: float | None = None
    unsent_since: float | None = None
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
