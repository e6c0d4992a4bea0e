"""`imgen character`: puts characters in service and takes them out, while the server runs."""

import argparse
import asyncio
from pathlib import Path

import msgspec
from rich.table import Table

from cli.bars import stage_bars
from cli.console import console, print_json
from cli.errors import UserError, print_error
from cli.help import Commands, command
from cli.in_service import wait_until_taken_up
from contract.acs import DEPICTIONS
from embedded.characters.declaration import CharacterDeclaration
from embedded.characters.merge import can_compare
from embedded.characters.service import CharacterService
from frontend.catalogue.catalogue import RIGHTS_WORDS
from frontend.settings import load

DEPICTS_WORDS = "whom or what its pictures show; the reviewer protects children"


def add(commands: Commands) -> None:
    examples = (
        '  imgen character add nova --lora nova.safetensors --model eros --trigger "nova woman" '
        "--rights fictional --depicts adult\n"
        "  imgen character set nova --depicts adult\n"
        "  imgen character list\n"
        "  imgen character remove nova"
    )
    text = "Add, list, change and remove characters, without a restart"
    parser = command(commands, "character", text, examples, lambda _: _list(CharacterService.of(load())))
    verbs = parser.add_subparsers(metavar="VERB")
    _add_adder(verbs)
    remover = verbs.add_parser("remove", help="take a character out of service")
    remover.add_argument("name")
    remover.add_argument(
        "--purge",
        action="store_true",
        help="delete its weights too, also after it was removed; jobs still waiting for it then fail",
    )
    remover.set_defaults(run=_remove)
    setter = verbs.add_parser("set", help="record what a character depicts")
    setter.add_argument("name")
    setter.add_argument("--depicts", required=True, choices=DEPICTIONS, help=DEPICTS_WORDS)
    setter.set_defaults(run=_set)
    lister = verbs.add_parser("list", help="the characters, their rights and files")
    lister.add_argument("--json", action="store_true", help="one JSON object a line")
    lister.set_defaults(run=lambda given: _list(CharacterService.of(load()), as_json=given.json))


def _add_adder(verbs: Commands) -> None:
    adder = verbs.add_parser("add", help="merge a LoRA into a model and offer it as @NAME")
    adder.add_argument("name", help="what clients write after @: a-z, 0-9 and dashes")
    adder.add_argument(
        "--lora", type=Path, required=True, help="its .safetensors file, or the folder that it is in"
    )
    adder.add_argument("--model", action="append", required=True, help="the model that it was trained on")
    adder.add_argument("--trigger", required=True, help="the words that the LoRA was trained on")
    adder.add_argument("--rights", required=True, help=RIGHTS_WORDS)
    adder.add_argument("--depicts", required=True, choices=DEPICTIONS, help=DEPICTS_WORDS)
    adder.add_argument("--label", help="name to show (default: NAME with a capital)")
    adder.add_argument("--strength", type=float, default=1.0, help="how much of the LoRA to merge in")
    adder.add_argument(
        "--block",
        action="append",
        default=[],
        metavar="PATH=FACTOR",
        help="less or more of one block, such as unet.up_blocks.1=0.5; repeatable",
    )
    adder.add_argument(
        "--merge",
        action="store_true",
        help="make networks of its own, also where the model has a bank (any rank; gigabytes for SDXL)",
    )
    adder.add_argument("--positive", default="", help="terms for every picture of it")
    adder.add_argument("--negative", default="", help="terms that its pictures shall not show")
    adder.add_argument("--replace", action="store_true", help="put it in the place of one of this name")
    adder.set_defaults(run=_add)


def _add(given: argparse.Namespace) -> int:
    declaration = CharacterDeclaration(
        label=given.label or given.name.capitalize(),
        models=tuple(given.model),
        trigger=given.trigger,
        lora=given.lora.name,
        rights=given.rights,
        depicts=given.depicts,
        strength=given.strength,
        blocks=dict(map(_parse_block, given.block)),
        merged=given.merge,
        positive=given.positive,
        negative=given.negative,
    )
    settings, out = load(), console(stderr=True)
    compare = can_compare()
    with stage_bars(out) as tell:
        adding = CharacterService.of(settings).add(
            given.name, declaration, given.lora, replace=given.replace, compare=compare, tell=tell
        )
        notes = asyncio.run(adding)
    for note in notes:
        out.print(note)
    if compare:
        out.print("its pictures are torch's: the same noise, two prompts, two sizes, four steps")
    else:
        out.print(
            "not compared with torch, which is not installed here: look at a few of its pictures, or run "
            "`make install-export` and add it again with --replace"
        )
    match wait_until_taken_up(given.name, settings.data_dir, offered=True):
        case True:
            out.print(f"@{given.name} is in service")
        case None:
            out.print(f"@{given.name} is added; `imgen up` will offer it")
        case False:
            raise UserError(f"@{given.name} is added, but the server does not offer it yet; see frontend.log")
    return 0


def _parse_block(text: str) -> tuple[str, float]:
    path, _, factor = text.partition("=")
    try:
        return path, float(factor)
    except ValueError:
        raise UserError(f"--block {text}: expected PATH=FACTOR, such as unet.up_blocks.1=0.5") from None


def _remove(given: argparse.Namespace) -> int:
    settings = load()
    CharacterService.of(settings).remove(given.name, purge=given.purge)
    if wait_until_taken_up(given.name, settings.data_dir, offered=False) is False:
        raise UserError(f"@{given.name} is removed, but the server still offers it; see frontend.log")
    kept = "its weights are deleted" if given.purge else "its weights are kept (--purge deletes them)"
    console(stderr=True).print(f"@{given.name} is out of service; {kept}")
    return 0


def _set(given: argparse.Namespace) -> int:
    CharacterService.of(load()).record_depiction(given.name, given.depicts)
    console(stderr=True).print(f"@{given.name} depicts: {given.depicts}; a running server reads it at once")
    return 0


def _list(characters: CharacterService, as_json: bool = False) -> int:
    for line in characters.faults():
        print_error(line)
    rows = characters.rows()
    if as_json:
        print_json("\n".join(msgspec.json.encode(row).decode() for row in rows))
        return 0
    if not rows:
        raise UserError("there are no characters; see `imgen character add --help`")
    table = Table(
        *("character", "label", "models", "trigger", "rights", "depicts"),
        *("drawn with", "as torch draws it", "LoRA (SHA-256)"),
    )
    for row in rows:
        table.add_row(
            *(f"@{row.name}", row.label, ", ".join(row.models), row.trigger, row.rights),
            row.depicts or "not recorded",
            ", ".join(dict.fromkeys(row.kinds.values())),
            *("yes" if row.compared else "not compared", row.lora_sha256[:16]),
        )
    console().print(table)
    return 0
