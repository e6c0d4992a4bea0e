"""`imgen catalogue tiles`: draws the small pictures by which styles and characters are chosen on the page."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.client import RETRY_S, ServerAccess, as_user_errors
from cli.console import console
from cli.errors import UserError, print_error
from cli.help import Commands, command
from frontend.catalogue.catalogue import Catalogue, load
from frontend.catalogue.tiles import KINDS, MAX_TILE_BYTES, Kind, names_of, tile_path
from frontend.common.atomic_write import atomic_write
from frontend.settings import catalogue_folders
from frontend.settings import load as load_settings

if TYPE_CHECKING:
    from imgen_client import Client, GenerateFields

QUALITY = 70  # a thumbnail of the default size, credentials and all, in about 12 KB
SEED = 7
SEEDS = 4  # that are tried, one after the other: the reviewer may block a picture of the best prompt
STYLE_PROMPT = "a red car on the beach"
CHARACTER_PROMPT = "waving, in a meadow"


@dataclass(frozen=True)
class WantedTile:
    model: str
    kind: Kind
    name: str
    file: Path


def add(commands: Commands) -> None:
    examples = (
        "  imgen catalogue tiles                draws those that there are none of yet\n"
        "  imgen catalogue tiles --again        draws all anew\n"
        '  imgen catalogue tiles --style-prompt "a teapot on a table" --seed 11'
    )
    text = "Pictures for the page to choose styles and characters by"
    parser = command(commands, "catalogue", text, examples, run)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    tiles = verbs.add_parser("tiles", help="draw them through the API, each reviewed as any picture is")
    tiles.add_argument("--again", action="store_true", help="also those that are there")
    default = "(default: %(default)s)"
    tiles.add_argument("--style-prompt", default=STYLE_PROMPT, help=f"drawn in each style {default}")
    tiles.add_argument("--character-prompt", default=CHARACTER_PROMPT, help=f"after each @name {default}")
    tiles.add_argument("--seed", type=int, default=SEED, help=f"of all of them {default}")
    tiles.add_argument(
        "--output", type=Path, help="folder of a catalogue (default: the one in the data folder)"
    )
    tiles.add_argument("--url", help="server (default: IMGEN_URL, or the one that `imgen up` started here)")
    tiles.add_argument("--key", help="API key (default: IMGEN_API_KEY, or the local server's)")
    tiles.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """1 where one could not be drawn."""
    settings = load_settings()
    folders = catalogue_folders(settings)
    catalogue = load(*folders)
    output = arguments.output or folders[-1]
    places = [output] if arguments.again else [output, *folders]
    todo = [each for each in every_tile(catalogue, output) if arguments.again or not _is_there(each, places)]
    out, failed = console(stderr=True), 0
    server = ServerAccess.find(arguments.url, arguments.key)
    with server.open(RETRY_S) as client:
        for number, tile in enumerate(todo, 1):
            try:
                atomic_write(tile.file, _draw(client, tile, arguments, arguments.seed))
                out.print(f"{number} of {len(todo)}: {tile.file}", soft_wrap=True)
            except UserError as error:
                print_error(f"{tile.model} {tile.name}: {error}")
                failed += 1
    if not todo:
        out.print("there is one of every style and character")
    return 1 if failed else 0


def every_tile(catalogue: Catalogue, folder: Path) -> Iterator[WantedTile]:
    for model in catalogue.models:
        for kind in KINDS:
            for name in names_of(catalogue, model, kind):
                yield WantedTile(model, kind, name, tile_path(folder, model, kind, name))


def _is_there(tile: WantedTile, folders: list[Path]) -> bool:
    return any(tile_path(folder, tile.model, tile.kind, tile.name).exists() for folder in folders)


def _draw(client: "Client", tile: WantedTile, arguments: argparse.Namespace, seed: int) -> bytes:
    """The thumbnail as the API hands it out, credentials and all. Raises UserError."""
    from imgen_client import Blocked

    fields: GenerateFields = {"model": tile.model, "format": "webp", "quality": QUALITY, "seed": seed}
    prompt = f"@{tile.name} {arguments.character_prompt}"
    if tile.kind == "styles":
        fields["style"], prompt = tile.name, arguments.style_prompt
    with as_user_errors():
        try:
            data = client.download(client.generate(prompt, **fields).wait().thumbnail_url)
        except Blocked:
            if seed + 1 == arguments.seed + SEEDS:
                raise
            return _draw(client, tile, arguments, seed + 1)
    if len(data) > MAX_TILE_BYTES:
        raise UserError(f"the thumbnail has {len(data)} bytes, {MAX_TILE_BYTES} at most may be shown")
    return data
