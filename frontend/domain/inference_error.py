"""Why there is no picture, and who is to blame."""

import enum


class FailureScope(enum.Enum):
    """What was to blame for there being no answer, and so what another try can change."""

    ORDER = enum.auto()  # no server will ever take it
    WORK = enum.auto()  # it was worked on in vain, and may have brought the server down
    SERVERS = enum.auto()  # nobody began with it: busy, out of reach, starting or going down


class InferenceError(Exception):
    """No picture, or no answer of another model. One line for logs, never for clients."""

    def __init__(self, message: str, scope: FailureScope = FailureScope.WORK) -> None:
        super().__init__(message)
        self.scope = scope
