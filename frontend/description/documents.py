"""The documents that this server serves of itself."""

import functools
from collections.abc import Mapping
from pathlib import Path

import msgspec

from frontend.description.markdown import page_for_models
from frontend.description.openapi import openapi
from frontend.http.document import Document
from frontend.http.route import JSON, Route
from frontend.page.built_page import built_page
from frontend.routes import DOCS_FILES, HTML, MARKDOWN

HERE = Path(__file__).parent
SWAGGER_UI = HERE / "swagger_ui"
# Its icons are data URIs; all else is files of our own. Requests that are tried go to this server alone.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


@functools.lru_cache(maxsize=4)
def documents(routes: tuple[Route, ...]) -> Mapping[str, Document]:
    """By path. `routes`: those that are served."""
    told = Document.of(page_for_models(routes), MARKDOWN)
    return {
        "/openapi.json": Document.of(msgspec.json.encode(openapi(routes)), JSON),
        "/llm-docs": told,
        "/llms.txt": told,
        **built_page(),
        "/docs": Document.of((SWAGGER_UI / "page.html").read_bytes(), HTML, PAGE_POLICY),
        **{f"/docs/{name}": _file(name) for name in DOCS_FILES},
    }


def _file(name: str) -> Document:
    path, media_type = SWAGGER_UI / name, _TYPES[Path(name).suffix]
    if path.exists():
        return Document.of(path.read_bytes(), media_type)
    return Document(compressed=path.with_name(f"{name}.gz").read_bytes(), media_type=media_type)
