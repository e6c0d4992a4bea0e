import os
import stat
from pathlib import Path

import pytest

from frontend.storage import LocalStorage, StorageError
from frontend.storage.local import KEEP_DAYS
from frontend.storage.signature import Signer
from tests.frontend.storage.keys import JPEG, KEY, stored


@pytest.fixture
def local(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "files", Signer(bytes(32)), "http://127.0.0.1:8080", 60)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_put_leaves_the_object_and_nothing_beside_it(local: LocalStorage, tmp_path: Path) -> None:
    await local.put(KEY, b"x", JPEG)
    assert files_in(tmp_path) == [f"files/{KEY}"]


async def test_link_is_below_the_public_url(local: LocalStorage) -> None:
    assert ((await local.url(stored(b"x"))).reveal()).startswith(
        f"http://127.0.0.1:8080/files/{KEY}?expires="
    )


async def test_full_or_closed_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("a file where the folder should be")
    blocked = LocalStorage(tmp_path / "files", Signer(bytes(32)), "http://127.0.0.1:8080", 60)
    with pytest.raises(StorageError, match="folder put"):
        await blocked.put(KEY, b"x", JPEG)
    assert not await blocked.ready()


async def test_failed_put_keeps_the_old_object(local: LocalStorage, tmp_path: Path) -> None:
    await local.put("a/b.jpg", b"old", JPEG)
    with pytest.raises(StorageError, match="folder put"):
        await local.put("a/b.jpg/c.jpg", b"new", JPEG)
    assert (tmp_path / "files" / "a" / "b.jpg").read_bytes() == b"old"
    assert files_in(tmp_path) == ["files/a/b.jpg"]


async def test_pictures_past_their_days_are_swept(local: LocalStorage, tmp_path: Path) -> None:
    await local.put("pictures/2026/01/01/old/1/x.jpg", b"old", JPEG)
    await local.put("pictures/2026/01/31/new/1/x.jpg", b"new", JPEG)
    old = tmp_path / "files/pictures/2026/01/01/old/1/x.jpg"
    new = tmp_path / "files/pictures/2026/01/31/new/1/x.jpg"
    half_written = tmp_path / "files/.writing/0123"
    half_written.write_bytes(b"half")
    now = new.stat().st_mtime
    for path in (old, half_written):
        os.utime(path, (now, now - KEEP_DAYS * 86_400 - 1))
    await local.sweep(now)
    assert files_in(tmp_path) == ["files/pictures/2026/01/31/new/1/x.jpg"]


async def test_stored_file_is_a_plain_file_that_cannot_be_run(local: LocalStorage, tmp_path: Path) -> None:
    await local.put(KEY, b"x", JPEG)
    mode = (tmp_path / "files" / KEY).stat().st_mode
    assert stat.S_ISREG(mode)
    assert not mode & 0o111
