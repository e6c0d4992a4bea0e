"""Where `imgen generate` writes its pictures: `-o`, which may hold fields."""

import itertools
import re
import string
from dataclasses import dataclass
from pathlib import Path

from cli.errors import UserError
from contract.formats import BY_EXTENSION, JPEG

FORMATS = {f".{extension}": row.name for extension, row in BY_EXTENSION.items()} | {".jpeg": JPEG.name}
FIELDS = ("gen_id", "number", "seed", "ext")
MAX_NAME_CHARACTERS = 40


@dataclass(frozen=True)
class PictureFacts:
    """What a name may be made of."""

    gen_id: str
    number: int  # of the order, from 1
    seed: int
    prompt: str
    ext: str  # of the file that came, without a dot


@dataclass(frozen=True)
class OutputName:
    template: Path | None  # None: after prompt and seed, in the folder where one stands

    @classmethod
    def parse(cls, text: str | None, *, many: bool) -> "OutputName":
        """`many`: there will be more pictures than one. Raises UserError."""
        if text is None:
            return cls(None)
        template = Path(text)
        fields = _fields_of(text)
        if _fields_of(str(template.parent)):
            raise UserError(f"-o {text}: fields go into the name of the file, not of its folder")
        if template.suffix.lower() not in (*FORMATS, ".{ext}"):
            raise UserError(f"{text}: expected a name that ends in {', '.join(FORMATS)} or .{{ext}}")
        if many and not fields & {"gen_id", "number"}:
            raise UserError(f"-o {text}: all would have one name; put {{number}} or {{gen_id}} in it")
        try:
            template.parent.stat()
        except FileNotFoundError:  # more often a typing error than a wish
            raise UserError(f"cannot write {text}: no folder {template.parent}; make it first") from None
        except OSError as error:
            raise UserError(f"cannot write {text}: {error.strerror}") from None
        return cls(template)

    @property
    def format(self) -> str | None:
        """By its ending; None where that is left open."""
        return FORMATS.get(self.template.suffix.lower()) if self.template else None

    def of(self, picture: PictureFacts) -> Path:
        if self.template is None:
            return _free_name(picture)
        facts = {name: getattr(picture, name) for name in FIELDS}
        return self.template.with_name(self.template.name.format(**facts))


def _fields_of(text: str) -> set[str]:
    """Raises UserError."""
    try:
        found = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        found = {""}
    if wrong := found - set(FIELDS):
        named = ", ".join(f"{{{name}}}" for name in FIELDS)
        raise UserError(f"-o {text}: {{{min(wrong)}}} is no field; there are {named}, and {{{{ for a brace")
    return found


def _free_name(picture: PictureFacts) -> Path:
    """A name after prompt and seed that no file has yet."""
    words = re.sub(r"[\W_]+", "-", picture.prompt.lower()).strip("-")[:MAX_NAME_CHARACTERS].strip("-")
    stem = f"{words or 'picture'}-{picture.seed}"
    names = (
        Path(f"{stem}{f'-{number}' if number > 1 else ''}.{picture.ext}") for number in itertools.count(1)
    )
    return next(name for name in names if not name.exists())
