"""`imgen generate`: pictures from the command line, through the API like any other client."""

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path

from rich.text import Text

from cli.client import ServerAccess
from cli.console import console, print_json
from cli.errors import UserError, print_error
from cli.help import Commands, command
from cli.order import MAX_COUNT, build_fields, check_names, make_orders, read_prompts
from cli.order_journal import OrderJournal
from cli.order_run import DrawnPicture, OrderRun, cancel_orders
from cli.output_name import FORMATS, OutputName
from frontend.common.printable import printable

INTERRUPTED = 130


def add(commands: Commands) -> None:
    examples = (
        '  imgen generate "a red car on the beach" -o picture.jpg\n'
        '  imgen generate "@mira waving, in a meadow" --style watercolour --size 768x1344 -o tall.avif\n'
        '  imgen generate "a lighthouse at night" --seed 7 --url https://imgen.example.com --key imgen_…\n'
        "  imgen generate \"a white cat\" --count 4 -o 'out/{gen_id}.{ext}'\n"
        "  imgen generate --file prompts.txt -o 'out/{number}.webp'     goes on where it was stopped\n"
        "  shuf -n 3 prompts.txt | imgen generate - --json"
    )
    parser = command(commands, "generate", "Make pictures and save them", examples, run)
    parser.add_argument(
        "prompt",
        nargs="*",
        help="raw prompt in quotes: @character, terms, -negatives; `-`: stdin, one a line",
    )
    parser.add_argument("--file", type=Path, help="of prompts, one a line; what is drawn is not drawn again")
    parser.add_argument(
        "-o", "--output", help="file to write: .jpg, .png, .webp or .avif; {gen_id}, {number}, {seed}, {ext}"
    )
    parser.add_argument("-n", "--count", type=int, default=1, help="pictures of each prompt (default 1)")
    parser.add_argument("--model")
    parser.add_argument("--style")
    parser.add_argument("--size", help="WIDTHxHEIGHT, one of the API's seven sizes (default 1344x768)")
    parser.add_argument("--format", choices=sorted(set(FORMATS.values())), help="where -o does not say it")
    parser.add_argument("--seed", type=int, help="the same seed and prompt give the same picture")
    parser.add_argument("--optimize", action="store_true", help="let the language model extend the prompt")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each picture")
    parser.add_argument("--url", help="server (default: IMGEN_URL, or the one that `imgen up` started here)")
    parser.add_argument("--key", help="API key (default: IMGEN_API_KEY, or the local server's)")


def run(arguments: argparse.Namespace) -> int:
    """1 where one of several could not be drawn."""
    if not 1 <= arguments.count <= MAX_COUNT:
        raise UserError(f"--count {arguments.count}: expected 1 to {MAX_COUNT}")
    if arguments.file is not None and arguments.prompt:
        raise UserError("give a prompt or --file, not both")
    prompts = read_prompts(arguments)
    output = OutputName.parse(arguments.output, many=len(prompts) * arguments.count > 1)
    fields = build_fields(arguments, output.format)
    server = ServerAccess.find(arguments.url, arguments.key)
    check_names(server, arguments.model, arguments.style)
    with _journal_of(arguments.file) as journal:
        how = (prompts, fields, arguments.count, arguments.seed)
        orders = list(make_orders(*how, *([journal.key_of] if journal else [])))
        left = [order for order in orders if not (journal and journal.is_saved(order.key))]
        if len(left) < len(orders):
            print(f"{len(orders) - len(left)} of {len(orders)} are drawn already", file=sys.stderr)
        drawing = OrderRun(server, left, output, journal)
        tell = _tell_json if arguments.json else _tell
        try:
            asyncio.run(drawing.draw(lambda drawn: tell(drawn, single=len(orders) == 1)))
        except KeyboardInterrupt:
            return _interrupted(drawing, arguments.file)
        if journal and not drawing.failed:
            journal.finish()
    if drawing.failed and arguments.file:
        print_error(f"{drawing.failed} of {len(orders)} could not be drawn; the same command tries them anew")
    return 1 if drawing.failed else 0


def _journal_of(file: Path | None) -> contextlib.AbstractContextManager[OrderJournal | None]:
    return OrderJournal.beside(file) if file else contextlib.nullcontext()


def _tell(drawn: DrawnPicture, *, single: bool) -> None:
    for note in drawn.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    if drawn.error:
        if single:
            raise drawn.error
        print_error(f"{drawn.order.prompt}: {drawn.error}")
    if drawn.file and drawn.meta:
        facts = f"  {drawn.meta.width}x{drawn.meta.height}  seed {drawn.meta.seed}  "
        line = Text.assemble((str(drawn.file), "bold"), facts, (drawn.meta.prompt, "dim"))
        console().print(line, soft_wrap=True)


def _tell_json(drawn: DrawnPicture, *, single: bool) -> None:
    import orjson

    told = {
        "number": drawn.order.number,
        "prompt": drawn.order.prompt,
        **({"notes": list(drawn.notes)} if drawn.notes else {}),
        **({"error": str(drawn.error)} if drawn.error else {}),
        **({"categories": list(drawn.categories)} if drawn.categories else {}),
        **({"file": str(drawn.file)} if drawn.file else {}),
        **({"meta": drawn.meta.answer} if drawn.meta else {}),
    }
    print_json(orjson.dumps(told).decode())


def _interrupted(drawing: OrderRun, file: Path | None) -> int:
    """What nobody waits for is cancelled, but not what the same command would come back for."""
    if file is not None:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    try:
        cancel_orders(drawing.server, drawing.under_way)
        print("cancelled", file=sys.stderr)
    except UserError as error:
        print(f"not cancelled: {printable(str(error))}", file=sys.stderr)
    return INTERRUPTED
