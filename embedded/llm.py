"""The packaged small language model as a part of the embedded default."""

import asyncio
from pathlib import Path

import aiohttp

from embedded.part import Part, python_of

ROOT = Path(__file__).resolve().parent.parent  # what `llm` is imported from


def llm_part(port: int, data_dir: Path, *, threads: int = 0) -> Part:
    """Ready after about 2 s, 4 s the first time. `threads` 0: one for every two cores."""
    url = f"http://127.0.0.1:{port}"

    async def ready() -> bool:
        try:
            async with asyncio.timeout(2), aiohttp.ClientSession() as session:
                async with session.get(f"{url}/healthz") as response:
                    return response.status == 200
        except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
            return False

    return Part(
        name="llm",
        url=f"{url}/v1",
        # -P: nothing from the folder that the user happens to stand in.
        command=(
            *(python_of("llm"), "-P", "-m", "llm", "--host", "127.0.0.1", "--port", str(port)),
            *("--data-dir", str(data_dir.resolve() / "llm"), "--threads", str(threads)),
        ),
        ready=ready,
        # llama.cpp would start a debugger on itself where it fails.
        environment={"PYTHONPATH": str(ROOT), "GGML_NO_BACKTRACE": "1"},
    )
