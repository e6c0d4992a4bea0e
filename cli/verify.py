"""`imgen verify`: whether a picture was made here."""

import argparse
from pathlib import Path
from typing import Any

import orjson
from rich.text import Text

from cli.client import ServerAccess, as_user_errors
from cli.console import console, print_json
from cli.errors import UserError
from cli.help import Commands, command

MAX_FILE_BYTES = 48 * 1024 * 1024  # the server's own limit comes sooner
HEADLINES = {
    "made_here": "[bold green]made here[/]",
    "mark_found": "[bold yellow]mark found[/]: that of a picture that was made here, but nothing shows that "
    "this is the same picture: no proof",
    "manifest_found": "[bold yellow]content credentials found[/]: those of a picture that was made here, "
    "but the file was changed since, and nothing shows that this is the same picture: no proof",
    "similar": "[bold yellow]similar to a picture that was made here[/]: no proof",
    "not_found": "[bold]not found[/]: no sign that it was made here",
}
PROOFS = {
    "manifest": "its content credentials, signed by this system",
    "file": "the very bytes of the file",
    "mark": "its invisible mark",
    "fingerprint": "its fingerprint, which is never proof",
}


def add(commands: Commands) -> None:
    examples = (
        "  imgen verify picture.jpg\n"
        "  imgen verify screenshot.png --json\n"
        "  imgen verify picture.jpg --url https://imgen.example.com   (a key is not needed; it tells more)"
    )
    parser = command(commands, "verify", "Tell whether a picture was made here", examples, run)
    parser.add_argument("file", type=Path, help="JPEG, PNG, WebP, AVIF or GIF")
    parser.add_argument("--json", action="store_true", help="print the server's answer as it is")
    parser.add_argument("--url", help="server (default: IMGEN_URL, or the one that `imgen up` started here)")
    parser.add_argument("--key", help="API key (default: IMGEN_API_KEY, or the local server's)")


def run(arguments: argparse.Namespace) -> int:
    """0 if it was made here, 1 if not: for scripts."""
    picture = _read(arguments.file)
    server = ServerAccess.find(arguments.url, arguments.key, needs_key=False)
    with as_user_errors(), server.open() as client:
        answer = dict(client.verify(picture).answer)
    if arguments.json:
        print_json(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(answer, arguments.file)
    return 0 if answer.get("result") == "made_here" else 1


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise UserError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB")
    return data


def _show(answer: dict[str, Any], path: Path) -> None:
    out, headline = console(), HEADLINES.get(str(answer.get("result")), "no answer")
    out.print(Text(f"{path}  ") + Text.from_markup(headline), soft_wrap=True)
    for name, value in describe_answer(answer):
        out.print(f"  {name:<12} {value}", soft_wrap=True)


def describe_answer(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What is there to tell, in the order in which people ask."""
    picture, manifest = answer.get("picture") or {}, answer.get("manifest") or {}
    evidence = answer.get("evidence") or {}
    invisible_mark, near = evidence.get("mark") or {}, evidence.get("fingerprint") or {}
    facts = [
        ("shown by", PROOFS.get(str(answer.get("proof")))),
        ("when", answer.get("time")),
        ("system", answer.get("system")),
        ("job", picture.get("id")),
        ("model", picture.get("model")),
        ("character", picture.get("character")),
        ("credentials", _describe_credentials(manifest)),
        ("mark", _describe_invisible_mark(invisible_mark, proven=answer.get("result") == "made_here")),
        ("fingerprint", f"{near['distance']} of 256 bits differ" if near.get("distance") is not None else ""),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _describe_credentials(manifest: dict[str, Any]) -> str:
    if not manifest:
        return ""
    by = " by ".join(filter(None, (str(manifest.get("generator", "")), str(manifest.get("issuer", "")))))
    detail = manifest.get("detail")
    return f"{manifest.get('state')}, of {manifest.get('made_by')} ({by}){f'. {detail}' if detail else ''}"


def _describe_invisible_mark(found: dict[str, Any], *, proven: bool) -> str:
    if not found:
        return ""
    wrong = found.get("wrong_bits")
    # None where another proof came first: the registry was not asked for the mark then.
    bits = (
        ("there" if proven else "of no registered picture") if wrong is None else f"{wrong} of 64 bits wrong"
    )
    agreed = found.get("agreement")
    content = f", content agrees to {agreed}" if agreed is not None else ""
    return f"{bits}, score {found.get('score')}{', mirrored' if found.get('mirrored') else ''}{content}"
