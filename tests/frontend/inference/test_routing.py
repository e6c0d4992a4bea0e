"""The choice among Tritons, at times that the test tells."""

from collections import Counter
from dataclasses import replace

import pytest

from contract.inventory import ModelStock
from contract.names import TEXT_TO_IMAGE
from frontend.inference.routing import (
    MAX_REST_S,
    REST_S,
    TritonState,
    Wanted,
    choose,
    choose_for_request,
    have_room,
    may_draw,
    rendezvous,
)

PLAIN = Wanted("eros", tie="1")
AYA = Wanted("eros", "aya")
CHARACTERS = frozenset({"aya", "bella"})


def servers(*orders: int, at_once: int = 8) -> list[TritonState]:
    several = []
    for index, count in enumerate(orders):
        server = TritonState(f"triton-{index}:8001")
        server.inventory = {"eros": ModelStock(CHARACTERS, at_once=at_once)}
        give(server, count)
        several.append(server)
    return several


def give(server: TritonState, orders: int) -> None:
    server.own["eros"] += orders
    server.drawing.outstanding += orders


def load_character(server: TritonState, name: str = "aya") -> None:
    server.inventory = {"eros": ModelStock(CHARACTERS, at_once=8, loaded=frozenset({name}))}


def named(server: TritonState | None) -> str:
    return server.name if server else "none"


def test_the_least_busy_server_takes_the_order() -> None:
    several = servers(3, 1, 2)
    assert choose(several, PLAIN, 0.0, []) is several[1]


def test_a_style_with_a_lora_goes_where_that_is() -> None:
    several = servers(0, 5)
    several[1].inventory = {"eros": ModelStock(CHARACTERS, at_once=8, styles={"ink": "a" * 64})}
    assert choose(several, replace(AYA, style="ink"), 0.0, []) is several[1]
    assert choose(several, AYA, 0.0, []) is several[0]


def test_orders_that_others_sent_count() -> None:
    several = servers(0, 1)
    several[0].others = {"eros": 2}
    assert choose(several, PLAIN, 0.0, []) is several[1]


def test_a_server_that_holds_twice_as_much_gets_twice_as_much() -> None:
    small, large = servers(0)[0], TritonState("large:8001")
    large.inventory = {"eros": ModelStock(CHARACTERS, at_once=16)}
    for _ in range(24):
        server = choose([small, large], PLAIN, 0.0, [])
        assert server
        give(server, 1)
    assert (small.own.total(), large.own.total()) == (8, 16)


def test_a_server_that_has_the_character_loaded_is_preferred_while_nearly_as_free() -> None:
    several = servers(2, 0)
    load_character(several[0])
    assert choose(several, AYA, 0.0, []) is several[0]
    give(several[0], 1)  # 3 of 8
    assert choose(several, AYA, 0.0, []) is several[1]


def test_a_character_that_nobody_has_loaded_falls_to_one_server_for_everybody() -> None:
    here, there = servers(0, 1, 0), servers(1, 0, 0)[::-1]
    chosen = {named(choose(here, AYA, 0.0, [])), named(choose(there, AYA, 0.0, []))}
    assert chosen == {max((server.name for server in here), key=lambda name: rendezvous("eros/aya", name))}


def test_only_what_a_gone_server_had_moves_and_all_share_the_characters() -> None:
    keys = [f"eros/c{number}" for number in range(300)]
    names = [f"triton-{number}:8001" for number in range(4)]

    def falls_to(names: list[str]) -> dict[str, str]:
        return {key: max(names, key=lambda name: rendezvous(key, name)) for key in keys}

    before, after = falls_to(names), falls_to(names[1:])
    assert {key for key in keys if before[key] != after[key]} == {
        key for key in keys if before[key] == names[0]
    }
    assert all(count > 40 for count in Counter(before.values()).values())


