"""`imgen generate`: one picture from the command line, through the API like any other client."""

import argparse
import itertools
import os
import re
import sys
from pathlib import Path
from typing import Any

from rich.text import Text

from cli.client import Client, ServerRefusal, ServerUnreachable, retry_while_away
from cli.console import console
from cli.errors import UserError
from cli.help import Commands, command
from cli.order import build_body, check_names
from cli.waiting import await_picture
from embedded.characters.service import ADD_WORDS
from frontend.common.atomic_write import atomic_write
from frontend.common.printable import printable

CANCELLED = 130
MAX_NAME_CHARACTERS = 40


def add(commands: Commands) -> None:
    examples = (
        '  imgen generate "a red car on the beach" -o picture.jpg\n'
        '  imgen generate "@mira waving, in a meadow" --style watercolour --size 768x1344 -o tall.avif\n'
        '  imgen generate "a lighthouse at night" --seed 7 --url https://imgen.example.com --key imgen_…'
    )
    parser = command(commands, "generate", "Make one picture and save it", examples, run)
    parser.add_argument("prompt", nargs="+", help="raw prompt in quotes: @character, terms, -negatives")
    parser.add_argument("-o", "--output", type=Path, help="file to write: .jpg, .png, .webp or .avif")
    parser.add_argument("--model")
    parser.add_argument("--style")
    parser.add_argument("--size", help="WIDTHxHEIGHT, one of the API's seven sizes (default 1344x768)")
    parser.add_argument("--seed", type=int, help="the same seed and prompt give the same picture")
    parser.add_argument("--optimize", action="store_true", help="let the language model extend the prompt")
    parser.add_argument("--url", help="server (default: the one that `imgen up` started here)")
    parser.add_argument("--key", help="API key (default: IMGEN_API_KEY, or the local server's)")


def run(arguments: argparse.Namespace) -> int:
    body = build_body(arguments)
    client = Client.find(arguments.url, arguments.key or os.environ.get("IMGEN_API_KEY"))
    check_names(client, arguments)
    try:
        meta = await_picture(client, submit(client, body))
    except KeyboardInterrupt:
        return _cancel(client, body)
    image = meta["images"][0]
    data = retry_while_away(lambda: client.download(image["url"]))
    output = arguments.output or choose_file_name(
        meta["prompt"], meta["seed"], Path(image["filename"]).suffix
    )
    _save(data, output)
    facts = f"  {meta['width']}x{meta['height']}  seed {meta['seed']}  "
    line = Text.assemble((str(output), "bold"), facts, (meta["prompt"], "dim"))
    console().print(line, soft_wrap=True)
    return 0


def submit(client: Client, body: dict[str, Any]) -> str:
    """The job's id. Sent again where no answer came: by its idempotency key it is one job.

    Raises UserError.
    """
    try:
        answer = client.call(body)
    except ServerRefusal as error:
        if str(error).startswith("Invalid character: "):
            raise UserError(f"{error}; {ADD_WORDS}") from None
        raise
    except ServerUnreachable as error:
        if error.refused and not client.supervised:
            raise
        answer = retry_while_away(lambda: client.call(body))
    for note in answer.get("notes", ()):
        print(f"note: {printable(str(note))}", file=sys.stderr)
    return str(answer["id"])


def choose_file_name(prompt: str, seed: int, suffix: str) -> Path:
    """A name after prompt and seed that no file has yet."""
    words = re.sub(r"[\W_]+", "-", prompt.lower()).strip("-")[:MAX_NAME_CHARACTERS].strip("-")
    stem = f"{words or 'picture'}-{seed}"
    names = (Path(f"{stem}{f'-{number}' if number > 1 else ''}{suffix}") for number in itertools.count(1))
    return next(name for name in names if not name.exists())


def _cancel(client: Client, body: dict[str, Any]) -> int:
    """Asks for the job's id again, by the same idempotency key: the interrupt may have come before it."""
    try:
        job_id = client.call(body)["id"]
        client.call({"action": "cancel", "id": job_id})
        print("cancelled", file=sys.stderr)
    except UserError as error:
        print(f"not cancelled: {printable(str(error))}", file=sys.stderr)
    return CANCELLED


def _save(data: bytes, output: Path) -> None:
    try:
        output.parent.stat()  # a folder that is not there is a typing error
        atomic_write(output, data)
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}") from None
