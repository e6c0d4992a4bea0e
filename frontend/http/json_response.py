"""An answer of JSON."""

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time


class JsonResponse(web.Response):
    """`body` is bytes. An ordinary request is answered at once: aiohttp's many steps take thrice as long.

    What begins with an underscore is none of aiohttp's promises: tests/frontend/http/test_json_response.py
    holds that both ways say the same.
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        ordinary = request.method == hdrs.METH_POST and request.version == HttpVersion11
        if not ordinary or not request.keep_alive or self._keep_alive is False or self.prepared:
            return await super().prepare(request)
        body, headers, writer = self.body, self.headers, request.writer
        assert isinstance(body, bytes)
        headers[hdrs.CONTENT_LENGTH] = str(len(body))
        headers[hdrs.DATE] = rfc822_formatted_time()
        await writer.write_headers(f"HTTP/1.1 {self.status} {self.reason}", headers)
        await writer.write_eof(body)
        self._keep_alive = self._eof_sent = True
        return writer
