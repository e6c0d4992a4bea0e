"""A picture comes back, changed or not, with a key or without: what is told of it."""

import asyncio
import io
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from multidict import CIMultiDict
from PIL import Image
from redis.asyncio import Redis

from frontend.actions.context import Call, Services, Visit
from frontend.actions.verify import VerifyRequest, verify, verify_without_key
from frontend.common.errors import ApiError
from frontend.domain.job import Job
from frontend.domain.luma_grid import LumaGrid
from frontend.domain.picture import Encoding, File
from frontend.finishing.authority import issue
from frontend.finishing.certificate import Certificate, load_certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.encode import encode
from frontend.finishing.fingerprint import fingerprint
from frontend.invisible_mark.content import luma_grid
from frontend.invisible_mark.writing import write
from frontend.keys.api_keys import Keys
from tests.api.harness import Api, api, invisible_keys
from tests.frontend.finishing.pictures import credentials, data_uri, scene
from tests.frontend.jobs.orders import a_job, a_picture
from tests.frontend.net.test_guarded_fetcher import HOME, Site, site
from tests.frontend.verification.edits import changes, moved, rated, saved_again
from tests.frontend.verification.test_decode import ODD

Pixels = npt.NDArray[np.uint8]
IDENTITY = 0x9E3779B97F4A7C15
JPEG = Encoding(format="jpeg", quality=95, lossless=False)
SHARED = Encoding(format="jpeg", quality=80, lossless=False)


