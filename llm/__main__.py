"""`python -m llm`: joins the model file if need be, loads it, then serves until SIGTERM."""

import argparse
import contextlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web

from llm.server import build_app
from llm.weights import assemble_weights
from llm.writer import Writer

NICENESS = 5  # pictures and answers to clients come first


def main() -> None:
    parser = argparse.ArgumentParser(prog="llm", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    listen = parser.add_mutually_exclusive_group(required=True)
    listen.add_argument("--port", type=int)
    listen.add_argument("--socket", help="Unix socket to listen on, in place of address and port")
    parser.add_argument("--data-dir", type=Path, required=True, help="where the joined model file is kept")
    parser.add_argument("--threads", type=int, default=0, help="0: one for every two cores")
    parser.add_argument("--waiting", type=int, default=8, help="requests that may wait for their turn")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(NICENESS)
    # Threads wait for each other at every step: on busy cores, fewer are faster.
    threads = options.threads or max(1, len(os.sched_getaffinity(0)) // 2)
    with ThreadPoolExecutor(1, initializer=_stand_back) as loader:
        writer = loader.submit(lambda: Writer(assemble_weights(options.data_dir), threads)).result()
    web.run_app(
        build_app(writer, options.waiting),
        **({"path": options.socket} if options.socket else {"host": options.host, "port": options.port}),
        access_log=None,  # requests carry prompts
        handler_cancellation=True,  # a client that went away is waited for by nobody
        shutdown_timeout=2,
        print=None,
    )


def _stand_back() -> None:
    """Behind all else that starts at the same time, and the first picture. For this thread alone, because it
    cannot come forward again."""
    with contextlib.suppress(OSError):  # where a container forbids it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    main()
