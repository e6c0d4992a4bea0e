"""A fault that lasts is logged once, and once more when it is over."""

import logging


class Trouble:
    def __init__(self, log: logging.Logger, name: str) -> None:
        self._log = log
        self._name = name
        self._there = False

    def seen(self, reason: object) -> None:
        if not self._there:
            self._there = True
            self._log.warning("%s: %s", self._name, reason)

    def over(self) -> None:
        if self._there:
            self._there = False
            self._log.warning("%s: works again", self._name)
