import numpy as np
import pytest

from frontend.registry.index import FIRST_ROOM, NO_KEY, RegistryIndex, file_word, name_digest, print_words

from .pictures import a_registered


def test_every_property_has_its_column() -> None:
    index, picture = RegistryIndex(), a_registered(7, fingerprint_quality=77, invisible_key=3)
    index.add([("1700000000000-5", picture)])
    columns = index.columns
    assert len(columns) == 1
    assert (int(columns.marks[0]), int(columns.keys[0])) == (int(picture.invisible_id, 16), 3)
    assert columns.prints[:, 0].tolist() == print_words(picture.fingerprint)
    assert int(columns.qualities[0]) == 77
    assert int(columns.files[0]) == file_word(picture.sha256)
    assert int(columns.names[0]) == name_digest(picture.gen_id)
    assert columns.entry(0) == "1700000000000-5"


def test_picture_without_a_mark_belongs_to_no_key() -> None:
    index = RegistryIndex()
    index.add([("1-0", a_registered(invisible_id="", invisible_key=1))])
    assert index.columns.keys.tolist() == [NO_KEY]


def test_index_grows_and_what_was_read_before_stays_as_it_was() -> None:
    index = RegistryIndex()
    index.add([("1-0", a_registered(1))])
    before = index.columns
    index.add((f"2-{number}", a_registered(number)) for number in range(2, 2 * FIRST_ROOM + 2))
    assert (len(before), len(index.columns)) == (1, 2 * FIRST_ROOM + 1)
    assert index.columns.marks[0] == before.marks[0]
    assert index.columns.entry(FIRST_ROOM) == f"2-{FIRST_ROOM + 1}"
    assert len(np.unique(index.columns.marks)) == 2 * FIRST_ROOM + 1


@pytest.mark.parametrize(
    "bad",
    [
        {"invisible_id": "12"},
        {"invisible_id": "-000000000000001"},
        {"fingerprint": "f" * 63},
        {"sha256": ""},
        {"fingerprint_quality": 256},
        {"invisible_key": -1},
    ],
)
def test_malformed_picture_is_refused_and_so_are_those_that_came_with_it(bad: dict[str, object]) -> None:
    index = RegistryIndex()
    with pytest.raises(ValueError):
        index.add([("1-0", a_registered(1)), ("1-1", a_registered(2, **bad))])
    assert len(index.columns) == 0
