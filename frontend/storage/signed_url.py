"""The URL of an object, in a wrapping that no answer and no log can hold."""


class SignedUrl:
    """Whoever has one may fetch the object. Not a string, and not shown as one.

    Made by storage alone. Unwrapped for clients, who must have a verdict, in review/links.py, and for the
    reviewer in review/reviews.py.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "SignedUrl(...)"
