import pytest

from frontend.finishing.anchor import anchor, canonical_position

SPELLINGS = [
    (
        (0.0, 0.0),
        [
            "top-left",
            "TOP_LEFT",
            "topLeft",
            "left top",
            " Top  Left ",
            "tl",
            "north-west",
            "nw",
            "NW",
            "top-left-corner",
            "lt",
        ],
    ),
    (
        (0.5, 0.0),
        [
            "top",
            "top-center",
            "top-centre",
            "topCenter",
            "center top",
            "top_middle",
            "north",
            "t",
            "top edge",
        ],
    ),
    ((1.0, 0.0), ["top-right", "right-top", "topright", "north east", "tr", "NE"]),
    ((0.0, 0.5), ["left", "center-left", "middle-left", "left center", "middleLeft", "west"]),
    ((0.5, 0.5), ["center", "centre", "middle", "center-center", "middle center", "c"]),
    ((1.0, 0.5), ["right", "center_right", "centre-right", "right middle", "east"]),
    ((0.0, 1.0), ["bottom-left", "left bottom", "BottomLeft", "bl", "southwest"]),
    ((0.5, 1.0), ["bottom", "bottom-center", "bottom centre", "south"]),
    ((1.0, 1.0), ["bottom-right", "right bottom", "BOTTOM RIGHT", "br", "south-east"]),
]


@pytest.mark.parametrize(("place", "names"), SPELLINGS)
def test_usual_spellings_name_one_place(place: tuple[float, float], names: list[str]) -> None:
    assert {name: anchor(name) for name in names} == dict.fromkeys(names, place)


@pytest.mark.parametrize("name", ["", "somewhere", "top-bottom", "tile", "left right", "\0", "top" * 10_000])
def test_unknown_place_is_bottom_right(name: str) -> None:
    assert anchor(name) == (1.0, 1.0)


@pytest.mark.parametrize(("place", "names"), SPELLINGS)
def test_every_place_is_told_in_one_spelling(place: tuple[float, float], names: list[str]) -> None:
    (told,) = {canonical_position(name) for name in names}
    assert anchor(told) == place


def test_unknown_place_is_told_as_where_the_mark_goes() -> None:
    assert canonical_position("somewhere") == canonical_position("") == "bottom-right"
    assert (canonical_position("Middle"), canonical_position("TOP_centre")) == ("center", "top")
