"""What `npm run build` in page/ has made: each file compressed, and all but the page named by a digest."""

from collections.abc import Mapping
from pathlib import Path

from frontend.http.document import IMMUTABLE, Document

BUILT = Path(__file__).with_name("built")
PAGE, FILES = "/", "/page/"
INDEX = "index.html"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


def built_page() -> Mapping[str, Document]:
    """By the path that each is served at."""
    return {_path(path.stem): _document(path) for path in sorted(BUILT.glob("*.gz"))}


def _path(name: str) -> str:
    return PAGE if name == INDEX else f"{FILES}{name}"


def _document(path: Path) -> Document:
    return Document(
        compressed=path.read_bytes(),
        media_type=_TYPES[Path(path.stem).suffix],
        cache=Document.cache if path.stem == INDEX else IMMUTABLE,
    )
