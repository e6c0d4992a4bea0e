"""An S3 server whose pictures a browser shows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.frontend.storage import servers
from tests.frontend.storage.keys import ACCESS_KEY, SECRET_KEY


@pytest.fixture
async def moto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    async for url in servers.moto(tmp_path):
        yield url
