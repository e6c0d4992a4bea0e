"""One data folder's `imgen up`: who holds it, and where it serves."""

import fcntl
import os
import stat
from pathlib import Path

import msgspec

from cli.errors import UserError
from frontend.common.atomic_write import atomic_write
from frontend.keys.secret import new_secret


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """Written when everything serves; read by the other commands."""

    url: str
    key: str
    pid: int
    redis_url: str
    triton_url: str = ""  # of the Triton that was started here; "" for none


class Instance:
    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir.resolve()
        self.logs = self.folder / "logs"
        self._lock = self.folder / "up.lock"
        self._serving = self.folder / "up.json"
        self._key = self.folder / "key"

    def prepare(self) -> str:
        """What to tell the user, if there is something: other users of the machine could get in so far.

        Raises UserError, also where others may have put something there already.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            told = self._tighten()
            self.logs.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise self._unusable(error) from None
        return told

    def _tighten(self) -> str:
        found = self.folder.stat()
        mode = stat.S_IMODE(found.st_mode)
        if found.st_uid != os.getuid() or mode & stat.S_IWOTH:
            raise UserError(
                f"{self.folder} is not yours alone: other users may write there; "
                "name another folder in IMGEN_DATA_DIR"
            )
        if not mode & 0o077:
            return ""
        self.folder.chmod(0o700)
        return f"other users could look into {self.folder} (mode {mode:o}); now it is yours alone (mode 700)"

    def _unusable(self, error: OSError) -> UserError:
        return UserError(
            f"cannot use {self.folder} ({error.strerror}); name another folder in IMGEN_DATA_DIR"
        )

    def hold(self) -> int:
        """Locks the folder for this process; the lock ends with it, however it ends. Raises UserError."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise self._already_running() from None
        self._serving.unlink(missing_ok=True)
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        return descriptor

    def refuse_second(self) -> None:
        """Raises UserError where a process runs on this folder."""
        if self.holder() is not None:
            raise self._already_running()

    def _already_running(self) -> UserError:
        return UserError(f"already running on {self.folder} (stop it with `imgen down`)")

    def holder(self) -> int | None:
        """The process that runs on this folder, if one does. Raises UserError."""
        try:
            descriptor = os.open(self._lock, os.O_RDWR)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.read(descriptor, 20) or 0) or None
        else:
            return None
        finally:
            os.close(descriptor)

    def secret(self, *, fresh: bool = False) -> str:
        """The key that this folder's server prints at every start. Only this user can read it."""
        if fresh or not self._key.exists():
            atomic_write(self._key, new_secret().encode(), mode=0o600)
        return self._key.read_text()

    def announce(self, serving: Serving) -> None:
        atomic_write(self._serving, msgspec.json.encode(serving), mode=0o600)

    def withdraw(self) -> None:
        self._serving.unlink(missing_ok=True)

    def serving(self) -> Serving | None:
        try:
            return msgspec.json.decode(self._serving.read_bytes(), type=Serving)
        except (OSError, msgspec.MsgspecError):
            return None

    def running(self) -> Serving:
        """Raises UserError where nothing serves."""
        found = self.serving()
        if found is None or self.holder() is None:
            hint = "start it with `imgen up`, or set IMGEN_DATA_DIR to the folder that it runs on"
            raise UserError(f"nothing runs on {self.folder}; {hint}")
        return found
