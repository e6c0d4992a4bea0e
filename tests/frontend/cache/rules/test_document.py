"""docs/cache.md has every rule, in its order."""

import re

from frontend.cache.rules.table import RULES
from frontend.settings import ROOT


def test_every_rule_is_told_in_its_order() -> None:
    text = (ROOT / "docs" / "cache.md").read_text()
    section = text.partition("## The rules")[2].partition("## How well")[0]
    told = re.findall(r"^\| ([a-z ]+) \|", section, re.MULTILINE)
    assert [name for name in told if name != "rule"] == [rule.name for rule in RULES]
