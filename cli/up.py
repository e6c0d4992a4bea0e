"""`imgen up`: the whole system on this machine, under one supervisor."""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from cli.errors import UserError, print_error
from cli.help import Commands, command
from cli.instance import Instance
from cli.warnings_told import tell_warnings
from embedded.logs import open_log
from frontend.catalogue.catalogue import load
from frontend.net.public_url import only_local
from frontend.settings import Settings, catalogue_folders, given

START_S = 180.0


def add(commands: Commands) -> None:
    examples = (
        "  imgen up                             until Ctrl-C\n"
        "  imgen up --detach                    returns when it serves; prints one line of JSON\n"
        "  IMGEN_PORT=9000 IMGEN_DATA_DIR=/srv/imgen imgen up\n"
        "  IMGEN_TRITON_URLS=gpu1:8001 imgen up      with a Triton of your own"
    )
    parser = command(commands, "up", "Run the whole system on this machine", examples, run)
    parser.add_argument("--detach", action="store_true", help="run in the background")
    parser.add_argument("--quiet", action="store_true", help="print no URL and no key (they are in up.json)")
    parser.add_argument("--no-llm", action="store_true", help="without the packaged language model")
    parser.add_argument(
        "--triton-port",
        type=_port_number,
        metavar="PORT",
        help="Triton listens there on loopback, for perf_analyzer; every user of this machine may ask it",
    )


def _port_number(text: str) -> int:
    if not 0 < (port := int(text)) < 65536:
        raise argparse.ArgumentTypeError(f"expected 1 to 65535, got {text}")
    return port


def run(arguments: argparse.Namespace) -> int:
    values = given()
    settings = Settings(**values)
    if settings.triton_urls and arguments.triton_port:
        raise UserError("--triton-port: no Triton is started here, because IMGEN_TRITON_URLS is set")
    instance = Instance(settings.data_dir)
    if words := instance.prepare():
        print(f"imgen: {words}", file=sys.stderr, flush=True)
    instance.refuse_second()
    catalogue = load(*catalogue_folders(settings))
    # Here, because the other commands do not speak HTTP.
    from frontend.net.plain_text import plain_text_warnings

    for words in filter(None, (only_local(settings), *plain_text_warnings(settings), catalogue.warning)):
        print_error(words)
    for fault in catalogue.faults:
        print_error(f"left out: {fault.line}")
    # Here, because the other commands need none of what a system is made of.
    from embedded.part import UMASK
    from embedded.stores import check_stores

    os.umask(UMASK)
    asyncio.run(check_stores(settings))
    told = frozenset((catalogue.faults_in_short, catalogue.warning))
    if arguments.detach:
        return _detach(settings, instance, arguments, told)
    from cli.system import UpOptions, run_system

    settings = replace(settings, port=choose_port(settings))
    lock = instance.hold()
    try:
        options = UpOptions(
            llm=not arguments.no_llm,
            quiet=arguments.quiet,
            given=frozenset(values),
            told=told,
            triton_port=arguments.triton_port,
        )
        return asyncio.run(run_system(settings, instance, options))
    finally:
        instance.withdraw()
        os.close(lock)


def choose_port(settings: Settings) -> int:
    """A port that can be listened on. Raises UserError where the wanted one is taken."""
    port = settings.port
    try:
        for family, _, _, _, address in _addresses(settings.host):
            with socket.create_server((address[0], port, *address[2:]), family=family) as probe:
                port = probe.getsockname()[1]
    except OSError as error:
        where = f"{settings.host}:{port}"
        raise UserError(
            f"cannot listen on {where}: {error.strerror}; choose another IMGEN_HOST or IMGEN_PORT"
        ) from None
    return port


def _addresses(host: str) -> list[Any]:
    """All that the API server will listen on, as socket.getaddrinfo gives them."""
    return socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)


def _detach(
    settings: Settings, instance: Instance, arguments: argparse.Namespace, told: Collection[str]
) -> int:
    """Starts `imgen up` in a session of its own and waits until it serves."""
    options = ["--no-llm"] if arguments.no_llm else []
    if arguments.triton_port is not None:
        options.append(f"--triton-port={arguments.triton_port}")
    log = instance.logs / "up.log"
    with open_log(log, afresh=True) as output:
        process = subprocess.Popen(
            # --quiet: a key belongs in no log.
            [sys.executable, "-m", "cli.main", "up", "--quiet", *options],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_S
    while (serving := instance.serving()) is None or serving.pid != process.pid:
        if process.poll() is not None:
            lines = log.read_text(errors="replace").strip().splitlines() or ["it ended without a word"]
            raise UserError(lines[-1].removeprefix("imgen: "))
        if time.monotonic() > deadline:
            process.terminate()
            raise UserError(f"not serving within {START_S:.0f} s; see {log}")
        time.sleep(0.05)
    tell_warnings(settings, serving.url, told)
    print(orjson.dumps({"url": serving.url, "key": serving.key, "pid": serving.pid}).decode(), flush=True)
    return 0
