"""`imgen down`: stops what `imgen up` started on this data folder."""

import argparse
import contextlib
import os
import signal
import time

from cli.errors import UserError
from cli.help import Commands, command
from cli.instance import Instance
from frontend.settings import load

TIMEOUT_S = 60.0


def add(commands: Commands) -> None:
    examples = "  imgen down\n  IMGEN_DATA_DIR=/srv/imgen imgen down"
    command(commands, "down", "Stop what `imgen up` started; accepted jobs are kept", examples, run)


def run(arguments: argparse.Namespace) -> int:
    instance = Instance(load().data_dir)
    pid = instance.holder()
    if pid is None:
        print(f"nothing runs on {instance.folder}")
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + TIMEOUT_S
    while instance.holder() is not None:
        if time.monotonic() > deadline:
            raise UserError(f"process {pid} has not stopped within {TIMEOUT_S:.0f} s; see {instance.logs}")
        time.sleep(0.1)
    print("stopped; accepted jobs are kept for the next `imgen up`")
    return 0
