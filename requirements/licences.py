"""Whether every package of every environment has a licence that it may have: python requirements/licences.py

Reads what is installed on this machine, and says what is not. licences.toml has the rules.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import Distribution, distributions
from typing import Any

import lock
from boolean.boolean import ParseError
from license_expression import (
    ExpressionError,
    LicenseExpression,
    LicenseWithExceptionSymbol,
    get_spdx_licensing,
)
from packaging.utils import canonicalize_name

VENV = lock.HERE.parent / ".venv"
IN_ANOTHER = {
    "frontend": "",
    "dev": "",
    "uv": "",
    "export-dev": "parts/export",
}  # whose packages lie together
SPDX = get_spdx_licensing()


@dataclass(frozen=True)
class LicenceRules:
    table: Mapping[str, Any]

    def licence(self, package: str, distribution: Distribution) -> str:
        """An SPDX expression; "" where nothing can be read."""
        if package in self.table["files"]:
            return str(self.table["files"][package])
        for words in _said(distribution):
            if words in self.table["words"]:
                return str(self.table["words"][words])
            if _is_spdx(words):
                return words
        own = (each["licence"] for each in self.table["permitted"] if self._names(each, package))
        return next((licence for licence in own if licence.startswith("LicenseRef-")), "")

    def permits(self, package: str, licence: str, environment: str) -> bool:
        if any(
            licence.removesuffix("-only") == given["licence"].removesuffix("-only")
            and environment in given["environments"]
            and self._names(given, package)
            for given in self.table["permitted"]
        ):
            return True
        return _is_spdx(licence) and self._allows(SPDX.parse(licence))

    def _allows(self, node: LicenseExpression) -> bool:
        if isinstance(node, SPDX.AND):
            return all(map(self._allows, node.args))
        if isinstance(node, SPDX.OR):
            return any(map(self._allows, node.args))
        if isinstance(node, LicenseWithExceptionSymbol):
            known = node.exception_symbol.key in self.table["exceptions"]
            return known and node.license_symbol.key in self.table["allowed"]
        return node.key in self.table["allowed"]

    @staticmethod
    def _names(given: Mapping[str, Any], package: str) -> bool:
        return any(fnmatchcase(package, pattern) for pattern in given["packages"])


def rules() -> LicenceRules:
    return LicenceRules(tomllib.loads((lock.HERE / "licences.toml").read_text()))


@cache
def installed(environment: str) -> Mapping[str, Distribution]:
    """By canonical name; nothing where the environment is not built here."""
    folder = VENV / IN_ANOTHER.get(environment, f"parts/{environment}")
    sites = [str(site) for site in folder.glob("lib/python3.*/site-packages")]
    return {canonicalize_name(each.metadata["Name"]): each for each in distributions(path=sites)}


def absent() -> dict[str, list[str]]:
    """Environment → packages of its lock that are not on this machine, and so not looked at."""
    found = {name: sorted(lock.pins(name).keys() - installed(name).keys()) for name in lock.environments()}
    return {name: packages for name, packages in found.items() if packages}


def mistakes() -> Iterator[str]:
    known = rules()
    for environment in lock.environments():
        here = installed(environment)
        for package in lock.pins(environment).keys() & here.keys():
            licence = known.licence(package, here[package])
            if not licence:
                yield f"{environment}: {package} says nothing that can be read: licences.toml has to"
            elif not known.permits(package, licence, environment):
                yield f"{environment}: {package} has {licence}, which is not permitted there"


def _said(distribution: Distribution) -> Iterator[str]:
    """The clearest first."""
    metadata = distribution.metadata
    for name in ("License-Expression", "License"):
        if words := metadata.get(name):
            yield " ".join(words.split()).removeprefix("OSI Approved :: ")
    for classifier in metadata.get_all("Classifier", []):
        if classifier.startswith("License ::"):
            yield classifier.rpartition(" :: ")[2]


def _is_spdx(words: str) -> bool:
    try:
        return SPDX.parse(words, validate=True) is not None
    except (ExpressionError, ParseError):
        return False


if __name__ == "__main__":
    for environment, packages in absent().items():
        print(f"{environment}: {len(packages)} packages are not installed, not looked at", file=sys.stderr)
    found = sorted(mistakes())
    sys.exit("\n".join(found) if found else 0)