def test_no_server_is_given_more_than_it_can_hold() -> None:
    several = servers(8, 7)
    assert choose(several, PLAIN, 0.0, []) is several[1] and have_room(several, 0.0)
    give(several[1], 1)
    assert choose(several, PLAIN, 0.0, []) is None and not have_room(several, 0.0)
    assert may_draw(several, PLAIN, 0.0, []) == several  # one of them, later


def test_a_server_that_holds_less_than_one_order_beside_another_takes_it_alone() -> None:
    (server,) = servers(0, at_once=1)
    assert choose([server], PLAIN, 0.0, []) is server
    give(server, 1)
    assert choose([server], PLAIN, 0.0, []) is None


def test_what_lacks_the_weights_is_not_asked_unless_all_lack_them() -> None:
    several = servers(0, 7)
    several[0].inventory = {"eros": ModelStock(frozenset())}
    assert choose(several, AYA, 0.0, []) is several[1]
    assert choose(several, Wanted("alto"), 0.0, []) is several[0]
    several[0].inventory = {}
    assert choose(several, PLAIN, 0.0, []) is several[1]
    several[1].alive = False  # the other one would refuse it for good
    assert may_draw(several, PLAIN, 0.0, []) == []


def test_a_server_that_failed_rests_twice_as_long_each_time() -> None:
    several = servers(0, 5)
    lane = several[0].drawing
    for rest in (REST_S, 2 * REST_S, 4 * REST_S):
        lane.fail(100.0)
        assert choose(several, PLAIN, 99.9 + rest, []) is several[1]
        assert choose(several, PLAIN, 100.1 + rest, []) is several[0]
    for _ in range(2000):
        lane.fail(100.0)
    assert lane.resting_until == 100.0 + MAX_REST_S
    lane.serve()
    lane.fail(100.0)
    assert lane.resting_until == 100.0 + REST_S


def test_who_was_busy_rests_no_longer_each_time() -> None:
    (server,) = servers(0)
    for _ in range(3):
        server.drawing.fail(100.0, began=False)
    assert server.drawing.resting_until == 100.0 + REST_S


def test_a_server_that_comes_back_starts_slowly() -> None:
    several = servers(0, 8)
    several[0].drawing.start_slowly()
    for allowed in (1, 2, 4):
        give(several[0], allowed)
        assert choose(several, PLAIN, 0.0, []) is None and not have_room(several, 0.0)
        for _ in range(allowed):
            give(several[0], -1)
        several[0].drawing.serve()
        assert choose(several, PLAIN, 0.0, []) is several[0] and have_room(several, 0.0)
    several[0].drawing.start_slowly()
    give(several[0], 1)
    several[1].alive = False
    assert choose(several, PLAIN, 0.0, []) is several[0]  # nobody else is there


def test_a_resting_server_is_asked_where_no_other_is_left() -> None:
    several = servers(0, 0)
    several[0].drawing.fail(100.0)
    assert choose(several, PLAIN, 100.1, [several[1].name]) is several[0]
    assert choose(several, PLAIN, 100.1, [server.name for server in several]) is None
    several[1].drawing.fail(100.0)
    assert have_room(several, 100.1)


def test_a_server_that_does_not_answer_is_not_asked() -> None:
    several = servers(0, 0)
    for server in several:
        server.alive = False
    assert may_draw(several, PLAIN, 0.0, []) == [] and not have_room(several, 0.0)
    several[1].alive = True
    assert choose(several, PLAIN, 0.0, []) is several[1] and have_room(several, 0.0)


@pytest.mark.parametrize("busy", [0, 1])
def test_a_request_goes_to_whoever_has_the_fewest_of_its_kind(busy: int) -> None:
    several = servers(5, 5)
    several[busy].lanes["prompt-encoder"].outstanding = 1
    assert choose_for_request(several, "prompt-encoder", "x", 0.0, []) is several[1 - busy]
    several[1 - busy].lanes["prompt-encoder"].fail(0.0)
    assert choose_for_request(several, "prompt-encoder", "x", 1.0, []) is several[busy]
    assert not several[1 - busy].lanes[TEXT_TO_IMAGE].rests(1.0)
