"""What `imgen generate` asks for. The API lets much pass in silence; whoever types is told instead."""

import argparse
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.client import ServerAccess, as_user_errors
from cli.errors import UserError
from cli.output_name import FORMATS
from contract.limits import MAX_PROMPT_CHARACTERS, MAX_SEED

if TYPE_CHECKING:
    from imgen_client import GenerateFields

MAX_COUNT = 100
MAX_PROMPTS = 10_000
MAX_FILE_BYTES = MAX_PROMPTS * MAX_PROMPT_CHARACTERS


@dataclass(frozen=True)
class ClientOrder:
    number: int  # from 1
    prompt: str
    fields: "GenerateFields"
    key: str  # of idempotency: it may be sent again when no answer came


def read_prompts(given: argparse.Namespace) -> list[str]:
    """Of the command, or one a line of a file or of stdin. Raises UserError."""
    if given.file is not None:
        return _prompts_of(given.file)
    if given.prompt == ["-"]:
        return _lines_of(sys.stdin.buffer.read(MAX_FILE_BYTES + 1), "stdin")
    if not given.prompt:
        raise UserError('say what to draw: imgen generate "a red car on the beach"')
    if len(given.prompt) > 1:
        raise UserError(f'put the prompt in quotes: imgen generate "{" ".join(given.prompt)}"')
    return [str(given.prompt[0])]


def _prompts_of(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            return _lines_of(opened.read(MAX_FILE_BYTES + 1), str(file))
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None


def _lines_of(data: bytes, name: str) -> list[str]:
    if len(data) > MAX_FILE_BYTES:
        raise UserError(f"{name} is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{name} is not UTF-8 text") from None
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise UserError(f"{name} has no prompts; expected one a line")
    if len(prompts) > MAX_PROMPTS:
        raise UserError(f"{name} has {len(prompts):,} prompts; at most {MAX_PROMPTS:,} are taken")
    return prompts


def build_fields(given: argparse.Namespace, format_of_name: str | None) -> dict[str, Any]:
    """The fields of `generate` beside prompt and seed. Raises UserError."""
    fields: dict[str, Any] = {"optimize": True} if given.optimize else {}
    fields |= {name: value for name in ("model", "style") if (value := getattr(given, name)) is not None}
    if given.format and format_of_name and given.format != format_of_name:
        raise UserError(f"--format {given.format}: the name given with -o says {format_of_name}")
    if format_of_name or given.format:
        fields["format"] = format_of_name or given.format
    if given.size is not None:
        fields |= dict(zip(("width", "height"), _parse_size(given.size), strict=True))
    if given.seed is not None and not -1 <= given.seed <= MAX_SEED:
        raise UserError(f"--seed {given.seed}: expected 0 to {MAX_SEED}, or -1 for a random one")
    return fields


def make_orders(
    prompts: Sequence[str],
    fields: Mapping[str, Any],
    count: int,
    seed: int | None,
    key_of: Callable[[Mapping[str, Any]], str] = lambda _: secrets.token_hex(16),
) -> Iterator[ClientOrder]:
    """`count` of each prompt; with a seed, each has the next one. `key_of` gets all that is asked."""
    fixed = seed is not None and seed >= 0
    for at, prompt in enumerate(prompts):
        for copy in range(count):
            own: Any = {**fields, **({"seed": ((seed or 0) + copy) % (MAX_SEED + 1)} if fixed else {})}
            yield ClientOrder(at * count + copy + 1, prompt, own, key_of({"prompt": prompt, **own}))


def check_names(server: ServerAccess, model: str | None, style: str | None) -> None:
    """Raises UserError where the server has no such model or style."""
    if model is None and style is None:
        return
    with as_user_errors(), server.open() as client:
        models = client.models().models
    if not models:
        raise UserError("the server has no model with weights at present; its /readyz says why")
    _check_known("--model", model, models, "`imgen model add CHECKPOINT --name NAME` adds one")
    styles = models[model or next(iter(models))].styles
    _check_known("--style", style, styles, "styles stand in the model's file in the catalogue")


def _check_known(option: str, name: str | None, names: Mapping[str, Any], how_to_add: str) -> None:
    if name is not None and name not in names:
        raise UserError(f"{option} {name}: expected one of {', '.join(names)}; {how_to_add}")


def _parse_size(text: str) -> tuple[int, int]:
    # Here, because numpy comes with it.
    from contract.sizes import SIZES

    sizes = {f"{width}x{height}": (width, height) for width, height in SIZES}
    if text.lower() not in sizes:
        raise UserError(f"--size {text}: expected one of {', '.join(sizes)}")
    return sizes[text.lower()]


def move_prompt_last(words: list[str]) -> list[str]:
    """`imgen generate -clouds` asks for no clouds: a word that only looks like an option goes to the end.

    Options have two dashes, or are -o, -n and -h alone, or an -oFILE whose ending is a picture's.
    """
    if words[:1] != ["generate"] or "--" in words:
        return words
    negatives = [word for word in words if _is_negative(word)]
    return [word for word in words if word not in negatives] + (["--", *negatives] if negatives else [])


def _is_negative(word: str) -> bool:
    if len(word) < 2 or word[0] != "-" or word[1] == "-" or word in ("-o", "-h", "-n") or word[1:].isdigit():
        return False
    return not word.startswith("-o") or not word.lower().endswith((*FORMATS, ".{ext}"))
