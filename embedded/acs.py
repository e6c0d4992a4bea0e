"""The reference ACS reviewer as a part of the embedded default."""

from pathlib import Path

from embedded.part import SystemPart, installed_python
from embedded.plain_path import socket_path
from embedded.readiness import answers

ROOT = Path(__file__).resolve().parent.parent  # what `acs` is imported from


def acs_part(data_dir: Path, fetch_allow: str, *, rulesets: Path | None = None) -> SystemPart:
    """`fetch_allow`: URL prefix of the pictures' signed URLs. `rulesets`: a folder of one's own.

    Raises PartError where it is not installed.
    """
    socket = socket_path(data_dir, "acs.sock")
    url = f"unix:{socket}"
    chosen = ("--rulesets", str(rulesets)) if rulesets else ()

    return SystemPart(
        name="acs",
        title="reviewer",
        url=url,
        listens_at=socket,
        # -P: nothing from the folder that the user happens to stand in.
        command=(
            *(installed_python("acs"), "-P", "-m", "acs"),
            *("--socket", str(socket), "--fetch-allow", fetch_allow, *chosen),
        ),
        ready=lambda: answers(f"{url}:/readyz"),
        environment={"PYTHONPATH": str(ROOT)},
        inherits=("SSL_CERT_*",),
    )
