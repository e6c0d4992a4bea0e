from tests.api.conftest import server

__all__ = ["server"]
