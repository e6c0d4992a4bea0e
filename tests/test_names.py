"""The catalogue and text_to_image run in processes of their own and must accept the same."""

import msgspec
import order
import pytest

from contract.limits import MAX_GUIDANCE, MAX_STEPS
from frontend.catalogue import catalogue
from tests.model_repository.text_to_image.test_order import GOOD


@pytest.mark.parametrize(("field", "least", "most"), [("steps", 1, MAX_STEPS), ("guidance", 0, MAX_GUIDANCE)])
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
