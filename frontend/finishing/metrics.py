"""Gauges of the certificate that content credentials are signed by."""

import datetime

from prometheus_client import Gauge

from frontend.finishing.certificate import Certificate

EXPIRES = Gauge(
    "imgen_certificate_expires_timestamp_seconds", "When the content credentials' certificate ends, Unix time"
)
EXPIRING = Gauge("imgen_certificate_expiring", "1 from 30 days before that certificate's end on")


async def refresh(certificate: Certificate) -> None:
    EXPIRES.set(certificate.expires.timestamp())
    EXPIRING.set(bool(certificate.warning(datetime.datetime.now(datetime.UTC))))
