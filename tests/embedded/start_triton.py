"""Starts Triton with no models but its own, and prints every file of a Python that its stubs have loaded."""

import asyncio
import re
import sys
from pathlib import Path

from embedded.part import running
from embedded.processes import processes
from embedded.shared_memory import remove_shared_memory
from embedded.triton import triton_part


async def start(data_dir: Path) -> None:
    part = triton_part(data_dir=data_dir, repositories=[], threads=1)
    async with running(part, data_dir) as process:
        children = [pid for pid, _, _, parent in processes() if parent == process.pid]
        maps = [await asyncio.to_thread(Path(f"/proc/{pid}/maps").read_text) for pid in children]
        for path in sorted(set(re.findall(r"(/\S*(?:libpython|/lib-dynload/)\S+)$", "".join(maps), re.M))):
            print(path)
    remove_shared_memory(data_dir)


asyncio.run(start(Path(sys.argv[1])))
