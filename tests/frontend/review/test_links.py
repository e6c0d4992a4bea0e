import re
from pathlib import Path

import msgspec
import orjson
import pytest
from redis.asyncio import Redis

from contract.acs import Category
from frontend.audit.log import AuditLog
from frontend.domain.job_state import Blocked, Completed
from frontend.review.links import Links
from frontend.review.release import Unreviewed
from frontend.settings import ROOT
from frontend.storage import LocalStorage
from frontend.storage.signature import Signer
from frontend.storage.signed_url import SignedUrl
from tests.frontend.jobs.orders import a_job, a_picture, a_verdict, judged


@pytest.fixture
def links(tmp_path: Path, redis: "Redis") -> Links:
    return Links(LocalStorage(tmp_path, Signer(b"s" * 32), "http://example.test", 60), AuditLog(redis))


async def test_judged_picture_gets_links_of_both_files(links: Links, redis: "Redis") -> None:
    job, picture = a_job(), a_picture()
    await judged(redis, job.id)
    minted = await links.for_client(Completed(job, picture, a_verdict()))
    assert (picture.key in minted.picture, picture.thumbnail_key in minted.thumbnail) == (True, True)


async def test_verdict_on_other_bytes_gives_no_link(links: Links) -> None:
    with pytest.raises(Unreviewed):
        await links.for_client(Completed(a_job(), a_picture("f" * 64), a_verdict()))


async def test_what_the_minors_rule_blocked_has_no_link_for_anybody(links: Links, redis: "Redis") -> None:
    job = a_job()
    await judged(redis, job.id)

    def blocked(category: str) -> Blocked:
        categories = (Category(id=category, name="Some Name"),)
        verdict = msgspec.structs.replace(a_verdict(), compliance="unsafe", categories=categories)
        return Blocked(job, a_picture(), verdict)

    assert await links.for_moderator(blocked("minors")) is None
    link = await links.for_moderator(blocked("weapons"))
    assert link and a_picture().key in link


async def test_reviewers_link_is_nothing_that_an_answer_or_a_log_could_hold(links: Links) -> None:
    url = await links.for_reviewer(a_picture())
    for encode in (orjson.dumps, msgspec.json.encode):
        with pytest.raises(TypeError):
            encode({"url": url})
    assert "example.test" not in f"{url} {url!r}"
    assert "example.test" in url.reveal()


def test_no_other_code_unwraps_a_link_or_makes_a_clients_url() -> None:
    allowed = {
        "frontend/review/links.py",  # for clients
        "frontend/review/reviews.py",  # for the reviewer
        "frontend/storage/open_storage.py",  # where links lead, without one
        "frontend/storage/signed_url.py",
    }
    pattern = re.compile(r"\.reveal\(\)|def reveal|ClientUrl\(|\._text\b")
    sources = [
        *(ROOT / "frontend").rglob("*.py"),
        *(ROOT / "cli").rglob("*.py"),
        *(ROOT / "embedded").rglob("*.py"),
    ]
    assert {str(path.relative_to(ROOT)) for path in sources if pattern.search(path.read_text())} == allowed


def test_signed_url_is_no_string() -> None:
    assert not isinstance(SignedUrl("https://secret"), str)
