import pytest

from frontend.storage import StorageError
from frontend.storage.protocol import MAX_OBJECT_BYTES, check_filename, check_key, check_object, media_type_of
from tests.frontend.storage.keys import FILENAME, JPEG, KEY

FORBIDDEN_KEYS = [
    "",
    "/",
    "/etc/x.jpg",
    "../x.jpg",
    "a/../x.jpg",
    "a/./x.jpg",
    "a//x.jpg",
    "a/x.jpg/",
    ".writing/x.jpg",
    "a/.hidden.jpg",
    "-x.jpg",
    "a b.jpg",
    "a\\x.jpg",
    "a%2F..%2Fx.jpg",
    "x.jpg\n",
    "x\0.jpg",
    "bücher.jpg",
    "a?x.jpg",
    "a/" * 16 + "x.jpg",
    "x" * 197 + ".jpg",
]


def test_the_workers_keys_are_permitted() -> None:
    assert check_key(KEY) == KEY
    assert check_filename(FILENAME) == FILENAME


@pytest.mark.parametrize("key", FORBIDDEN_KEYS)
def test_key_that_could_leave_the_folder_or_mean_another_is_refused(key: str) -> None:
    with pytest.raises(StorageError, match="refused"):
        check_key(key)


@pytest.mark.parametrize(
    "filename", ['a".jpg', "a\r\nX: y.jpg", "a/b.jpg", "..", ".jpg", "x.html", "é.jpg", ""]
)
def test_filename_of_no_picture_is_refused(filename: str) -> None:
    with pytest.raises(StorageError, match="refused"):
        media_type_of(filename)


def test_only_pictures_of_a_permitted_size_are_stored() -> None:
    check_object(KEY, b"x", JPEG)
    for key, size, media_type in (
        (KEY, 1, "text/html"),
        ("a.html", 1, JPEG),
        (KEY, MAX_OBJECT_BYTES + 1, JPEG),
    ):
        with pytest.raises(StorageError, match="refused"):
            check_object(key, bytes(size), media_type)