@pytest.fixture
async def server(redis: "Redis", redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """Its jobs are worked on by the test."""
    async with api(redis_url, tmp_path, workers=0, verify_per_minute=100) as running:
        yield running


async def made(server: Api, owner: str | None = None, **kept: Any) -> tuple[Job, File]:
    """A job as a worker leaves it, but for what is `kept` of its picture; and its finished picture."""
    services = server.services
    (key,) = await Keys(server.redis).all()
    job = a_job(owner or key.id)
    await services.jobs.accept(job, b"", None)
    claim = await services.jobs.next("test", 100)
    assert claim is not None
    codes = invisible_keys(server).writing
    pixels = write(scene(1344, 768), IDENTITY, codes)
    with Signatory(load_certificate(server.settings)) as signatory:
        file = signatory.sign(encode(pixels, JPEG), credentials(gen_id=job.gen_id, when=job.time))
    digits, quality = fingerprint(pixels)
    stored = msgspec.structs.replace(
        a_picture(file.sha256),
        fingerprint=digits,
        fingerprint_quality=quality,
        invisible_id=f"{IDENTITY:016x}",
        invisible_key=codes.version,
        **{"luma_grid": luma_grid(pixels)} | kept,
    )
    assert await services.jobs.made(claim, stored)
    return job, file


def changed(data: bytes, *, crop: float = 1.0, scale: float = 1.0, quality: int = 95, **save: Any) -> bytes:
    """Stripped of its metadata, cropped to its middle, rescaled, encoded again as JPEG."""
    with Image.open(io.BytesIO(data)) as picture:
        pixels = Image.fromarray(np.asarray(picture.convert("RGB")))
    width, height = pixels.size
    left, top = round(width * (1 - crop) / 2), round(height * (1 - crop) / 2)
    inner = pixels.crop((left, top, width - left, height - top))
    small = inner.resize((round(inner.width * scale), round(inner.height * scale)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=quality, **save)
    return stream.getvalue()


async def verified(server: Api, data: bytes) -> dict[str, Any]:
    status, answer = await server.post({"action": "verify", "image": data_uri(data)})
    assert status == 200, answer
    return answer


async def without_key(server: Api, body: dict[str, Any], **headers: str) -> tuple[int, dict[str, Any]]:
    async with server.http.post(f"{server.url}/api/v2", json=body, headers=headers) as response:
        if response.status in (429, 503):
            assert int(response.headers["Retry-After"]) > 0
        return response.status, await response.json()


async def test_stripped_cropped_rescaled_and_recompressed_picture_gets_its_job_back(server: Api) -> None:
    job, file = await made(server)
    found = await verified(server, changed(file.data, crop=0.7, scale=0.7, quality=75))
    assert (found["result"], found["proof"], found["manifest"]) == ("made_here", "mark", None)
    assert (found["time"], found["system"]) == (job.time, "imgen")
    assert found["picture"]["id"] == job.id
    assert (found["picture"]["model"], found["picture"]["gen_id"]) == ("eros", job.gen_id)
    assert found["evidence"]["mark"]["wrong_bits"] <= 4


async def test_each_downloaded_jpeg_gets_its_own_job_back_after_all_of_that(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    """From the order to the download, as customers have it; the jobs differ in nothing but their size."""
    async with api(redis_url, tmp_path, verify_per_minute=100) as server:
        for width, height in ((1344, 768), (1024, 1024), (832, 1216)):
            meta = (await server.finished(width=width, height=height, format="jpeg", seed=1))["meta"]
            async with server.http.get(meta["images"][0]["url"]) as response:
                data = await response.read()
            battered = changed(data, crop=0.75, scale=0.8, quality=70)
            with Image.open(io.BytesIO(battered)) as picture:
                assert picture.size == (round(width * 0.75 * 0.8), round(height * 0.75 * 0.8))
                assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            assert b"c2pa" in data
            assert b"c2pa" not in battered
            found = await verified(server, battered)
            assert (found["result"], found["proof"], found["manifest"]) == ("made_here", "mark", None)
            assert found["picture"]["id"] == meta["id"]


async def test_picture_at_a_url_gets_its_job_back(server: Api, tmp_path: Path) -> None:
    job, file = await made(server)
    key = await server.services.keys.authorize(f"Bearer {server.key}")
    async with site(tmp_path, HOME, "127.0.0.0/8", picture=changed(file.data, crop=0.7)) as here:
        services = with_fetcher(server, here)
        asked = VerifyRequest(url=f"{here.url}/picture")
        found = await verify(Call(services, key, asked, {}))
    assert found.picture and (found.proof, found.picture.id) == ("mark", job.id)


@pytest.mark.parametrize("kind", ODD)
async def test_odd_picture_is_answered(server: Api, kind: str) -> None:
    await made(server)
    found = await verified(server, ODD[kind])
    assert (found["result"], found["manifest"]) == ("not_found", None)


async def test_untouched_file_is_proved_by_its_manifest(server: Api) -> None:
    job, file = await made(server)
    found = await verified(server, file.data)
    assert (found["result"], found["proof"]) == ("made_here", "manifest")
    assert (found["manifest"]["state"], found["manifest"]["made_by"]) == ("trusted", "this system")
    assert found["picture"]["id"] == job.id


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
async def test_file_that_was_changed_is_still_of_this_system(
    redis: "Redis", redis_url: str, tmp_path: Path, kind: str
) -> None:
    """Its metadata edited, or its end: what still agrees with the picture that was signed is told."""
    async with api(redis_url, tmp_path, verify_per_minute=100) as server:
        meta = (await server.finished(format=kind, seed=1))["meta"]
        async with server.http.get(meta["images"][0]["url"]) as response:
            data = await response.read()
        file = File(data=data, media_type=f"image/{kind}", extension={"jpeg": "jpg"}.get(kind, kind))
        for name, edited in changes(file).items():
            found = await verified(server, edited)
            manifest = found["manifest"]
            assert (found["result"], found["proof"]) == ("made_here", "mark"), name
            assert found["picture"]["id"] == meta["id"]
            assert (manifest["state"], manifest["made_by"], manifest["changed"]) == (
                "invalid",
                "this system",
                True,
            )
            assert manifest["agrees"] == ["registry", "mark", "fingerprint"]
            assert "changed after it was signed" in manifest["detail"]
            status, told = await without_key(server, {"action": "verify", "image": data_uri(edited)})
            assert (status, told["manifest"]["made_by"]) == (200, "this system")
            assert meta["gen_id"] not in json.dumps(told)


async def test_changed_file_of_another_maker_is_another_s(server: Api) -> None:
    chain, key = issue()
    with Signatory(Certificate(chain=chain, key=key, algorithm=b"es256")) as other:
        signed = other.sign(encode(scene(640, 384)[::-1], JPEG), credentials())
    found = await verified(server, rated(signed))
    assert (found["result"], found["proof"], found["time"]) == ("not_found", None, None)
    manifest = found["manifest"]
    assert (manifest["made_by"], manifest["changed"]) == ("another", True)
    assert "changed after it was signed" in manifest["detail"]
    assert "agrees" not in manifest


async def test_picture_saved_again_with_its_manifest_is_told_by_its_mark(server: Api) -> None:
    job, file = await made(server)
    found = await verified(server, saved_again(file))
    assert (found["result"], found["proof"], found["picture"]["id"]) == ("made_here", "mark", job.id)
    assert (found["manifest"]["made_by"], found["manifest"]["changed"]) == ("this system", True)
    assert "mark" in found["manifest"]["agrees"]


async def test_manifest_of_ours_on_another_picture_is_no_proof(server: Api) -> None:
    job, file = await made(server)
    found = await verified(server, moved(file))
    assert (found["result"], found["proof"], found["time"]) == ("manifest_found", "manifest", job.time)
    assert found["picture"]["id"] == job.id
    assert (found["manifest"]["made_by"], found["manifest"]["agrees"]) == ("this system", ["registry"])


async def test_damaged_manifest_names_no_maker(server: Api) -> None:
    _, file = await made(server)
    data = bytearray(file.data)
    data[data.index(b"softwareAgent")] ^= 1
    manifest = (await verified(server, bytes(data)))["manifest"]
    assert (manifest["made_by"], manifest["changed"]) == ("unknown", False)


async def test_file_signed_with_a_certificate_of_before_is_known_by_its_bytes(server: Api) -> None:
    job, _ = await made(server)
    data = changed((await made(server))[1].data)
    other = await _registered_bytes(server, data)
    found = await verified(server, data)
    assert (found["proof"], found["picture"]["id"]) == ("file", other.id)
    assert other.id != job.id


async def _registered_bytes(server: Api, data: bytes) -> Job:
    services = server.services
    (key,) = await Keys(server.redis).all()
    job = a_job(key.id)
    await services.jobs.accept(job, b"", None)
    claim = await services.jobs.next("test", 100)
    assert claim is not None
    file = File(data=data, media_type="image/jpeg", extension="jpg")
    assert await services.jobs.made(claim, a_picture(file.sha256))
    return job


async def test_hash_that_is_only_alike_proves_nothing(server: Api) -> None:
    data = changed(encode(scene(640, 384), JPEG).data)
    sha256 = File(data=data, media_type="image/jpeg", extension="jpg").sha256
    services = server.services
    job = a_job()
    await services.jobs.accept(job, b"", None)
    claim = await services.jobs.next("test", 100)
    assert claim is not None
    await services.jobs.made(claim, a_picture(sha256[:16] + "0" * 48))
    assert (await verified(server, data))["result"] == "not_found"


async def test_picture_that_only_looks_alike_is_similar_and_no_more(server: Api) -> None:
    job, _ = await made(server)
    unmarked = encode(scene(1344, 768), JPEG)
    found = await verified(server, unmarked.data)
    assert (found["result"], found["proof"]) == ("similar", "fingerprint")
    assert found["evidence"]["fingerprint"]["distance"] <= 31
    assert found["picture"]["id"] == job.id
    flipped = await verified(server, encode(np.ascontiguousarray(scene(1344, 768)[:, ::-1]), JPEG).data)
    assert (flipped["result"], flipped["evidence"]["fingerprint"]["mirrored"]) == ("similar", True)


def pixels_of(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as picture:
        pixels: Pixels = np.asarray(picture.convert("RGB"))
        return pixels


def foreign() -> Pixels:
    """A picture of nobody, [768, 1344, 3]."""
    return np.ascontiguousarray(255 - scene(1344, 768)[::-1])


def laid(change: npt.NDArray[np.floating[Any]]) -> Pixels:
    pixels: Pixels = np.clip(np.rint(foreign() + change), 0, 255).astype(np.uint8)
    return pixels


def by_difference(ours: Pixels, strength: float) -> Pixels:
    """What a blur takes off our picture, added to a foreign one."""
    fine = ours.astype(np.float32) - cv2.GaussianBlur(ours.astype(np.float32), (0, 0), 5)
    return laid(strength * np.clip(fine, -10, 10))


def by_average_tile(ours: Pixels, strength: float) -> Pixels:
    """What all tiles of our picture have in common, laid out again over a foreign one."""
    fine = ours.astype(np.float32) - cv2.GaussianBlur(ours.astype(np.float32), (0, 0), 5)
    tiles = np.clip(fine, -10, 10)[:, :1280].reshape(3, 256, 5, 256, 3)
    sign = 1 - 2 * (np.add.outer(np.arange(3), np.arange(5)) % 2)
    tile = np.einsum("iajbc,ij->abc", tiles, sign) / 15
    pair = np.block([[[tile], [-tile]], [[-tile], [tile]]])
    return laid(strength * np.tile(pair, (2, 3, 1))[:768, :1344])


@pytest.mark.parametrize("move", [by_difference, by_average_tile])
async def test_mark_moved_onto_a_foreign_picture_is_found_and_proves_nothing(
    server: Api, move: Callable[[Pixels, float], Pixels]
) -> None:
    job, file = await made(server)
    for strength in (1.0, 2.0):
        found = await verified(server, encode(move(pixels_of(file.data), strength), SHARED).data)
        assert found["evidence"]["mark"]["wrong_bits"] <= 4
        assert (found["result"], found["proof"]) == ("mark_found", "mark")
        assert (found["time"], found["system"], found["picture"]["id"]) == (job.time, "imgen", job.id)


async def test_small_piece_of_ours_within_a_foreign_picture_proves_nothing(server: Api) -> None:
    _, file = await made(server)
    collage, ours = foreign(), pixels_of(file.data)
    collage[100:580, 300:940] = ours[200:680, 500:1140]
    found = await verified(server, encode(collage, SHARED).data)
    assert (found["result"], found["proof"]) == ("mark_found", "mark")
    collage[:, :1100] = ours[:, 200:1300]
    found = await verified(server, encode(collage, SHARED).data)
    assert (found["result"], found["proof"]) == ("made_here", "mark")


async def test_mark_of_a_picture_whose_content_was_not_kept_is_found_and_no_more(server: Api) -> None:
    _, file = await made(server, luma_grid=None)
    found = await verified(server, changed(file.data))
    assert (found["result"], found["evidence"]["mark"]["agreement"]) == ("mark_found", None)


@pytest.mark.parametrize("grid", [LumaGrid(0, b"abc"), LumaGrid(7, b"abc"), LumaGrid(1, b"")])
async def test_damaged_content_counts_as_not_kept(server: Api, grid: LumaGrid) -> None:
    _, file = await made(server, luma_grid=grid)
    found = await verified(server, changed(file.data))
    assert (found["result"], found["evidence"]["mark"]["agreement"]) == ("mark_found", None)


async def test_stranger_is_told_of_a_mark_no_more_than_that(server: Api) -> None:
    job, file = await made(server)
    data = encode(by_difference(pixels_of(file.data), 2.0), SHARED).data
    status, found = await without_key(server, {"action": "verify", "image": data_uri(data)})
    assert (status, set(found)) == (200, {"result", "proof", "time", "system", "manifest"})
    assert (found["result"], found["time"]) == ("mark_found", job.time)


async def test_picture_of_nobody_is_not_found(server: Api) -> None:
    await made(server)
    found = await verified(server, encode(scene(640, 384)[::-1], JPEG).data)
    assert (found["result"], found["proof"], found["time"], found["system"]) == (
        "not_found",
        None,
        None,
        None,
    )
    assert "picture" not in found


async def test_stranger_is_told_neither_whose_nor_which_job(server: Api) -> None:
    job, file = await made(server)
    for data in (file.data, changed(file.data)):
        status, found = await without_key(server, {"action": "verify", "image": data_uri(data)})
        assert status == 200
        assert set(found) == {"result", "proof", "time", "system", "manifest"}
        assert (found["result"], found["time"], found["system"]) == ("made_here", job.time, "imgen")
        shown = json.dumps(found)
        assert not any(secret in shown for secret in (job.id, job.owner, job.gen_id, job.prompt))


async def test_another_key_is_not_told_the_job(server: Api) -> None:
    job, file = await made(server, owner="somebody else")
    found = await verified(server, changed(file.data))
    assert found["result"] == "made_here"
    assert "picture" not in found
    assert job.id not in json.dumps(found)


async def test_only_verify_goes_without_a_key(server: Api) -> None:
    for body in ({"action": "models"}, {"action": "Verify"}, {}, {"action": ["verify"]}):
        assert await without_key(server, body) == (401, {"error": "Unauthorized"})
    wrong = {"Authorization": "Bearer imgen_wrong"}
    assert (await without_key(server, {"action": "verify"}, **wrong))[0] == 401
    assert (await without_key(server, {"action": "verify"}))[0] == 400


async def test_strangers_are_counted_by_address(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    behind = {"trusted_proxies": ("127.0.0.0/8",), "verify_per_minute": 2}
    async with api(redis_url, tmp_path, workers=0, **behind) as server:
        for address in ("203.0.113.5", "203.0.113.6"):
            forwarded = {"X-Forwarded-For": f"10.9.8.7, {address}"}
            codes = [(await without_key(server, {"action": "verify"}, **forwarded))[0] for _ in range(3)]
            assert codes == [400, 400, 429]
        for _ in range(3):
            assert (await server.post({"action": "verify"}))[0] == 400


async def test_line_that_a_stranger_puts_before_the_proxy_s_own_changes_nothing(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    behind = {"trusted_proxies": ("127.0.0.0/8",), "verify_per_minute": 2}
    async with api(redis_url, tmp_path, workers=0, **behind) as server:
        codes = []
        for number in range(3):
            lines = [("X-Forwarded-For", f"203.0.113.{number}"), ("X-Forwarded-For", "198.51.100.7")]
            asked = server.http.post(
                f"{server.url}/api/v2", json={"action": "verify"}, headers=CIMultiDict(lines)
            )
            async with asked as response:
                codes.append(response.status)
        assert codes == [400, 400, 429]


async def test_stranger_with_many_slow_urls_keeps_no_other_one_out(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # nobody takes up what connects
    networks = {"trusted_proxies": ("127.0.0.0/8",), "private_networks": ("127.0.0.0/8",)}
    body = {"action": "verify", "url": f"https://127.0.0.1:{silent.getsockname()[1]}/"}
    async with api(redis_url, tmp_path, workers=0, fetch_timeout_s=1.0, **networks) as server:
        greedy = [
            asyncio.create_task(without_key(server, body, **{"X-Forwarded-For": "192.0.2.1"}))
            for _ in range(12)
        ]
        while not any(task.done() for task in greedy):  # more wait than one address may have waiting
            await asyncio.sleep(0.01)
        status, _ = await without_key(server, body, **{"X-Forwarded-For": "192.0.2.2"})
        assert {status for status, _ in await asyncio.gather(*greedy)} == {400, 503}
    silent.close()
    assert status == 400


def with_fetcher(server: Api, here: Site) -> Services:
    services = server.services
    return replace(services, verification=replace(services.verification, fetcher=here.outside))


async def refused(visit: Visit[VerifyRequest]) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await verify_without_key(visit)
    return raised.value


async def test_strangers_slow_urls_take_no_slot_from_those_with_a_key(server: Api, tmp_path: Path) -> None:
    job, file = await made(server)
    async with site(tmp_path, HOME, "127.0.0.0/8", picture=changed(file.data, crop=0.7)) as here:
        services = with_fetcher(server, here)
        key = await services.keys.authorize(f"Bearer {server.key}")
        slow = Visit(services, "203.0.113.5", VerifyRequest(url=f"{here.url}/hangs"))
        strangers = [asyncio.create_task(refused(slow)) for _ in range(30)]
        while not any(task.done() for task in strangers):  # more would be refused from here on
            await asyncio.sleep(0)
        asked = VerifyRequest(url=f"{here.url}/picture")
        found = await verify(Call(services, key, asked, {}))
        assert found.picture and found.picture.id == job.id
        assert {(await task).status for task in strangers} == {400, 503}


async def test_refused_url_is_answered_as_late_as_a_silent_one(server: Api, tmp_path: Path) -> None:
    """A stranger would learn from the time what there is in our network."""
    names: dict[str, list[list[str]]] = {**HOME, "inside.example": [["10.0.0.1"]], "nobody.example": [[]]}
    async with site(tmp_path, names, "127.0.0.0/8", timeout_s=0.4) as here:
        services = with_fetcher(server, here)
        urls = [
            "http://studio.example/", "https://10.0.0.1/", "https://127.1/", "https://inside.example/",
            "https://nobody.example/", f"{here.url}/missing", f"{here.url}/inside", f"{here.url}/hangs",
        ]  # fmt: skip
        for url in urls:
            began = time.monotonic()
            error = await refused(Visit(services, "203.0.113.5", VerifyRequest(url=url)))
            assert (error.status, error.message[:11]) == (400, "Invalid url")
            assert time.monotonic() - began >= 0.39, url


async def test_refused_urls_hold_no_slot_while_they_wait(server: Api, tmp_path: Path) -> None:
    async with site(tmp_path, HOME, timeout_s=0.2) as here:
        visit = Visit(with_fetcher(server, here), "203.0.113.5", VerifyRequest(url="https://10.0.0.1/"))
        errors = []
        for _ in range(3):
            errors += await asyncio.gather(*(refused(visit) for _ in range(5)))
        assert {error.status for error in errors} == {400}


async def test_operator_may_ask_for_a_key(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, workers=0, verify_per_minute=0) as server:
        assert await without_key(server, {"action": "verify"}) == (401, {"error": "Unauthorized"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Either image or url is required"),
        ({"image": "data:;base64,AA==", "url": "https://example.com/"}, "Either image or url is required"),
        ({"image": 5}, "Invalid image: expected string"),
        ({"image": "AAAA"}, "Invalid image: expected a base64 data URI"),
        ({"image": "data:image/png;base64,??"}, "Invalid image: bad base64"),
        ({"image": "data:image/png;base64,"}, "Invalid image: expected a whole JPEG, PNG, WebP"),
        ({"url": ["https://example.com/"]}, "Invalid url: expected string"),
        ({"url": "http://example.com/a.jpg"}, "Invalid url: no picture was to be had there"),
        ({"url": "https://127.0.0.1/a.jpg"}, "Invalid url: no picture was to be had there"),
        ({"url": "https://[::ffff:10.0.0.1]/a.jpg"}, "Invalid url: no picture was to be had there"),
    ],
)  # fmt: skip
async def test_mistakes_are_told(shared: Api, fields: dict[str, Any], message: str) -> None:
    status, answer = await shared.post({"action": "verify", **fields})
    assert status == 400
    assert answer["error"].startswith(message)


async def test_registry_that_is_not_there_is_no_answer(server: Api) -> None:
    """A "not found" would be untrue where the registry cannot be read."""
    await server.redis.set("imgen:pictures", "not a stream")
    data = encode(scene(64, 48), JPEG).data
    status, answer = await server.post({"action": "verify", "image": data_uri(data)})
    assert (status, answer) == (503, {"error": "Registry is not ready"})
