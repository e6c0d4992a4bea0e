"""Which parts of the system answer."""

import asyncio
import datetime
from collections.abc import Awaitable, Mapping

from frontend.services import Services

CHECK_TIMEOUT_S = 3.0
# Without the language model and without the cache pictures are still made, reviewed and handed out.
OPTIONAL = {"llm", "cache"}


async def check(services: Services) -> dict[str, bool]:
    asked: dict[str, Awaitable[object]] = {
        "redis": services.redis.ping(),
        "triton": services.inference.ready(),
        "storage": services.storage.ready(),
        "acs": services.reviewer.ready(),
        "llm": services.enhancer.ready(),
    }
    answers = await asyncio.gather(*map(_answers, asked.values()))
    own = {
        "workers": services.workers.running,
        "cache": services.cache.size is not None,
        "accepting": not services.gate.closed,
        "credentials": datetime.datetime.now(datetime.UTC) < services.certificate.expires,
    }
    return dict(zip(asked, answers, strict=True)) | own


async def _answers(question: Awaitable[object]) -> bool:
    try:
        return bool(await asyncio.wait_for(question, CHECK_TIMEOUT_S))
    except Exception:
        return False


def is_ready(parts: Mapping[str, bool]) -> bool:
    return all(works for name, works in parts.items() if name not in OPTIONAL)


def warnings(services: Services) -> list[str]:
    """What works, and will not for long."""
    return [text for text in [services.certificate.warning(datetime.datetime.now(datetime.UTC))] if text]
