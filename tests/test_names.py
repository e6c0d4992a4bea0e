"""The catalogue, text_to_image and the exporter run in processes of their own and must accept the same."""

import msgspec
import order
import pytest

from export import config
from frontend.catalogue import catalogue
from tests.model_repository.text_to_image.test_order import GOOD

GOOD_NAMES = ["eros", "sd-1", "7", "a" * 64, "mary-ann-2"]
BAD_NAMES = ["", "_aya", "a__b", "a_b", "aya-", "a--b", "-x", "a.b", "Aya", "aya\n", "é", "a" * 65]
PARTS = {"catalogue": catalogue.NAME, "text_to_image": order.NAME, "export": config.NAME}


@pytest.mark.parametrize("part", PARTS)
def test_one_grammar_of_names_holds_everywhere(part: str) -> None:
    assert [name for name in GOOD_NAMES + BAD_NAMES if PARTS[part].fullmatch(name)] == GOOD_NAMES


@pytest.mark.parametrize(
    ("field", "least", "most"), [("steps", 1, order.MAX_STEPS), ("guidance", 0, order.MAX_GUIDANCE)]
)
def test_catalogue_and_triton_take_the_same_range(field: str, least: float, most: float) -> None:
    raw = {"name": "m", "label": "M", "default_style": "p", "steps": 1, "guidance": 1, "styles": {}}
    for value in (least, most):
        msgspec.convert({**raw, field: value}, catalogue.Model)
        order.Order(**{**vars(GOOD), field: value})
    for value in (least - 1, most + 1):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**raw, field: value}, catalogue.Model)
        with pytest.raises(order.BadOrder):
            order.Order(**{**vars(GOOD), field: value})
