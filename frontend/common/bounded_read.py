"""The answer of a service that is not trusted to be brief."""

import aiohttp


class TooLarge(ValueError):
    """Says so, and nothing of the answer."""


async def read_bounded(response: aiohttp.ClientResponse, most: int) -> bytes:
    """At most `most` bytes, counted after decompression. Raises TooLarge."""
    data = bytearray()
    async for chunk in response.content.iter_chunked(1 << 14):
        data += chunk
        if len(data) > most:
            raise TooLarge(f"more than {most} bytes")
    return bytes(data)
