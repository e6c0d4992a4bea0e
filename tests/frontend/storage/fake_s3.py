"""An object store that keeps what it is given, or refuses in the words of S3's errors."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from embedded.part import free_port
from tests.fakes import listening

_ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>No.</Message></Error>'
STATUS = {"SlowDown": 503, "InternalError": 500, "XMinioStorageFull": 507, "PermanentRedirect": 301}


@dataclass
class FakeS3:
    refuses: Mapping[str, str] = field(default_factory=dict)  # method → error code, "" for one of HTML
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # method and path
    url: str = ""

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if (code := self.refuses.get(request.method)) is not None:
            text = _ERROR.format(code=code) if code else "<html>This is no object store.</html>"
            return web.Response(status=STATUS.get(code, 403), text=text, content_type="application/xml")
        if request.method == "PUT":
            self.objects[request.path] = await request.read()
            return web.Response(headers={"ETag": '"0"'})
        return web.Response(body=self.objects[request.path])

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeS3"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        async with listening(app, port):
            yield self
