"""The errors that packages share: what a client is told, and what an operator is told."""

from collections.abc import Mapping
from types import MappingProxyType

GENERATION_FAILED = "Generation failed"


class ApiError(Exception):
    """A refusal that is rendered as `{"error": message}`, with `detail` where there is one.

    The words are for clients: never a path, a secret, a host name or another exception's text.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        detail: str = "",
        code: str = "",
        param: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.detail = detail  # a sentence more; the message is the published one
        self.headers = headers
        self.code, self.param = code, param  # for programs, in the form that has them (http/openai_error.py)


class SettingError(Exception):
    """One line that names the setting, where it came from, and what was expected."""


class CatalogueError(Exception):
    """One line that names the file, the key, and what was expected there."""
