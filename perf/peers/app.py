"""A library's pipeline behind FastAPI, as people put it there: one picture at a time, answered as PNG.

In the environment of a peer: python -m perf.peers.app MODULE FOLDER PORT [OPTION]
MODULE.load(FOLDER, OPTION) gives what draws: a function of a PeerOrder's fields that makes a picture.
"""

import importlib
import io
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

Draw = Callable[[dict[str, Any]], Any]


def app_of(draw: Draw) -> FastAPI:
    app, lock = FastAPI(openapi_url=None), threading.Lock()

    @app.get("/healthz")
    def tell_health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/draw")
    def answer_draw(order: dict[str, Any]) -> Response:
        try:
            with lock:
                picture = draw(order)
        except Exception as error:
            return Response(f"{type(error).__name__}: {error}", status_code=500)
        data = io.BytesIO()
        picture.save(data, "PNG")
        return Response(data.getvalue(), media_type="image/png")

    return app


def main() -> None:
    module, folder, port, *option = sys.argv[1:]
    draw = importlib.import_module(module).load(Path(folder), *option)
    uvicorn.run(app_of(draw), host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
