import hashlib
import logging
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from frontend.cache.index import snapshot
from frontend.cache.index.file_lock import lock_file
from frontend.cache.index.index import CacheIndex
from frontend.cache.index.limits import Limits
from frontend.cache.index.snapshot_files import FORMAT
from frontend.cache.index.snapshot_rows import HEADER, MAGIC, Damaged, decode
from tests.frontend.cache.index.items import ANIME, DIMENSION, PHOTO, content, item, items, names, vector

LIMITS = Limits(exact_below=40, tail=10)


def filled() -> CacheIndex:
    """Two partitions, one with a graph; dead rows; equal vectors."""
    index = CacheIndex(DIMENSION, LIMITS)
    index.add(items(range(120)) + items(range(200, 210), PHOTO) + [item(300 + n, seed=3) for n in range(20)])
    index.remove(["picture-3", "picture-50", "picture-201", "picture-305"])
    return index


def read(folder: Path) -> snapshot.Snapshot | None:
    return snapshot.read(folder, DIMENSION, LIMITS)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    index = filled()
    path = snapshot.write(tmp_path, index, b"\x00state")
    back = read(tmp_path)
    assert back is not None
    assert (back.path, back.state) == (path, b"\x00state")
    assert content(back.index) == content(index)
    for seed in range(50):
        assert [match.name for match in back.index.search(ANIME, vector(seed), 10)] == [
            match.name for match in index.search(ANIME, vector(seed), 10)
        ]


def test_life_goes_on_after_reading(tmp_path: Path) -> None:
    snapshot.write(tmp_path, filled(), b"")
    back = read(tmp_path)
    assert back is not None
    back.index.add([item(3), *items(range(400, 460)), item(500, seed=3)])
    assert back.index.search(ANIME, vector(3), 1)[0].name == "picture-500"
    gone = [f"picture-{number}" for number in range(100)]
    assert back.index.remove(gone) == 99
    assert not names(back.index) & set(gone)
    assert back.index.maintain() == 1
    assert not names(back.index) & set(gone)


def test_an_item_that_moves_while_a_snapshot_is_written_is_in_it_once(tmp_path: Path) -> None:
    index = CacheIndex(DIMENSION, LIMITS)
    index.add(items(range(5), ANIME) + items(range(10, 12), PHOTO))
    with index.still() as partitions:  # as the writer sees it: first one partition, then the other
        first = partitions[0].block(0, 5)
        index.add([item(0, PHOTO)])
        second = partitions[1].block(0, 3)
    restored = CacheIndex(DIMENSION, LIMITS)
    for block, partition in ((first, partitions[0]), (second, partitions[1])):
        fresh = type(partition)(partition.key, partition.number, DIMENSION, LIMITS)
        fresh.append_block(block)
        fresh.restore(None, 0)
        restored.state.places.fill([fresh])
    assert names(restored, PHOTO) == {"picture-0", "picture-10", "picture-11"}
    assert names(restored, ANIME) == {f"picture-{number}" for number in range(1, 5)}
    assert restored.remove(["picture-0"]) == 1
    assert "picture-0" not in names(restored, ANIME) | names(restored, PHOTO)


def test_smaller_limits_than_when_it_was_written_hold(tmp_path: Path) -> None:
    snapshot.write(tmp_path, filled(), b"")
    back = snapshot.read(tmp_path, DIMENSION, Limits(exact_below=40, capacity=30, partition_capacity=25))
    assert back is not None
    assert len(back.index) == 30
    assert max(part.items for part in back.index.statistics()) <= 25


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    written = [snapshot.write(tmp_path, filled(), str(number).encode()) for number in range(5)]
    assert sorted(tmp_path.glob("snapshot-*")) == written[-snapshot.KEPT :]
    back = read(tmp_path)
    assert back is not None and back.state == b"4"


