"""The reference ACS reviewer as a part of the embedded default."""

from pathlib import Path

from embedded.part import SystemPart, installed_python
from embedded.readiness import answers

ROOT = Path(__file__).resolve().parent.parent  # what `acs` is imported from


def acs_part(port: int, fetch_allow: str, *, rulesets: Path | None = None) -> SystemPart:
    """`fetch_allow`: URL prefix of the pictures' signed URLs. `rulesets`: a folder of one's own.

    Raises PartError where it is not installed.
    """
    url = f"http://127.0.0.1:{port}"
    chosen = ("--rulesets", str(rulesets)) if rulesets else ()

    return SystemPart(
        name="acs",
        title="reviewer",
        url=url,
        # -P: nothing from the folder that the user happens to stand in.
        command=(
            *(installed_python("acs"), "-P", "-m", "acs"),
            *("--host", "127.0.0.1", "--port", str(port), "--fetch-allow", fetch_allow, *chosen),
        ),
        ready=lambda: answers(f"{url}/readyz"),
        environment={"PYTHONPATH": str(ROOT)},
    )
