"""How a part that speaks HTTP is asked whether it is ready.

Over a bare connection: an HTTP client takes longer to import than most parts take to start.
"""

import asyncio

from frontend.net.http_endpoint import HttpEndpoint

TIMEOUT_S = 2.0


async def answers(url: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Whether a GET is answered 200 in time; `url` as of HttpEndpoint, not https. Does not raise."""
    endpoint = HttpEndpoint.parse(url)
    try:
        async with asyncio.timeout(timeout_s):
            return (await _first_line(endpoint)).split()[1:2] == [b"200"]
    except (OSError, ValueError):  # TimeoutError is an OSError; ValueError: a line without an end
        return False


async def _first_line(endpoint: HttpEndpoint) -> bytes:
    url = endpoint.url
    if endpoint.socket:
        reader, writer = await asyncio.open_unix_connection(endpoint.socket)
    else:
        reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(f"GET {url.raw_path_qs} HTTP/1.0\r\nHost: {url.authority}\r\n\r\n".encode())
        return await reader.readline()
    finally:
        writer.close()
