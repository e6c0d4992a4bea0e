"""What software that knows nothing of C2PA reads in our files: ExifTool, Pillow and an XML parser."""

import io
import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from frontend.domain.picture import Encoding, File, Picture
from frontend.finishing.embed import embed
from frontend.finishing.encode import encode
from frontend.finishing.finish import finish
from frontend.finishing.metadata import MAX_XMP_BYTES, iim, xmp
from tests.programs import needs

from .pictures import credentials, mark, scene
from .test_credentials import AI_MADE, COMPOSITE, FORMATS, SIGNATORY, assertion, plain, read, signed
from .test_finish import TOOLS
from .test_second_reader import second

LOSSY_AND_NOT = [(kind, lossless) for kind in FORMATS for lossless in (False, True)]
NAMES = ("author", "title", "description", "organization", "vendor")
NOBODY = credentials(**dict.fromkeys(NAMES, ""))
HOSTILE = [
    "</rdf:li></rdf:Alt></dc:title><dc:rights>mine</dc:rights>",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y; &amp; ]]> <![CDATA[ <?xpacket end='w'?>",
    "\"}],{[\\u0000 'x' \x00\x01\x1b[31m\r\n\t8BIM\x1c\x02\x50",
    "\ud83d \ufffe\uffff \u202egpj.exe",
    "灯台 👩‍🚀🏳️‍🌈 — 20 °C",
    "&" * 4000,
    "👩" * 4000,
]


def exiftool(file: File, folder: Path) -> dict[str, Any]:
    """Tags by group and name; what it finds wrong with the file is among them."""
    path = folder / f"picture.{file.extension}"
    path.write_bytes(file.data)
    options = ("-json", "-G1", "-n", "-validate", "-warning", "-error", "-a", "-all")
    done = subprocess.run([needs("exiftool"), *options, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (tags,) = json.loads(done.stdout)
    return dict(tags)


def packet(file: File) -> ET.Element:
    """The XMP packet, as Pillow finds it, parsed."""
    with Image.open(io.BytesIO(file.data)) as picture:
        picture.load()
        text = picture.info.get("xmp") or picture.info["XML:com.adobe.xmp"]
    return ET.fromstring(text)


def texts(root: ET.Element) -> dict[str, str]:
    """Of the one description: property to its text."""
    (description,) = root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    return {child.tag.split("}")[1]: "".join(child.itertext()).strip() for child in description}


@pytest.mark.parametrize(("kind", "lossless"), LOSSY_AND_NOT)
@pytest.mark.parametrize(("share", "source"), [(0.0, AI_MADE), (0.25, COMPOSITE)])
def test_exiftool_reads_who_what_and_how(
    tmp_path: Path, kind: str, lossless: bool, share: float, source: str
) -> None:
    tags = exiftool(signed(kind, credentials(watermark_share=share), lossless), tmp_path)
    assert tags["XMP-iptcExt:DigitalSourceType"] == source
    assert tags["XMP-dc:Creator"] == "Aya"
    assert tags["XMP-dc:Title"] == "AI Image"
    assert tags["XMP-dc:Description"] == "A lighthouse at dusk"
    assert tags["XMP-dc:Publisher"] == "Harbour Prints"
    assert tags["XMP-photoshop:Credit"] == "imgen"
    assert not {name for name in tags if name.endswith((":Warning", ":Error"))}, tags


def test_exiftool_reads_iptc_of_a_jpeg(tmp_path: Path) -> None:
    who = credentials(title="Hafen " * 40, author="灯台守" * 20)
    tags = exiftool(signed("jpeg", who), tmp_path)
    assert tags["IPTC:Caption-Abstract"] == "A lighthouse at dusk"
    assert tags["IPTC:Credit"] == "imgen"
    assert tags["IPTC:By-line"] == "灯台守灯台守灯台守灯"  # as much as IPTC has room for, no character cut
    assert tags["IPTC:ObjectName"] == ("Hafen " * 40)[:64].strip()
    assert tags["XMP-dc:Title"] == ("Hafen " * 40).strip()
    assert tags["Photoshop:IPTCDigest"] == tags["File:CurrentIPTCDigest"]
    assert not {name for name in tags if name.endswith((":Warning", ":Error"))}, tags


@pytest.mark.parametrize(("kind", "lossless"), LOSSY_AND_NOT)
def test_others_read_it_too_and_see_the_same_pixels(kind: str, lossless: bool) -> None:
    file = signed(kind, lossless=lossless)
    said = texts(packet(file))
    assert said == {
        "DigitalSourceType": AI_MADE,
        "creator": "Aya",
        "title": "AI Image",
        "description": "A lighthouse at dusk",
        "publisher": "Harbour Prints",
        "Credit": "imgen",
    }
    ours, theirs = (np.asarray(Image.open(io.BytesIO(one.data))) for one in (file, plain(kind, lossless)))
    assert (ours == theirs).all()


@pytest.mark.parametrize(("kind", "lossless"), LOSSY_AND_NOT)
@pytest.mark.parametrize("size", [(1, 1), (37, 23), (64, 1), (1344, 768)])
def test_picture_of_any_size_stays_what_it_was(
    tmp_path: Path, kind: str, lossless: bool, size: tuple[int, int]
) -> None:
    bare = encode(scene(*size), Encoding(format=kind, quality=90, lossless=lossless))
    data = embed(bare, xmp(credentials()), iim(credentials()))
    before, after = (Image.open(io.BytesIO(one)) for one in (bare.data, data))
    assert (before.size, before.mode, size) == (after.size, after.mode, size)
    assert (np.asarray(before) == np.asarray(after)).all()
    tags = exiftool(File(data=data, media_type=bare.media_type, extension=bare.extension), tmp_path)
    assert tags["XMP-dc:Creator"] == "Aya"
    assert not {name for name in tags if name.endswith((":Warning", ":Error"))}, tags


@pytest.mark.parametrize(
    "file",
    [
        signed("webp"),
        signed("avif"),
        File(data=b"\xff\xd8\xff\xdb", media_type="image/jpeg", extension="jpg"),
        File(data=b"RIFF", media_type="image/webp", extension="webp"),
        File(data=b"", media_type="image/avif", extension="avif"),
    ],
    ids=["webp with more", "avif with more", "jpeg without JFIF", "cut webp", "no avif"],
)
def test_file_that_no_encoder_of_ours_wrote_is_refused(file: File) -> None:
    """It would be broken by bytes in a wrong place."""
    with pytest.raises(ValueError, match="expected"):
        embed(file, b"", b"")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text_and_what_the_manifest_says(kind: str, text: str) -> None:
    file = signed(kind, credentials(**dict.fromkeys(NAMES, text)))
    said, signed_texts = texts(packet(file)), assertion(read(file), "cawg.metadata")
    assert set(said) == {"DigitalSourceType", "creator", "title", "description", "publisher", "Credit"}
    assert [said["creator"]] == signed_texts["dc:creator"]
    assert [said["publisher"]] == signed_texts["dc:publisher"]
    assert (said["title"], said["Credit"]) == (signed_texts["dc:title"], signed_texts["photoshop:Credit"])
    assert said["description"] == signed_texts["dc:description"]
    assert second(file)["validation_state"] == "Trusted"


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_the_text_is_metadata_are_bounded(text: str) -> None:
    who = credentials(**dict.fromkeys(NAMES, text))
    assert len(xmp(who)) <= MAX_XMP_BYTES
    assert len(iim(who)) <= 4096


@pytest.mark.parametrize("kind", FORMATS)
def test_what_nobody_said_is_left_out(kind: str) -> None:
    file = signed(kind, NOBODY)
    assert texts(packet(file)) == {"DigitalSourceType": AI_MADE}
    assert b"8BIM" not in file.data


@pytest.mark.parametrize("kind", FORMATS)
def test_prompt_is_not_among_it_even_where_the_credentials_tell_it(kind: str) -> None:
    who = credentials(prompt="a heron in the reeds")
    with_prompt = type(SIGNATORY)(SIGNATORY.certificate, with_prompt=True)
    with with_prompt as signatory:
        file = signatory.sign(plain(kind), who)
    assert "heron" in json.dumps(read(file))
    assert "heron" not in "".join(texts(packet(file)).values())
    assert b"heron" not in xmp(who) + iim(who)


@pytest.mark.parametrize("kind", FORMATS)
def test_signature_covers_it(kind: str) -> None:
    data = signed(kind).data
    place = data.index(b"Harbour", data.index(b"xmpmeta"))
    changed = data[:place] + b"Hardour" + data[place + 7 :]
    report = read(File(data=changed, media_type=f"image/{kind}", extension=kind))
    assert report["validation_state"] == "Invalid"


@pytest.mark.parametrize("kind", FORMATS)
def test_picture_and_thumbnail_have_it_and_it_costs_little(kind: str) -> None:
    encoding = Encoding(format=kind, quality=95, lossless=False)
    finished = finish(Picture(scene(1344, 768)), mark(), encoding, credentials(), TOOLS)
    for file in (finished.picture, finished.thumbnail):
        assert texts(packet(file))["DigitalSourceType"] == COMPOSITE
        assert texts(packet(file))["creator"] == "Aya"
    bare = encode(scene(), encoding)
    who = credentials()
    assert len(embed(bare, xmp(who), iim(who))) - len(bare.data) < 1400
