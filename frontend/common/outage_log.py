"""An outage is logged when it begins and when it ends, however many failures lie between."""

import logging

from redis.exceptions import RedisError


class OutageLog:
    def __init__(self, log: logging.Logger, name: str) -> None:
        self._log = log
        self._name = name
        self.lasts = False

    def failed(self, reason: Exception | str) -> None:
        """`reason`: an exception, or words where its own could tell a secret."""
        if not self.lasts:
            self.lasts = True
            # That a service is away needs no traceback; whatever else comes here is a fault of ours.
            trace = None if isinstance(reason, OSError | RedisError | str) else reason
            self._log.warning("%s: %s", self._name, reason, exc_info=trace)

    def succeeded(self) -> None:
        if self.lasts:
            self.lasts = False
            self._log.warning("%s: works again", self._name)
