"""One thing that `imgen doctor` has looked at."""

import enum
from dataclasses import dataclass


class Soundness(enum.Enum):
    GOOD = enum.auto()
    DOUBTFUL = enum.auto()  # it works, or may
    BAD = enum.auto()  # something does not


@dataclass(frozen=True)
class CheckResult:
    state: Soundness
    what: str
    told: str
    remedy: str = ""


def good(what: str, told: str) -> CheckResult:
    return CheckResult(Soundness.GOOD, what, told)


def doubtful(what: str, told: str, remedy: str = "") -> CheckResult:
    return CheckResult(Soundness.DOUBTFUL, what, told, remedy)


def bad(what: str, told: str, remedy: str = "") -> CheckResult:
    return CheckResult(Soundness.BAD, what, told, remedy)
