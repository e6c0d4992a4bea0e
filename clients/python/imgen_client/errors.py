"""One exception for each kind of thing that can go wrong."""

from collections.abc import Sequence


class ImgenError(Exception):
    """Of every error of this package."""

    transient = False
    """Whether the same request may succeed a moment later. The client has then tried that already."""


class Refusal(ImgenError):
    """The server answered, and refused."""

    def __init__(
        self,
        status: int,
        words: str,
        *,
        detail: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{words}: {detail}" if detail else words)
        self.status = status  # of HTTP
        self.words = words  # the API's own
        self.detail = detail  # a sentence more
        self.request_id = request_id  # by which the server's log knows this answer
        self.retry_after = retry_after  # seconds, where the server said so
        # With a detail it tells of what a moment does not change, such as a model without weights.
        self.transient = status in (408, 429) or (status >= 500 and not detail)


class BadRequest(Refusal):
    """400: the request itself is wrong; the words say what."""


class Unauthorized(Refusal):
    """401: no key, or one that is unknown or disabled."""


class Forbidden(Refusal):
    """403: the key was made for something else; or a link that has expired."""


class NotFound(Refusal):
    """404: `cache_only`, and there is no such picture; or an address that the server does not have."""


class Conflict(Refusal):
    """409: the idempotency key was used for another request; or the job is finished already."""


class TooLarge(Refusal):
    """413."""


class RateLimited(Refusal):
    """429: more than this key may; `retry_after` says when."""


class Unavailable(Refusal):
    """503: busy, full or shutting down; `retry_after` says when to come again."""


class QueueFull(Unavailable):
    """503: as many jobs wait as may; `retry_after` says when to come again."""


class ServerError(Refusal):
    """Any other 5xx."""


_BY_STATUS: dict[int, type[Refusal]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: RateLimited,
    503: Unavailable,
}


def kind_of_refusal(status: int, words: str) -> type[Refusal]:
    if words == "Queue is full":
        return QueueFull
    return _BY_STATUS.get(status, ServerError if status >= 500 else Refusal)


class Unreachable(ImgenError):
    """No answer came, however often it was asked."""

    transient = True

    def __init__(self, words: str, *, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused  # nothing listens there, so nothing was asked


class NotImgen(ImgenError):
    """Something answered, but not as an imgen server does."""


class JobError(ImgenError):
    """A job that ended without a picture."""

    def __init__(self, job_id: str, words: str) -> None:
        super().__init__(words)
        self.job_id = job_id


class Blocked(JobError):
    """The reviewer found the picture unsafe."""

    def __init__(self, job_id: str, words: str, categories: Sequence[str], unsafe_url: str | None) -> None:
        super().__init__(job_id, words)
        self.categories = tuple(categories)  # ids of the ruleset's categories that it fell under
        self.unsafe_url = unsafe_url  # of the picture, for moderators; None: there is none for this key


class Failed(JobError):
    """It could not be made, or not be reviewed."""


class TimedOut(JobError):
    """The server did not make it in time."""


class Cancelled(JobError):
    """Somebody called `cancel`."""


class ForgedWebhook(ImgenError):
    """A webhook that was not sent by the server that the secret is of, or is too old."""
