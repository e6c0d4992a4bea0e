from typing import Any

import pytest

from frontend.cache.index.limits import Limits


@pytest.mark.parametrize(
    "values",
    [
        {"capacity": 0},
        {"partition_capacity": 0},
        {"tail": 0},
        {"exact_below": -1},
        {"links": 1},
        {"deleted_share": 1.0},
        {"most_matches": 0},
    ],
)
def test_limits_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Limits(**values)
