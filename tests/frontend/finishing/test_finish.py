import asyncio
import hashlib
import io
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from frontend.common.errors import SettingError
from frontend.domain.picture import Credentials, Encoding, File, Picture, Watermark
from frontend.finishing.certificate import load_certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.fingerprint import fingerprint
from frontend.finishing.finish import Finisher, Tools, finish
from frontend.finishing.stamps import Stamps
from frontend.finishing.watermark import lay
from frontend.invisible_mark import reading as invisible
from frontend.invisible_mark.codes import bits_of
from frontend.invisible_mark.keys import InvisibleKeys
from frontend.invisible_mark.writing import write
from frontend.settings import Settings

from .pictures import block, credentials, mark, scene
from .test_credentials import AI_MADE, COMPOSITE, SIGNATORY, assertion, read

KEYS = InvisibleKeys.of({7: b"k" * 32})
TOOLS = Tools(SIGNATORY, KEYS.writing)
IDENTITY = int(credentials().invisible_id, 16)
PNG = Encoding(format="png", quality=95, lossless=False)


def pixels_of(file: File) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(file.data)))


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
def test_picture_and_thumbnail_are_signed(kind: str) -> None:
    encoding = Encoding(format=kind, quality=95, lossless=False)
    finished = finish(Picture(scene(800, 600)), mark(), encoding, credentials(), TOOLS)
    for file in (finished.picture, finished.thumbnail):
        assert read(file)["validation_state"] == "Valid"
        assert file.sha256 == hashlib.sha256(file.data).hexdigest()
        assert file.media_type == f"image/{kind}"
    assert max(pixels_of(finished.thumbnail).shape) == 384


def test_everything_describes_the_marked_pixels() -> None:
    what = mark(scale=60, position="center")
    finished = finish(Picture(scene()), what, PNG, credentials(), TOOLS)
    marked = write(lay(scene(), what, Stamps()), IDENTITY, KEYS.writing)
    assert (pixels_of(finished.picture) == marked).all()
    assert (pixels_of(finished.thumbnail) == marked).all()
    assert (finished.fingerprint, finished.fingerprint_quality) == fingerprint(marked)
    assert finished.fingerprint != fingerprint(scene()).digits


def test_picture_carries_the_identity_that_its_credentials_name() -> None:
    order = credentials()
    finished = finish(Picture(scene(1344, 768)), None, PNG, order, TOOLS)
    reading = invisible.read(pixels_of(finished.picture), KEYS.reading)
    assert reading
    assert f"{bits_of(reading.soft):016x}" == order.invisible_id == finished.invisible_id
    assert reading.version == finished.invisible_key == 7


def test_watermark_is_told_as_it_was_laid() -> None:
    upload = mark(block(336, 192), scale=100)
    finished = finish(Picture(scene()), upload, PNG, credentials(), TOOLS)
    assert (finished.watermark_share, finished.watermark_scale) == (1, 100)
    for file in (finished.picture, finished.thumbnail):
        created, placed, _ = assertion(read(file), "c2pa.actions.v2")["actions"]
        assert (created["digitalSourceType"], placed["action"]) == (COMPOSITE, "c2pa.placed")


@pytest.mark.parametrize("nothing", [None, mark(opacity=0), mark(block(colour=(0, 0, 0, 0)))])
def test_picture_on_which_nothing_was_laid_is_the_models_alone(nothing: Watermark | None) -> None:
    finished = finish(Picture(scene()), nothing, PNG, credentials(), TOOLS)
    assert finished.watermark_share == 0
    report = read(finished.picture)
    assert [action["action"] for action in assertion(report, "c2pa.actions.v2")["actions"]] == [
        "c2pa.created",
        "c2pa.watermarked.bound",
    ]
    assert assertion(report, "c2pa.actions.v2")["actions"][0]["digitalSourceType"] == AI_MADE


def test_bounded_watermark_is_laid_smaller_and_told_so() -> None:
    upload = mark(block(336, 192), scale=100)
    tools = Tools(SIGNATORY, KEYS.writing, max_watermark_share=0.1)
    finished = finish(Picture(scene()), upload, PNG, credentials(), tools)
    assert (finished.watermark_scale, 0.09 < finished.watermark_share <= 0.1) == (31, True)
    smaller = finish(Picture(scene()), mark(block(336, 192), scale=31), PNG, credentials(), TOOLS)
    assert (pixels_of(finished.picture) == pixels_of(smaller.picture)).all()


def test_picture_without_an_identity_is_not_finished() -> None:
    with pytest.raises(ValueError, match="base 16"):
        finish(Picture(scene()), None, PNG, credentials(invisible_id=""), TOOLS)


def test_picture_that_came_in_is_not_changed() -> None:
    pixels = scene()
    finish(Picture(pixels), mark(), PNG, credentials(), TOOLS)
    assert (pixels == scene()).all()


def test_every_stage_is_timed() -> None:
    finished = finish(Picture(scene()), mark(), PNG, credentials(), TOOLS)
    assert list(finished.timings_ms) == [
        "mark",
        "invisible_mark",
        "fingerprint",
        "encode",
        "sign",
        "thumbnail",
    ]
    assert min(finished.timings_ms.values()) >= 0


class NotingSignatory(Signatory):
    """Signs, and remembers on which threads."""

    def __init__(self, data_dir: Path) -> None:
        self.threads: list[str] = []
        super().__init__(load_certificate(Settings(data_dir=data_dir)))

    def sign(self, file: File, credentials: Credentials) -> File:
        self.threads.append(threading.current_thread().name)
        return super().sign(file, credentials)


async def test_work_happens_off_the_event_loop(tmp_path: Path) -> None:
    with NotingSignatory(tmp_path) as signatory:
        signatory.threads.clear()
        async with Finisher.start(Tools(signatory, KEYS.writing), threads=2) as finisher:
            work = (finisher.finish(Picture(scene()), None, PNG, credentials()) for _ in range(6))
            await asyncio.gather(*work)
    assert len(signatory.threads) == 12  # picture and thumbnail
    assert set(signatory.threads) <= {"finish_0", "finish_1"}


async def test_finisher_signs_with_the_settings_certificate(tmp_path: Path) -> None:
    async with Finisher.open(Settings(data_dir=tmp_path), KEYS) as finisher:
        finished = await finisher.finish(Picture(scene()), None, PNG, credentials())
    assert read(finished.picture)["validation_state"] == "Valid"
    assert (tmp_path / "credentials" / "chain.pem").exists()


async def test_bad_certificate_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError):
        async with Finisher.open(Settings(data_dir=tmp_path, c2pa_key=tmp_path / "key.pem"), KEYS):
            pass
