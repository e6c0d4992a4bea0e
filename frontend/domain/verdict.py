"""What the reviewer said of one picture's exact bytes (`sha256`)."""

from contract.acs import Review


class Verdict(Review, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stored as JSON beside the job."""

    ruleset: str
    ruleset_version: str = ""  # as the reviewer calls it; "" where it says none
    when: str  # RFC 3339, UTC
    took_ms: float = 0.0

    @property
    def summary(self) -> str:
        """What a client is told of a blocked picture."""
        names = ", ".join(category.name for category in self.categories)
        return f"Content blocked — flagged for: {names}."
