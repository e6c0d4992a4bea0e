import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.part import PartError
from embedded.plain_path import MAX_SOCKET_PATH_BYTES, plain, private_folder, socket_path
from frontend.settings import ROOT


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """The private folder of `tmp_path`, which lies elsewhere."""
    folder = private_folder(tmp_path)
    yield folder
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def test_plain_path_stays_as_it_is(tmp_path: Path) -> None:
    assert plain(Path("/srv/imgen-1.0/models"), tmp_path) == Path("/srv/imgen-1.0/models")


@pytest.mark.parametrize("name", ["a b", "a;b", "$(a)", "a:b", "a'b", 'a"b', "a\nb", "ä", "a*"])
def test_other_path_gets_a_link_that_is_plain(tmp_path: Path, private: Path, name: str) -> None:
    path = tmp_path / name
    link = plain(path, tmp_path)
    assert link.parent == private and link.readlink() == path
    assert plain(path, tmp_path) == link
    assert plain(tmp_path / "another one", tmp_path) != link


def test_private_folder_that_others_can_open_is_refused(tmp_path: Path, private: Path) -> None:
    private.chmod(0o755)
    with pytest.raises(PartError, match="belongs to somebody else"):
        private_folder(tmp_path)


def test_link_in_place_of_the_private_folder_is_refused(tmp_path: Path, private: Path) -> None:
    private.rmdir()
    private.symlink_to(tmp_path)
    with pytest.raises(PartError, match="belongs to somebody else"):
        private_folder(tmp_path)


@pytest.mark.parametrize("name", ["data", "d" * 120, "a b", "a?b"])
def test_socket_lies_in_a_folder_for_this_user_alone_whatever_the_data_folder(
    tmp_path: Path, name: str
) -> None:
    data_dir = tmp_path / name
    socket = socket_path(data_dir, "a.sock")
    assert socket == socket_path(data_dir, "a.sock") != socket_path(tmp_path / "other", "a.sock")
    assert len(str(socket)) <= MAX_SOCKET_PATH_BYTES and not set(" ?") & set(str(socket))
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_folder_of_sockets_that_others_could_enter_is_closed(tmp_path: Path) -> None:
    folder = socket_path(tmp_path, "a.sock").parent
    folder.chmod(0o777)
    assert stat.S_IMODE(socket_path(tmp_path, "a.sock").parent.stat().st_mode) == 0o700


def test_no_place_for_a_socket_is_told(tmp_path: Path) -> None:
    long = tmp_path / ("t" * 100)
    long.mkdir()
    code = "import sys; from pathlib import Path; from embedded.plain_path import socket_path; "
    code += "socket_path(Path(sys.argv[1]), 'a.sock')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(long)],
        env={**os.environ, "TMPDIR": str(long), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "for a Unix socket: name another TMPDIR" in done.stderr.splitlines()[-1]
