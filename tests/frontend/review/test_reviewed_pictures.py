import re
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from frontend.audit.log import AuditLog
from frontend.domain.job_state import Completed
from frontend.domain.picture import File
from frontend.review.release import Unreviewed
from frontend.review.reviewed_pictures import ReviewedPictures
from frontend.settings import ROOT
from frontend.storage import LocalStorage, StorageError
from frontend.storage.signature import Signer
from tests.frontend.jobs.orders import a_job, a_picture, a_verdict, judged

FILE = File(data=b"a picture", media_type="image/webp", extension="webp")
KEY = "pictures/one.webp"
PICTURE = msgspec.structs.replace(a_picture(FILE.sha256), key=KEY)
JUDGED = Completed(a_job(), PICTURE, msgspec.structs.replace(a_verdict(), sha256=FILE.sha256))


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path, Signer(b"s" * 32), "http://example.test", 60)


@pytest.fixture
def reviewed(storage: LocalStorage, redis: "Redis") -> ReviewedPictures:
    return ReviewedPictures(storage, AuditLog(redis))


async def test_bytes_that_were_judged_are_read(
    storage: LocalStorage, reviewed: ReviewedPictures, redis: "Redis"
) -> None:
    await judged(redis, JUDGED.job.id, FILE.sha256)
    await storage.put(KEY, FILE.data, FILE.media_type)
    assert await reviewed.read(JUDGED) == FILE.data


async def test_other_bytes_than_those_that_were_judged_are_not(
    storage: LocalStorage, reviewed: ReviewedPictures
) -> None:
    await storage.put(KEY, b"another picture", FILE.media_type)
    with pytest.raises(Unreviewed):
        await reviewed.read(JUDGED)


async def test_picture_with_a_verdict_on_another_is_not_read(
    storage: LocalStorage, reviewed: ReviewedPictures
) -> None:
    await storage.put(KEY, FILE.data, FILE.media_type)
    with pytest.raises(Unreviewed):
        await reviewed.read(Completed(a_job(), PICTURE, a_verdict()))


async def test_missing_picture_is_an_error_of_the_store(reviewed: ReviewedPictures) -> None:
    with pytest.raises(StorageError):
        await reviewed.read(JUDGED)


def test_no_other_code_reads_pictures_from_the_store() -> None:
    pattern = re.compile(r"storage\.read\(")
    found = [path for path in (ROOT / "frontend").rglob("*.py") if pattern.search(path.read_text())]
    assert [str(path.relative_to(ROOT)) for path in found] == ["frontend/review/reviewed_pictures.py"]
