"""How a part that speaks HTTP is asked whether it is ready."""

import asyncio

import aiohttp

from frontend.net.http_endpoint import HttpEndpoint

TIMEOUT_S = 2.0


async def answers(url: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether a GET is answered 200 in time; `url` as of HttpEndpoint. Does not raise."""
    endpoint = HttpEndpoint.parse(url)
    try:
        async with (
            asyncio.timeout(timeout_s),
            aiohttp.ClientSession(connector=endpoint.connector()) as http,
            http.get(endpoint.url) as response,
        ):
            return response.status == 200
    except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
        return False
