"""What a client downloads carries the identity that the job's record names."""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from redis.asyncio import Redis

from frontend.common.errors import SettingError
from frontend.domain.job_state import Completed
from frontend.domain.picture import StoredPicture
from frontend.invisible_mark.codes import bits_of
from frontend.invisible_mark.reading import read
from tests.api.harness import Api, api, invisible_keys


async def recorded(server: Api, job_id: str) -> StoredPicture:
    owner = (await server.services.keys.authorize(f"Bearer {server.key}")).id
    state = await server.services.jobs.read(job_id, owner)
    assert isinstance(state, Completed)
    return state.picture


async def test_downloaded_picture_carries_the_recorded_identity(server: Api) -> None:
    identities = set()
    for _ in range(2):
        meta = (await server.finished())["meta"]
        picture = await recorded(server, meta["id"])
        async with server.http.get(meta["images"][0]["url"]) as response:
            pixels = np.asarray(Image.open(io.BytesIO(await response.read())))
        reading = read(pixels, invisible_keys(server).reading)
        assert reading
        assert f"{bits_of(reading.soft):016x}" == picture.invisible_id
        assert (reading.version, picture.invisible_key) == (1, 1)
        assert 0 <= picture.fingerprint_quality <= 100
        identities.add(picture.invisible_id)
    assert len(identities) == 2  # though the orders were alike


async def test_picture_of_an_older_version_is_said_to_have_none(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path) as server:
        meta = (await server.finished())["meta"]
        key = f"imgen:job:{meta['id']}"
        stored: Any = await redis.hget(key, "picture")
        assert stored
        mark = (await recorded(server, meta["id"])).invisible_id
        older = stored.replace(f'"mark":"{mark}"'.encode(), b'"mark":""')
        assert older != stored
        await redis.hset(key, "picture", older)
        again = (await server.status(meta["id"]))["meta"]
        assert (meta["enable_invisimark"], again["enable_invisimark"]) == (True, False)


async def test_server_whose_key_is_another_one_does_not_start(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path / "one") as server:
        await server.finished()
    with pytest.raises(SettingError, match="copy the key file"):
        async with api(redis_url, tmp_path / "other"):
            pass
    shutil.copy(tmp_path / "one" / "mark.key", tmp_path / "copy.key")
    async with api(redis_url, tmp_path / "other", mark_key=tmp_path / "copy.key") as server:
        assert (await server.finished())["meta"]["enable_invisimark"] is True
