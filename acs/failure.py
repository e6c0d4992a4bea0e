"""The one error type of the reviewer."""


class Failure(Exception):
    """No verdict: rendered as `{"error": message}` with `status`. The words hold no URL and no prompt."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
