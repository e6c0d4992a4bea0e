from collections.abc import Iterator

import pytest

from tests.system.running import System, running


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running(tmp_path_factory.mktemp("system")) as system:
        yield system