def test_an_empty_folder_or_none_has_no_snapshot(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    assert read(tmp_path / "missing") is None


def test_an_empty_index_comes_back_empty(tmp_path: Path) -> None:
    snapshot.write(tmp_path, CacheIndex(DIMENSION, LIMITS), b"start")
    back = read(tmp_path)
    assert back is not None
    assert (len(back.index), back.state) == (0, b"start")


def test_of_several_processes_one_writes(tmp_path: Path) -> None:
    with lock_file(tmp_path / "writing.lock"):
        assert snapshot.write(tmp_path, filled(), b"") is None
    assert snapshot.write(tmp_path, filled(), b"") is not None


def test_nothing_is_removed_while_somebody_reads(tmp_path: Path) -> None:
    with lock_file(tmp_path / "reading.lock", shared=True):
        for _ in range(4):
            snapshot.write(tmp_path, filled(), b"")
        assert len(list(tmp_path.glob("snapshot-*"))) == 4
    snapshot.write(tmp_path, filled(), b"")
    assert len(list(tmp_path.glob("snapshot-*"))) == snapshot.KEPT


def test_rows_come_and_die_while_a_snapshot_is_written(tmp_path: Path) -> None:
    index, over = filled(), threading.Event()

    def write() -> None:
        while not over.is_set():
            snapshot.write(tmp_path, index, b"")

    thread = threading.Thread(target=write)
    thread.start()
    for number in range(1_000, 1_400):
        index.add([item(number)])
        index.remove([f"picture-{number - 20}"])
    over.set()
    thread.join()
    back = read(tmp_path)
    assert back is not None
    # The log is read again from where the snapshot began: nothing that was there before is lost.
    assert {f"picture-{number}" for number in range(100) if number not in (3, 50)} <= names(back.index)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = random.Random(path.name).randrange(len(data))
    data[place] ^= 1 << place % 8
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [cut, lengthen, flip, empty, Path.unlink])
@pytest.mark.parametrize("which", ["manifest", "*.rows", "*.graph"])
def test_a_damaged_snapshot_is_passed_over_and_removed(
    tmp_path: Path, harm: Callable[[Path], None], which: str, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot.write(tmp_path, filled(), b"good")
    newest = snapshot.write(tmp_path, filled(), b"bad")
    assert newest is not None
    harm(next(newest.glob(which)))
    with caplog.at_level(logging.WARNING):
        back, again = read(tmp_path), read(tmp_path)
    assert back is not None and back.state == b"good"
    assert again is not None and again.state == b"good"
    assert not newest.exists()
    assert len(caplog.records) == 1


def test_any_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = snapshot.write(tmp_path / "whole", filled(), b"state")
    assert path is not None
    picks = random.Random(5)
    files = sorted(path.iterdir())
    for turn in range(60):
        copy = tmp_path / f"copy-{turn}" / path.name
        shutil.copytree(path, copy)
        file = copy / files[turn % len(files)].name
        data = bytearray(file.read_bytes())
        data[picks.randrange(len(data))] ^= 1 << picks.randrange(8)
        file.write_bytes(data)
        back = read(copy.parent)
        # A bit of the version's name makes it another version's, which is left where it is.
        assert back is None


def test_snapshots_of_others_are_passed_over_and_left_alone(tmp_path: Path) -> None:
    snapshot.write(tmp_path, filled(), b"ours")
    theirs = tmp_path / "snapshot-000000000007"
    theirs.mkdir()
    (theirs / "manifest").write_bytes(b"imgen-cache-2 0\n{}")
    (tmp_path / "snapshot-of-something-else").mkdir()
    (tmp_path / "notes.txt").write_text("not ours")
    back = read(tmp_path)
    assert back is not None and back.state == b"ours"
    assert theirs.exists() and (tmp_path / "notes.txt").exists()
    assert snapshot.read(tmp_path, DIMENSION + 1, LIMITS) is None
    assert read(tmp_path) is not None


def test_a_file_in_the_place_of_a_snapshot_is_passed_over(tmp_path: Path) -> None:
    snapshot.write(tmp_path, filled(), b"ours")
    (tmp_path / "snapshot-000000000009").write_bytes(b"a file")
    back = read(tmp_path)
    assert back is not None and back.state == b"ours"


@pytest.mark.parametrize(
    "body",
    [
        b"not JSON",
        b'{"dimension":8}',
        b'{"dimension":8,"next_order":1,"state":"","parts":[{"key":["a"],"grafted":0,'
        b'"rows":{"name":"../../other","size":3,"sha256":"00"},"graph":null}]}',
    ],
)
def test_a_manifest_that_makes_no_sense_is_damage(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "other").write_bytes(b"abc")
    path = tmp_path / "folder" / "snapshot-000000000001"
    path.mkdir(parents=True)
    (path / "manifest").write_bytes(f"{FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body)
    assert read(path.parent) is None
    assert not path.exists()
    assert (tmp_path / "other").exists()


def test_a_header_that_asks_for_more_than_the_file_has_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(HEADER.pack(MAGIC, 1_000, 2**60, 2**60, 1_000) + bytes(100))
    with path.open("rb") as file, pytest.raises(Damaged, match="cut off"):
        list(decode(file, path.stat().st_size, DIMENSION))


def test_a_state_beyond_bounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="state"):
        snapshot.write(tmp_path, filled(), bytes(snapshot.STATE_MOST + 1))
