"""The code blocks of a README."""

import re
from pathlib import Path

from frontend.settings import ROOT


def blocks(path: str, language: str) -> list[str]:
    text = (ROOT / Path(path)).read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"{path} shows no {language}"
    return found
