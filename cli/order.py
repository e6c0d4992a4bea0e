"""What `imgen generate` asks for. The API lets much pass in silence; whoever types is told instead."""

import argparse
import secrets
from collections.abc import Mapping
from typing import Any

from cli.client import Client
from cli.errors import UserError
from contract.formats import BY_EXTENSION, JPEG

FORMATS = {f".{extension}": row.name for extension, row in BY_EXTENSION.items()} | {".jpeg": JPEG.name}


def build_body(given: argparse.Namespace) -> dict[str, Any]:
    """The body of `generate`. Raises UserError."""
    body: dict[str, Any] = {
        "action": "generate",
        "prompt": _check_prompt(given.prompt),
        "optimize": given.optimize,
        "idempotency_key": secrets.token_hex(16),  # so that it may be sent again when no answer came
    }
    body |= {
        name: value for name in ("model", "style", "seed") if (value := getattr(given, name)) is not None
    }
    if given.output is not None:
        if given.output.suffix.lower() not in FORMATS:
            raise UserError(f"{given.output}: expected a name that ends in {', '.join(FORMATS)}")
        body["format"] = FORMATS[given.output.suffix.lower()]
    if given.size is not None:
        body |= dict(zip(("width", "height"), _parse_size(given.size), strict=True))
    return body


def check_names(client: Client, given: argparse.Namespace) -> None:
    """Raises UserError where the server has no such model or style."""
    if given.model is None and given.style is None:
        return
    models: Mapping[str, Any] = client.call({"action": "models"})["models"]
    if not models:
        raise UserError("the server has no model with weights at present; its /readyz says why")
    _check_known("--model", given.model, models, "`imgen export CHECKPOINT --name NAME` adds a model")
    model = models[given.model or next(iter(models))]
    _check_known("--style", given.style, model["styles"], "styles stand in the model's file in the catalogue")


def _check_known(option: str, name: str | None, names: Mapping[str, Any], how_to_add: str) -> None:
    if name is not None and name not in names:
        raise UserError(f"{option} {name}: expected one of {', '.join(names)}; {how_to_add}")


def _check_prompt(words: list[str]) -> str:
    if len(words) > 1:
        raise UserError(f'put the prompt in quotes: imgen generate "{" ".join(words)}"')
    return words[0]


def _parse_size(text: str) -> tuple[int, int]:
    # Here, because numpy comes with it.
    from contract.sizes import SIZES

    sizes = {f"{width}x{height}": (width, height) for width, height in SIZES}
    if text.lower() not in sizes:
        raise UserError(f"--size {text}: expected one of {', '.join(sizes)}")
    return sizes[text.lower()]


def move_prompt_last(words: list[str]) -> list[str]:
    """`imgen generate -clouds` asks for no clouds: a word that only looks like an option goes to the end.

    Options have two dashes, or are -o and -h alone, or an -oFILE whose ending is a picture's.
    """
    if words[:1] != ["generate"] or "--" in words:
        return words
    negatives = [word for word in words if _is_negative(word)]
    return [word for word in words if word not in negatives] + (["--", *negatives] if negatives else [])


def _is_negative(word: str) -> bool:
    if len(word) < 2 or word[0] != "-" or word[1] == "-" or word in ("-o", "-h") or word[1:].isdigit():
        return False
    return not word.startswith("-o") or not word.lower().endswith(tuple(FORMATS))
