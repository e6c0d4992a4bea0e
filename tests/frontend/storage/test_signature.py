import multiprocessing
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.storage import StorageError
from frontend.storage.signature import SECRET_BYTES, Signer, load_secret
from tests.frontend.storage.keys import stored

SECRET = bytes(range(32))
FILE = stored(b"x")


def test_signature_holds_until_its_expiry_and_no_longer() -> None:
    now = [1_000_000.0]
    signer = Signer(SECRET, clock=lambda: now[0])
    expires, signature = signer.sign(FILE, 60)
    assert expires == 1_000_060
    now[0] = 1_000_059.9
    assert signer.valid(FILE, expires, signature)
    now[0] = 1_000_060.0
    assert not signer.valid(FILE, expires, signature)


@given(st.text(), st.text(), st.integers(min_value=0, max_value=10**11), st.text())
def test_no_other_key_name_expiry_or_signature_passes(
    key: str, name: str, expires: int, signature: str
) -> None:
    signer = Signer(SECRET, clock=lambda: 0.0)
    genuine_expires, genuine = signer.sign(FILE, 60)
    try:
        assert not signer.valid(replace(FILE, key=key), genuine_expires, genuine)
        assert not signer.valid(replace(FILE, filename=name), genuine_expires, genuine)
        assert expires == genuine_expires or not signer.valid(FILE, expires, genuine)
        assert not signer.valid(replace(FILE, sha256=signature), genuine_expires, genuine)
        assert not signer.valid(FILE, genuine_expires, signature)
    except UnicodeEncodeError:
        assert any("\ud800" <= letter <= "\udfff" for letter in key + name + signature)


def test_another_secret_gives_another_signature() -> None:
    expires, signature = Signer(SECRET).sign(FILE, 60)
    assert not Signer(bytes(32)).valid(FILE, expires, signature)


def test_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "files.key"
    secret = load_secret(path)
    assert len(secret) == SECRET_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_secret(path) == secret
    assert [item.name for item in path.parent.iterdir()] == ["files.key"]


def test_processes_that_start_at_once_agree_on_the_secret(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        secrets = pool.map(
            load_secret, [tmp_path / f"{number // 8}.key" for number in range(64)], chunksize=1
        )
    for number in range(8):
        assert len(set(secrets[number * 8 : number * 8 + 8])) == 1
    assert len(set(secrets)) == 8


def test_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "files.key"
    load_secret(path)
    path.chmod(0o640)
    with pytest.raises(StorageError, match="0600"):
        load_secret(path)


def test_cut_off_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "files.key"
    load_secret(path)
    path.write_bytes(b"short")
    with pytest.raises(StorageError, match="32 bytes"):
        load_secret(path)
