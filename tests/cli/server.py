"""A small API server in a thread, whose answers are a function of the request."""

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

Answer = tuple[int, dict[str, Any]]
DEAD = None  # the connection ends without an answer
PICTURE = b"picture"
MODELS: Answer = (
    200,
    {"characters": ["aya"], "models": {"eros": {"styles": {"neon": {}, "outline": {}}}}},
)


def completed(url: str) -> Answer:
    return 200, {"status": "COMPLETED", "meta": meta_of("A red car, on the beach", f"{url}/picture")}


def meta_of(prompt: str, link: str, number: int = 1) -> dict[str, Any]:
    image = {"url": link, "filename": f"gen{number}_00001.webp", "type": "signed"}
    size = {"width": 1344, "height": 768}
    return {
        "id": f"run_{number}",
        "gen_id": f"gen{number}",
        "prompt": prompt,
        **size,
        "seed": 7,
        "images": [image],
    }


@contextlib.contextmanager
def serving(answer: Callable[[dict[str, Any], str], Answer | None]) -> Iterator[str]:
    """Yields its URL. `answer` gets the body and that URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if (answered := answer(body, url)) is not DEAD:
                self._send(answered[0], json.dumps(answered[1]).encode())

        def do_GET(self) -> None:
            self._send(200, PICTURE)

        def _send(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
