from frontend.inference.routing import REMEMBERED, REST_S, TritonServer, choose


def servers(*outstanding: int) -> list[TritonServer]:
    return [TritonServer(f"triton-{index}:8001", count) for index, count in enumerate(outstanding)]


def test_the_least_busy_server_takes_the_order() -> None:
    several = servers(3, 1, 2)
    assert choose(several, "", 0.0, []) is several[1]


def test_a_server_that_served_the_character_is_preferred_while_nearly_as_free() -> None:
    several = servers(2, 0)
    several[0].record_served("eros/aya")
    assert choose(several, "eros/aya", 0.0, []) is several[0]
    assert choose(several, "eros/bella", 0.0, []) is several[1]
    several[0].outstanding = 3
    assert choose(several, "eros/aya", 0.0, []) is several[1]


def test_orders_without_character_leave_no_preference() -> None:
    several = servers(1, 0)
    several[0].record_served("")
    assert choose(several, "", 0.0, []) is several[1]


def test_a_server_that_failed_rests() -> None:
    several = servers(0, 5)
    several[0].rest(100.0)
    assert choose(several, "", 100.1, []) is several[1]
    assert choose(several, "", 100.1 + REST_S, []) is several[0]


def test_a_resting_server_is_asked_where_no_other_is_left() -> None:
    several = servers(0, 0)
    several[0].rest(100.0)
    assert choose(several, "", 100.1, [several[1].url]) is several[0]
    assert choose(several, "", 100.1, [server.url for server in several]) is None


def test_only_the_latest_characters_are_remembered() -> None:
    (server,) = servers(0)
    for number in range(REMEMBERED + 1):
        server.record_served(f"eros/c{number}")
    assert not server.has_served("eros/c0") and server.has_served(f"eros/c{REMEMBERED}")
