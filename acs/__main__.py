"""python -m acs --host 127.0.0.1 --port 9000 --fetch-allow http://127.0.0.1:8080/"""

import argparse
import logging
import os
import sys
from pathlib import Path

from aiohttp import web

from acs.app import ReviewerConfig, make_app
from acs.nudenet_detector import load_nudenet, nudenet_version
from acs.ruleset import FOLDER
from acs.strict_yaml import DataError

KEY_VARIABLE = "IMGEN_ACS_KEY"
STOP_S = 5.0  # for reviews that are under way


def main() -> None:
    options = _parser().parse_args()
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s")
    try:
        config = ReviewerConfig(
            rulesets=options.rulesets,
            fetch_allow=tuple(options.fetch_allow),
            key=os.environ.get(KEY_VARIABLE, ""),
            detector=nudenet_version(),
        )
        app = make_app(config, load_nudenet)
    except (DataError, ValueError, ImportError) as error:
        sys.exit(f"acs: {error}")
    where = {"path": options.socket} if options.socket else {"host": options.host, "port": options.port}
    web.run_app(app, **where, print=None, access_log=None, shutdown_timeout=STOP_S)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m acs",
        description=f"The reference ACS reviewer; {KEY_VARIABLE}, if set, is the bearer key of whoever asks",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    listen = parser.add_mutually_exclusive_group(required=True)
    listen.add_argument("--port", type=int, help="port to listen on")
    listen.add_argument("--socket", help="Unix socket to listen on, in place of address and port")
    parser.add_argument("--rulesets", type=Path, default=FOLDER, help="folder of *.yaml, one a ruleset")
    parser.add_argument(
        "--fetch-allow",
        metavar="URLPREFIX",
        nargs="+",
        action="extend",
        default=[],
        help="where pictures may be fetched from, as https://HOST[:PORT][/PATH]; none: nowhere",
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    return parser


if __name__ == "__main__":
    main()
