"""A whole cache hit over HTTP: `generate` with `use_cache`, as a client sees it, on what `imgen up` starts.

By turns with a call of `models`, which is the API's own share: key, JSON, answer.

python -m perf.cache_hits ROUNDS
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from perf.report import median
from perf.system import BenchError, System, system_up

PROMPT = "a red car on the beach, sunny day"
SAME = "sunny day, a red car on the beach"  # the same in another order
HIT_BODY = {"action": "generate", "prompt": SAME, "use_cache": True, "cache_only": True}
WARM = 30
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Hits:
    hit_ms: float  # median, from sent to answered
    models_ms: float


async def hits(rounds: int) -> Hits:
    """Raises BenchError."""
    with tempfile.TemporaryDirectory() as folder:
        async with system_up(Path(folder), os.environ) as system:
            await put_in(system)
            times = [(await _hit(system), await _models(system)) for _ in range(WARM + rounds)][WARM:]
    hit, models = zip(*times, strict=True)
    return Hits(median(hit), median(models))


async def put_in(system: System) -> None:
    """Draws a picture and waits until the cache has it, a moment after its verdict. Raises BenchError."""
    await system.draw(PROMPT)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            await _hit(system)
            return
        except BenchError:
            if time.monotonic() > deadline:
                raise


async def _hit(system: System) -> float:
    return await _timed(system, HIT_BODY)


async def _models(system: System) -> float:
    return await _timed(system, {"action": "models"})


async def _timed(system: System, body: Mapping[str, Any]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await system.call(body)
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    try:
        found = asyncio.run(hits(int(sys.argv[1])))
    except BenchError as error:
        sys.exit(str(error))
    print(orjson.dumps({"hit_p50_ms": found.hit_ms, "models_p50_ms": found.models_ms}).decode())


if __name__ == "__main__":
    main()
