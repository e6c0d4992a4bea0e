"""What the reviewer said of one picture's exact bytes."""

from typing import Annotated

from msgspec import Meta

from contract.acs import Review


class Verdict(Review, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stored as JSON beside the job."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]  # of the picture's final bytes
    ruleset: str
    ruleset_version: str = ""  # as the reviewer calls it; "" where it says none
    when: str  # RFC 3339, UTC
    took_ms: float = 0.0

    @property
    def summary(self) -> str:
        """What a client is told of a blocked picture."""
        names = ", ".join(category.name for category in self.categories)
        return f"Content blocked — flagged for: {names}."
