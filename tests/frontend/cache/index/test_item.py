import dataclasses
from typing import Any

import pytest

from tests.frontend.cache.index.items import item


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"payload": bytes(64 * 1024 + 1)},
        {"partition": ("x",) * 17},
        {"partition": ("x" * 256,)},
        {"time_ms": -1},
        {"time_ms": 2**63},
    ],
)
def test_an_item_beyond_bounds_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        dataclasses.replace(item(1), **change)
