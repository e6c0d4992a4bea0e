"""`imgen generate`: one picture from the command line, through the API like any other client."""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.client import Client
from cli.errors import UserError
from cli.help import Commands, command

POLL_S = 0.4
FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp", ".avif": "avif"}


def add(commands: Commands) -> None:
    examples = (
        '  imgen generate "@aya reading a book under a tree, warm lighting, -rain" -o picture.jpg\n'
        '  imgen generate "a lighthouse at night" --style neon --size 768x1344 -o tall.avif\n'
        '  imgen generate "a red car on a beach" --seed 7 --url https://imgen.example.com --key imgen_…'
    )
    parser = command(commands, "generate", "Make one picture and save it", examples, run)
    parser.add_argument("prompt", help="raw prompt: @character, terms, -negatives")
    parser.add_argument("-o", "--output", type=Path, help="file to write: .jpg, .png, .webp or .avif")
    parser.add_argument("--model")
    parser.add_argument("--style")
    parser.add_argument("--size", help="WIDTHxHEIGHT, one of the API's seven sizes (default 1344x768)")
    parser.add_argument("--seed", type=int, help="the same seed and prompt give the same picture")
    parser.add_argument("--optimize", action="store_true", help="let the language model extend the prompt")
    parser.add_argument("--url", help="server (default: the one that `imgen up` started here)")
    parser.add_argument("--key", help="API key (default: IMGEN_API_KEY, or the local server's)")


def run(arguments: argparse.Namespace) -> int:
    client = Client.find(arguments.url, arguments.key or os.environ.get("IMGEN_API_KEY"))
    job = client.call(order(arguments))
    meta = await_picture(client, job["id"])
    output = arguments.output or Path(meta["images"][0]["filename"])
    _save(client.download(meta["images"][0]["url"]), output)
    name, prompt = escape(str(output)), escape(meta["prompt"])
    Console().print(
        f"[bold]{name}[/]  {meta['width']}x{meta['height']}  seed {meta['seed']}  [dim]{prompt}[/]"
    )
    return 0


def order(arguments: argparse.Namespace) -> dict[str, Any]:
    body: dict[str, Any] = {"action": "generate", "prompt": arguments.prompt, "optimize": arguments.optimize}
    body |= {
        name: value for name in ("model", "style", "seed") if (value := getattr(arguments, name)) is not None
    }
    if arguments.output is not None:
        if arguments.output.suffix.lower() not in FORMATS:
            raise UserError(f"{arguments.output}: expected a name that ends in {', '.join(FORMATS)}")
        body["format"] = FORMATS[arguments.output.suffix.lower()]
    if arguments.size is not None:
        width, _, height = arguments.size.lower().partition("x")
        if not (width.isdigit() and height.isdigit()):
            raise UserError(f"--size {arguments.size}: expected WIDTHxHEIGHT, such as 1024x1024")
        body |= {"width": int(width), "height": int(height)}
    return body


def await_picture(client: Client, job_id: str) -> dict[str, Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("waiting", total=1.0)
        while True:
            state = client.call({"action": "status", "id": job_id})
            if state["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
                break
            progress = state.get("progress", 0.0)
            doing = "waiting" if state["status"] == "IN_QUEUE" else "drawing" if progress < 1 else "finishing"
            bar.update(task, completed=progress, description=doing)
            time.sleep(POLL_S)
    if state["status"] != "COMPLETED" or state.get("compliance") == "unsafe":
        raise UserError(state.get("error", f"job {job_id} is {state['status']}"))
    meta: dict[str, Any] = state["meta"]
    return meta


def _save(data: bytes, output: Path) -> None:
    beside = output.with_name(output.name + ".tmp")
    try:
        beside.write_bytes(data)
        beside.rename(output)
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}") from None
