"""What the published documentation does not know is marked, wherever it is described."""

from collections.abc import Mapping
from typing import Any

EXTENSION: Mapping[str, Any] = {"x-extension": True}
"""As `Meta(extra_json_schema=…)` of a field."""
