"""What every storage does, whichever server is behind it."""

import asyncio
import os

import pytest

from frontend.storage import StorageError
from tests.frontend.storage.conftest import CHECKING_PLACES, Stand, each_change
from tests.frontend.storage.keys import JPEG, KEY, stored

MISSING = (403, 404)  # S3 answers 403 to who may not list the bucket
AWKWARD_KEYS = [
    "a.jpg",
    "pictures/_.jpg",
    "pictures/a..b/c--d/__.jpg",
    "/".join("d" * 30 for _ in range(15)) + "/x.jpg",
    "x" * 196 + ".jpg",
    "files/files/files.key.jpg",
]

checks_signatures = pytest.mark.parametrize("s3_place", CHECKING_PLACES, indirect=True)


async def test_stored_picture_is_served_under_its_filename(stand: Stand) -> None:
    await stand.storage.put(KEY, b"\xff\xd8 a picture", JPEG)
    status, body, headers = await stand.get(await stand.link(b"\xff\xd8 a picture", filename="Tree_1.jpg"))
    assert (status, body) == (200, b"\xff\xd8 a picture")
    assert headers["content-type"] == JPEG
    assert headers["content-disposition"] == 'inline; filename="Tree_1.jpg"'
    assert headers["cache-control"] == "private"
    assert headers["etag"]


async def test_picture_is_saved_under_its_filename_where_that_is_asked_for(stand: Stand) -> None:
    await stand.storage.put(KEY, b"a picture", JPEG)
    link = await stand.link(b"a picture", filename="Tree_1.jpg", download=True)
    status, body, headers = await stand.get(link)
    assert (status, body) == (200, b"a picture")
    assert headers["content-disposition"] == 'attachment; filename="Tree_1.jpg"'


async def test_part_of_a_picture_can_be_asked_for(stand: Stand) -> None:
    await stand.storage.put(KEY, b"0123456789", JPEG)
    status, body, headers = await stand.get(await stand.link(b"0123456789"), Range="bytes=2-5")
    assert status in (200, 206)  # rclone says 200
    assert (body, headers["content-range"]) == (b"2345", "bytes 2-5/10")


async def test_stored_picture_is_read_back_and_a_missing_one_is_an_error(stand: Stand) -> None:
    data = os.urandom(3 << 20)
    version = await stand.storage.put(KEY, data, JPEG)
    assert await stand.storage.read(stored(data, version=version)) == data
    await stand.storage.delete([KEY])
    with pytest.raises(StorageError):
        await stand.storage.read(stored(data, version=version))


async def test_later_put_replaces_the_object(stand: Stand) -> None:
    await stand.storage.put(KEY, b"first, and longer", JPEG)
    await stand.storage.put(KEY, b"second", JPEG)
    assert (await stand.get(await stand.link(b"second")))[1] == b"second"


async def test_simultaneous_puts_leave_one_whole_object(stand: Stand) -> None:
    bodies = [bytes([number]) * 50_000 for number in range(6)]
    await asyncio.gather(*(stand.storage.put(KEY, body, JPEG) for body in bodies))
    got = [(await stand.get(await stand.link(body)))[1] for body in bodies]
    assert len(set(got) & set(bodies)) == 1


async def test_storage_knows_what_it_holds(stand: Stand) -> None:
    assert not await stand.storage.exists("never/stored.png")
    await stand.storage.put(KEY, b"x", JPEG)
    assert await stand.storage.exists(KEY)
    await stand.storage.delete([KEY])
    assert not await stand.storage.exists(KEY)


async def test_deleted_object_is_gone_and_deleting_again_is_no_error(stand: Stand) -> None:
    await stand.storage.put(KEY, b"x", JPEG)
    url = await stand.link(b"x")
    await stand.storage.delete([KEY, "never/stored.png"])
    await stand.storage.delete([KEY])
    await stand.storage.delete([])
    assert (await stand.get(url))[0] in MISSING


async def test_url_of_a_missing_object_leads_nowhere(stand: Stand) -> None:
    assert (await stand.get(await stand.link(b"x", "never/stored.png", "x.png")))[0] in MISSING


async def test_awkward_keys_come_back_whole(stand: Stand) -> None:
    for key in AWKWARD_KEYS:
        await stand.storage.put(key, key.encode(), JPEG)
        assert (await stand.get(await stand.link(key.encode(), key)))[:2] == (200, key.encode())


async def test_forbidden_keys_are_refused_everywhere(stand: Stand) -> None:
    for key in ("", "../x.jpg", "/etc/x.jpg", "a//x.jpg", ".writing/x.jpg", "a%2F..%2Fx.jpg", "x.jpg\n"):
        with pytest.raises(StorageError):
            await stand.storage.put(key, b"x", JPEG)
        with pytest.raises(StorageError):
            await stand.link(key.encode(), key)
        with pytest.raises(StorageError):
            await stand.storage.delete([key])


async def test_filename_cannot_add_a_header_or_be_a_page(stand: Stand) -> None:
    for filename in ('a".jpg', "a\r\nX: y.jpg", "x.html"):
        with pytest.raises(StorageError):
            await stand.link(b"x", filename=filename)


async def test_media_type_must_fit_the_extension(stand: Stand) -> None:
    with pytest.raises(StorageError, match="media type"):
        await stand.storage.put(KEY, b"<script>", "text/html")


async def test_twenty_megabytes_come_back_whole(stand: Stand) -> None:
    data = os.urandom(20_000_000)
    await stand.storage.put("large/x.png", data, "image/png")
    assert (await stand.get(await stand.link(data, "large/x.png", "x.png")))[1] == data


@checks_signatures
async def test_link_changed_in_any_place_is_refused(stand: Stand) -> None:
    await stand.storage.put(KEY, b"x", JPEG)
    url = await stand.link(b"x")
    for changed in each_change(url):
        assert changed != url
        status, body, _ = await stand.get(changed)
        assert status in (400, 403), changed
        assert body != b"x"


@checks_signatures
async def test_link_does_not_open_another_object(stand: Stand) -> None:
    other = KEY.replace("/1/", "/2/")
    await stand.storage.put(KEY, b"mine", JPEG)
    await stand.storage.put(other, b"not mine", JPEG)
    url = await stand.link(b"mine")
    assert (await stand.get(url.replace("/1/", "/2/")))[0] == 403


@checks_signatures
async def test_object_without_a_signature_is_not_public(stand: Stand) -> None:
    await stand.storage.put(KEY, b"x", JPEG)
    url = await stand.link(b"x")
    status, body, _ = await stand.get(url.partition("?")[0])
    assert status in (400, 403)
    assert body != b"x"


@checks_signatures
@pytest.mark.parametrize("url_life_s", [1])
async def test_expired_link_is_refused(stand: Stand) -> None:
    await stand.storage.put(KEY, b"x", JPEG)
    url = await stand.link(b"x")
    async with asyncio.timeout(10):
        while (status := (await stand.get(url))[0]) == 200:
            await asyncio.sleep(0.05)
    assert status in (400, 403)


async def test_storage_in_order_is_ready(stand: Stand) -> None:
    await stand.storage.check()
    await stand.storage.check()
