"""The packaged small language model as a part of the embedded default."""

from pathlib import Path

from embedded.part import SystemPart, python_of
from embedded.plain_path import socket_path
from embedded.readiness import answers

ROOT = Path(__file__).resolve().parent.parent  # what `llm` is imported from


def llm_part(data_dir: Path, *, threads: int = 0) -> SystemPart:
    """Ready after about 2 s of what all others leave of a processor, 4 s the first time.

    `threads` 0: one for every two cores.
    """
    socket = socket_path(data_dir, "llm.sock")

    return SystemPart(
        name="llm",
        title="language model",
        url=f"unix:{socket}:/v1",
        listens_at=socket,
        # -P: nothing from the folder that the user happens to stand in.
        command=(
            *(python_of("llm"), "-P", "-m", "llm", "--socket", str(socket)),
            *("--data-dir", str(data_dir.resolve() / "llm"), "--threads", str(threads)),
        ),
        ready=lambda: answers(f"unix:{socket}:/healthz"),
        # llama.cpp would start a debugger on itself where it fails.
        environment={"PYTHONPATH": str(ROOT), "GGML_NO_BACKTRACE": "1"},
        start_timeout_s=600.0,  # it loads when there is nothing else to do
    )
