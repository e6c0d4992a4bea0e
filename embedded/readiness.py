"""How a part that speaks HTTP is asked whether it is ready."""

import asyncio

import aiohttp

TIMEOUT_S = 2.0


async def answers(url: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether a GET is answered 200 in time. Does not raise."""
    try:
        async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as http, http.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
        return False
