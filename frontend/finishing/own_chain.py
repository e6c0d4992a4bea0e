"""Our own chain and key in the data folder, made once."""

import contextlib
import secrets
import shutil
from pathlib import Path

from frontend.common.atomic_write import atomic_write, sync_folder
from frontend.common.errors import SettingError
from frontend.finishing.authority import issue

FOLDER, CHAIN, KEY = "credentials", "chain.pem", "key.pem"


def own_chain(data_dir: Path) -> tuple[Path, Path]:
    """Files of the chain and of its key. Raises SettingError where they can neither be found nor made."""
    folder = data_dir / FOLDER
    if not folder.exists():
        _make(folder)
    return folder / CHAIN, folder / KEY


def _make(folder: Path) -> None:
    """Write both files beside and rename the folder: of two starts at once the first wins, whole."""
    chain, key = issue()
    beside = folder.with_name(f"{folder.name}.{secrets.token_hex(8)}.tmp")
    try:
        beside.mkdir(mode=0o700, parents=True)
        atomic_write(beside / CHAIN, chain, mode=0o644)
        atomic_write(beside / KEY, key, mode=0o600)
        with contextlib.suppress(FileExistsError):
            _rename(beside, folder)
    except OSError as error:
        raise SettingError(f"data_dir: cannot write {folder}: {error.strerror}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _rename(beside: Path, folder: Path) -> None:
    """Raises FileExistsError where the folder is already there with its files."""
    try:
        beside.rename(folder)
        sync_folder(folder.parent)
    except OSError:
        if (folder / KEY).exists():
            raise FileExistsError from None
        raise
