"""What earlier versions stored is read, and they can read what is stored today: names on the wire stay."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from frontend.domain.job import Job
from frontend.domain.picture import StoredPicture
from frontend.domain.registered_picture import RegisteredPicture
from frontend.domain.verdict import Verdict
from frontend.keys.api_keys import KeyRecord

RECORDS = Path(__file__).with_name("records")  # written by the version before names were changed in Python
TYPES: dict[str, Any] = {
    "job": Job,
    "stored_picture": StoredPicture,
    "verdict": Verdict,
    "registered_picture": RegisteredPicture,
    "key": KeyRecord,
}


@pytest.mark.parametrize("name", TYPES)
def test_stored_record_is_read_and_written_as_ever(name: str) -> None:
    stored = (RECORDS / f"{name}.json").read_bytes()
    written = msgspec.json.decode(msgspec.json.encode(msgspec.json.decode(stored, type=TYPES[name])))
    assert written == written | msgspec.json.decode(stored)  # and what was added since


def test_renamed_fields_hold_what_was_stored_under_their_old_names() -> None:
    job = msgspec.json.decode((RECORDS / "job.json").read_bytes(), type=Job)
    assert (job.watermark.scale, job.intent and job.intent.negatives) == (7, ("rain",))
    picture = msgspec.json.decode((RECORDS / "stored_picture.json").read_bytes(), type=StoredPicture)
    assert (picture.invisible_id, picture.invisible_key) == ("00ff00ff00ff00ff", 2)
