import http.server
import json
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cli.warnings_told import tell_warnings, wait_until_found
from embedded.part import free_port
from frontend.settings import Settings

PARTS = [{"triton": False, "acs": True}, {"triton": True, "acs": True}]
BODY = json.dumps({"parts": {}, "warnings": ["a model has no weights", "told \x1b before"]}).encode()


@pytest.fixture(params=[200, 503])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(BODY)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_new_warnings_of_a_server_are_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell_warnings(Settings(), url, {"a model has no weights"})
    assert capsys.readouterr().err == "imgen: told \\x1b before\n"


def test_operators_have_an_address_of_their_own(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell_warnings(Settings(operators_address=url.removeprefix("http://")), "http://127.0.0.1:1", ())
    assert capsys.readouterr().err.count("\n") == 2


def test_server_that_does_not_answer_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    tell_warnings(Settings(), f"http://127.0.0.1:{free_port()}", ())
    assert capsys.readouterr().err == ""


async def test_part_is_awaited_until_the_server_has_found_it() -> None:
    asked: list[str] = []

    async def answer(_: web.Request) -> web.Response:
        asked.append("readyz")
        return web.json_response({"parts": PARTS[len(asked) > 2]}, status=503)

    app = web.Application()
    app.router.add_get("/readyz", answer)
    async with TestServer(app) as server:
        await wait_until_found(Settings(), str(server.make_url("")).rstrip("/"), ["frontend", "triton"])
        assert len(asked) == 3
        await wait_until_found(Settings(), f"http://127.0.0.1:{free_port()}", ["triton"])
