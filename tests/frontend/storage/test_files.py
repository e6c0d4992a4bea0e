from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.frontend.storage.conftest import Stand, folder_behind_a_server
from tests.frontend.storage.keys import FILENAME, JPEG, KEY

PICTURE = b"a picture"
REFUSAL = b'{"error": "Link is invalid or has expired"}'


@pytest.fixture
async def folder(tmp_path: Path, http: aiohttp.ClientSession) -> AsyncIterator[Stand]:
    async for storage in folder_behind_a_server(tmp_path, 60):
        await storage.put(KEY, PICTURE, JPEG)
        yield Stand(storage, http)


async def test_answer_is_private_and_never_sniffed(folder: Stand) -> None:
    _, _, headers = await folder.get(await folder.link(PICTURE))
    assert headers["cache-control"] == "private"
    assert headers["x-content-type-options"] == "nosniff"


async def test_head_answers_without_the_picture(folder: Stand) -> None:
    link = await folder.link(PICTURE)
    async with folder.http.head(URL(link, encoded=True)) as answer:
        assert (answer.status, answer.headers["Content-Length"], await answer.read()) == (200, "9", b"")
        said = {name.lower(): value for name, value in answer.headers.items()}
    _, _, headers = await folder.get(link)
    assert {**said, "date": ""} == {**headers, "date": ""}


async def test_picture_that_a_client_has_is_not_sent_again(folder: Stand) -> None:
    link = await folder.link(PICTURE)
    _, _, headers = await folder.get(link)
    tag = headers["etag"]
    assert (await folder.get(await folder.link(PICTURE), **{"If-None-Match": tag}))[:2] == (304, b"")
    assert (await folder.get(link, **{"If-None-Match": '"other"'}))[:2] == (200, PICTURE)
    date = headers["last-modified"]
    assert (await folder.get(link, Range="bytes=2-3", **{"If-Range": date}))[:2] == (206, b"pi")
    other = {"If-Range": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert (await folder.get(link, Range="bytes=2-3", **other))[:2] == (200, PICTURE)


async def test_link_is_made_one_to_save_the_file_by_whoever_has_it(folder: Stand) -> None:
    link = await folder.link(PICTURE)
    for more in ("&download", "&download=", "&download=1&download=2"):
        status, body, headers = await folder.get(link + more)
        assert (status, body) == (200, PICTURE)
        assert headers["content-disposition"] == f'attachment; filename="{FILENAME}"'
    assert (await folder.get(link))[2]["content-disposition"] == f'inline; filename="{FILENAME}"'


async def test_several_ranges_are_answered_with_the_whole(folder: Stand) -> None:
    link = await folder.link(PICTURE)
    for ranges in ("bytes=0-3,5-6", "bytes=0-3, 5-", "bytes=-2,0-0"):
        status, body, headers = await folder.get(link, Range=ranges)
        assert (status, body) == (200, PICTURE) and "content-range" not in headers
    assert (await folder.get(link, Range="bytes=2-3"))[:2] == (206, b"pi")
    assert (await folder.get(link, Range="bytes=99-"))[0] == 416


async def test_refusal_is_the_same_whether_or_not_the_object_exists(folder: Stand) -> None:
    for key in (KEY, "never/stored.jpg"):
        url = URL(await folder.link(PICTURE, key)).update_query(signature="0" * 64)
        status, body, _ = await folder.get(str(url))
        assert (status, body) == (403, REFUSAL)


@pytest.mark.parametrize("bytes_there", [b"A picture", b"a picture.", b""])
async def test_file_that_is_not_the_one_of_the_link_is_not_served(
    folder: Stand, tmp_path: Path, bytes_there: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    link = await folder.link(PICTURE)
    (tmp_path / "files" / KEY).write_bytes(bytes_there)
    for headers in ({}, {"Range": "bytes=0-0"}, {"If-None-Match": "*"}):
        status, body, _ = await folder.get(link, **headers)
        assert (status, body) == (404, b'{"error": "Not found"}')
    assert "is not the file that was reviewed" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"expires": "-1"},
        {"expires": "1e9"},
        {"expires": "9" * 13},
        {"expires": "\u0661"},
        {"sha256": ""},
        {"sha256": "0" * 64},
        {"sha256": "A" * 64},
        {"signature": ""},
        {"signature": "\u00e9" * 64},
        {"filename": "../x.jpg"},
        {"filename": 'x".jpg'},
        {"filename": "x.html"},
    ],
)
async def test_malformed_link_is_refused(folder: Stand, change: dict[str, str]) -> None:
    url = URL(await folder.link(PICTURE)).update_query(change)
    assert (await folder.get(str(url)))[:2] == (403, REFUSAL)


@pytest.mark.parametrize("missing", ["expires", "sha256", "signature", "filename"])
async def test_incomplete_or_doubled_link_is_refused(folder: Stand, missing: str) -> None:
    url = URL(await folder.link(PICTURE))
    assert (await folder.get(str(url.without_query_params(missing))))[0] == 403
    assert (await folder.get(str(url.extend_query({missing: url.query[missing]}))))[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "files/..%2F..%2Ffiles.key",
        "files/%2e%2e/%2e%2e/files.key",
        "files//etc/passwd",
        "files/a%00b.jpg",
        "files/%ff.jpg",
        "files/",
    ],
)
async def test_path_outside_the_folder_is_refused(folder: Stand, path: str) -> None:
    genuine = await folder.link(PICTURE)
    base, _, query = genuine.partition("/files/")[0], "", genuine.partition("?")[2]
    status, body, _ = await folder.get(f"{base}/{path}?{query}")
    assert status in (403, 404)
    assert b"picture" not in body
