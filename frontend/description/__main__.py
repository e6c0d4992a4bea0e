"""Writes docs/api.md anew: python -m frontend.description"""

from pathlib import Path

from frontend.description.markdown import reference
from frontend.routes import OPERATORS_ROUTES, ROUTES

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


def written() -> str:
    note = "<!-- Made of frontend/description/reference.md by `python -m frontend.description`. -->"
    return f"{note}\n\n{reference((*ROUTES, *OPERATORS_ROUTES))}"


if __name__ == "__main__":
    DOCUMENT.write_text(written())
