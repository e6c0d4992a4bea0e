import os
import resource
import stat
from pathlib import Path

import pytest

from frontend.common.probe import NotReady
from frontend.storage import LocalStorage, StorageError
from frontend.storage.local import KEEP_DAYS
from frontend.storage.signature import Signer
from tests.frontend.storage.keys import JPEG, KEY, stored
from tests.small_disk import small_disk


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
    with pytest.raises(NotReady, match=r"^IMGEN_DATA_DIR: no picture can be stored there: "):
        await blocked.check()


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


async def fault_of(storage: LocalStorage) -> str:
    with pytest.raises(NotReady) as caught:
        await storage.check()
    return str(caught.value)


async def test_full_disk_is_not_ready_until_there_is_room_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=16) as disk:
        storage = LocalStorage(disk.folder / "files", Signer(bytes(32)), "http://127.0.0.1:8080", 60)
        await storage.check()
        assert files_in(disk.folder) == []
        disk.fill()
        assert (await fault_of(storage)).endswith("No space left on device")
        disk.free()
        await storage.check()


async def test_disk_with_room_for_no_picture_is_not_ready(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=2) as disk:
        storage = LocalStorage(disk.folder / "files", Signer(bytes(32)), "http://127.0.0.1:8080", 60)
        assert (await fault_of(storage)).endswith("No space left on device")


async def test_folder_that_became_read_only_is_not_ready(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=16) as disk:
        storage = LocalStorage(disk.folder / "files", Signer(bytes(32)), "http://127.0.0.1:8080", 60)
        await storage.check()
        disk.remount("ro")
        assert (await fault_of(storage)).endswith("Read-only file system")
        disk.remount("rw")
        await storage.check()


async def test_limit_of_file_sizes_is_told(local: LocalStorage) -> None:
    """As of a quota, and without rights to mount anything."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        assert await fault_of(local) == "IMGEN_DATA_DIR: no picture can be stored there: File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await local.check()


async def test_folder_on_another_disk_behind_a_link_takes_pictures(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=16) as disk:
        (tmp_path / "files").symlink_to(disk.folder)
        storage = LocalStorage(tmp_path / "files", Signer(bytes(32)), "http://127.0.0.1:8080", 60)
        await storage.check()
        await storage.put(KEY, b"x", JPEG)
        assert await storage.exists(KEY)
