"""What `imgen up` says when it serves: lines to copy, each short enough for a narrow terminal."""

import os
import shlex
import sys
from pathlib import Path

from frontend.settings import Settings

PROMPT = "a red car on the beach"


def welcome(url: str, key: str, data_dir: Path) -> str:
    return f"""
  URL  {url}

  export KEY={key}
  api() {{ curl -s {url}/api/v2 -d "$1" \\
          -H "Authorization: Bearer $KEY"; }}
  ID=$(api '{{"action":"generate","prompt":"{PROMPT}"}}' |
       grep -o 'run_[a-z0-9]*')
  api '{{"action":"status","id":"'$ID'"}}'

  {_of_folder(data_dir)}{imgen_command()} generate "{PROMPT}" -o picture.jpg

Ready. Ctrl-C stops it.
"""


def imgen_command() -> str:
    """As it is to be typed in another terminal, in the folder where this one stands."""
    return shlex.quote(os.path.relpath(Path(sys.prefix) / "bin" / "imgen"))


def _of_folder(data_dir: Path) -> str:
    if data_dir.resolve() == Settings().data_dir.resolve():
        return ""
    return f"IMGEN_DATA_DIR={shlex.quote(str(data_dir.resolve()))} "
