"""The API server as a part: `imgen serve` as in production, told by environment where the others are."""

import sys
from collections.abc import Mapping

from embedded.part import SystemPart
from embedded.readiness import answers
from frontend.net.public_url import local_url
from frontend.settings import ROOT, Settings


def frontend_part(settings: Settings, environment: Mapping[str, str]) -> SystemPart:
    url = local_url(settings)
    return SystemPart(
        name="frontend",
        title="API server",
        url=url,
        listens_at=settings.port,
        command=(sys.executable, "-m", "cli.main", "serve"),
        environment={
            "PYTHONPATH": str(ROOT),
            "IMGEN_HOST": settings.host,
            "IMGEN_PORT": str(settings.port),
            "IMGEN_DATA_DIR": str(settings.data_dir.resolve()),
            "IMGEN_ROLE": "all",  # there is no other process that would do the rest
            "IMGEN_DRAIN_S": "0",  # and no balancer to tell
            **environment,
        },
        # Its settings, the object store's, and how both are reached.
        inherits=("IMGEN_*", "AWS_*", "*_PROXY", "*_proxy", "SSL_CERT_*", "REQUESTS_CA_BUNDLE"),
        # Listening is enough: /readyz may wait for an outside part that `imgen up` has no say in.
        ready=lambda: answers(f"{url}/healthz"),
        stop_timeout_s=30.0,
    )
