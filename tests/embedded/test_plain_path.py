import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.part import PartError
from embedded.plain_path import plain, private_folder


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
