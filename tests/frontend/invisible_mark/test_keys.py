import re
from pathlib import Path

import pytest

from frontend.common.errors import SettingError
from frontend.invisible_mark.keys import MAX_VERSIONS, load_keys, parse

KEY, OTHER = "ab" * 32, "CD" * 32


def named(path: Path) -> tuple[Path, Path]:
    return path, path.parent / "data"


def test_first_start_makes_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    keys = load_keys(Path(), tmp_path / "new")
    path = tmp_path / "new" / "mark.key"
    assert re.fullmatch(r"1 [0-9a-f]{64}\n", path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["mark.key"]
    assert keys.writing.version == 1


def test_second_start_has_the_same_key(tmp_path: Path) -> None:
    first, second = (load_keys(Path(), tmp_path) for _ in range(2))
    assert first.fingerprints == second.fingerprints


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    one, other = (load_keys(Path(), tmp_path / name) for name in ("one", "other"))
    assert one.fingerprints != other.fingerprints
    assert (one.writing.tile(5) != other.writing.tile(5)).any()


def test_highest_version_writes_and_all_are_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"2 {KEY}\n\n10\t{OTHER}\n1 {OTHER}\n")
    keys = load_keys(*named(path))
    assert keys.writing.version == 10
    assert [codes.version for codes in keys.reading] == [10, 2, 1]
    assert not (tmp_path / "data").exists()


def test_key_that_is_named_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^mark_key: cannot read .*keys: No such file or directory$"):
        load_keys(*named(tmp_path / "keys"))
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match=r"^data_dir: cannot write .*mark.key: "):
        load_keys(Path(), tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds 0 keys"),
        ("\n \n", "holds 0 keys"),
        (KEY, "line 1: expected VERSION and 64 hex digits"),
        (f"0 {KEY}", "line 1"),
        (f"-1 {KEY}", "line 1"),
        (f"1 {KEY[:-2]}", "line 1"),
        (f"1 {KEY}\n2 {KEY}0", "line 2"),
        (f"1 {KEY} more", "line 1"),
        (f"1 {KEY}\n1 {OTHER}", "line 2: version 1 is there twice"),
        ("".join(f"{version} {KEY}\n" for version in range(1, MAX_VERSIONS + 2)), "holds 17 keys"),
    ],
)
def test_file_that_holds_no_keys_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse(text, Path("keys"))
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY[:32] not in str(caught.value)


@pytest.mark.parametrize("data", [b"\xff\xfe\0", bytes(5000), b"1 " + b"a" * 5000])
def test_file_of_another_kind_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "keys").write_bytes(data)
    with pytest.raises(SettingError, match=r"^mark_key: "):
        load_keys(*named(tmp_path / "keys"))


def test_no_key_is_shown_when_keys_are(tmp_path: Path) -> None:
    assert repr(load_keys(Path(), tmp_path)) == "InvisibleKeys()"
