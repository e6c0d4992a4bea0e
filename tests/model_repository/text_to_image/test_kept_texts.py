import numpy as np
from kept_texts import Array, KeptTexts


def made(size: int) -> tuple[Array, ...]:
    return (np.zeros(size, np.uint8),)


def test_least_recently_used_leaves_where_there_is_no_room() -> None:
    kept = KeptTexts(limit=100)
    for name in "abc":
        kept.keep(name, made(30))
    assert kept.find("a") is not None
    kept.keep("d", made(30))
    assert kept.find("b") is None and kept.find("a") is not None and kept.bytes == 90


def test_same_key_again_takes_its_room_once() -> None:
    kept = KeptTexts(limit=100)
    kept.keep("a", made(60))
    kept.keep("a", made(80))
    found = kept.find("a")
    assert kept.bytes == 80 and found is not None and found[0].nbytes == 80


def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    kept = KeptTexts(limit=100)
    kept.keep("a", made(60))
    kept.keep("b", made(101))
    assert kept.find("b") is None and kept.find("a") is not None and kept.bytes == 60
