"""Servers at one Redis mark with the same keys, or do not start. Redis is real."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from redis.asyncio import Redis

from contract.redis_keys import INVISIBLE_KEYS
from frontend.common.errors import SettingError
from frontend.invisible_mark import agreement
from frontend.invisible_mark.keys import InvisibleKeys
from frontend.settings import Settings

KEY, OTHER = "ab" * 32, "cd" * 32


def holding(folder: Path, *lines: str) -> Settings:
    folder.mkdir(exist_ok=True)
    (folder / "mark.key").write_text("".join(f"{line}\n" for line in lines))
    return Settings(data_dir=folder)


async def agree(redis: "Redis", settings: Settings) -> InvisibleKeys:
    return await agreement.agree_on_keys(redis, settings.mark_key, settings.data_dir)


async def refusal(redis: "Redis", settings: Settings) -> str:
    before = await redis.hgetall(INVISIBLE_KEYS)
    with pytest.raises(SettingError) as caught:
        await agree(redis, settings)
    assert await redis.hgetall(INVISIBLE_KEYS) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_redis_remembers_the_fingerprint_and_not_the_key(redis: "Redis", tmp_path: Path) -> None:
    await agree(redis, holding(tmp_path, f"1 {KEY}"))
    expected = hashlib.sha256(bytes.fromhex(KEY)).hexdigest()
    assert await redis.hgetall(INVISIBLE_KEYS) == {b"1": expected.encode()}


async def test_server_with_the_same_key_starts(redis: "Redis", tmp_path: Path) -> None:
    for name in ("one", "other"):
        assert (await agree(redis, holding(tmp_path / name, f"1 {KEY}"))).writing.version == 1


async def test_server_with_another_key_does_not_start(redis: "Redis", tmp_path: Path) -> None:
    await agree(redis, holding(tmp_path / "one", f"1 {KEY}"))
    said = await refusal(redis, holding(tmp_path / "other", f"1 {OTHER}", f"2 {KEY}"))
    assert "version 1" in said
    assert "copy the key file" in said


async def test_server_that_lacks_a_key_does_not_start(redis: "Redis", tmp_path: Path) -> None:
    await agree(redis, holding(tmp_path, f"1 {KEY}", f"2 {OTHER}"))
    said = await refusal(redis, holding(tmp_path, f"2 {OTHER}"))
    assert "lacks version 1" in said
    assert "copy the key file" in said


async def test_new_key_may_be_added(redis: "Redis", tmp_path: Path) -> None:
    await agree(redis, holding(tmp_path, f"1 {KEY}"))
    keys = await agree(redis, holding(tmp_path, f"1 {KEY}", f"2 {OTHER}"))
    assert keys.writing.version == 2
    assert set(await redis.hkeys(INVISIBLE_KEYS)) == {b"1", b"2"}


async def test_lost_key_is_not_replaced_by_a_new_one(redis: "Redis", tmp_path: Path) -> None:
    await agree(redis, holding(tmp_path / "one", f"1 {KEY}"))
    said = await refusal(redis, Settings(data_dir=tmp_path / "new"))
    assert "copy the key file" in said
    assert not (tmp_path / "new").exists()


async def test_of_two_first_starts_with_different_keys_one_is_refused(redis: "Redis", tmp_path: Path) -> None:
    answers = await asyncio.gather(
        *(agree(redis, Settings(data_dir=tmp_path / name)) for name in ("one", "other")),
        return_exceptions=True,
    )
    kinds = {type(answer) for answer in answers}
    assert kinds == {InvisibleKeys, SettingError}


async def test_two_first_starts_in_one_folder_use_one_key(redis: "Redis", tmp_path: Path) -> None:
    one, other = await asyncio.gather(*(agree(redis, Settings(data_dir=tmp_path)) for _ in range(2)))
    assert one.fingerprints == other.fingerprints
