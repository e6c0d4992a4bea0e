"""python deploy/lifecycle.py: gives the bucket of IMGEN_S3_BUCKET the rule of s3-lifecycle.json.

Replaces the bucket's whole lifecycle configuration. Running it again changes nothing.
"""

import json
import sys
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from frontend.common.errors import SettingError
from frontend.settings import Settings, load

RULE = Path(__file__).with_name("s3-lifecycle.json")


def apply(settings: Settings) -> None:
    """Raises SettingError, BotoCoreError or ClientError."""
    if not settings.s3_bucket:
        raise SettingError("IMGEN_S3_BUCKET is not set")
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint or None,
        region_name=settings.s3_region,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": settings.s3_addressing},
            connect_timeout=5,
            read_timeout=20,
            retries={"total_max_attempts": 5, "mode": "standard"},
        ),
    )
    client.put_bucket_lifecycle_configuration(
        Bucket=settings.s3_bucket, LifecycleConfiguration=json.loads(RULE.read_text())
    )


def main() -> int:
    try:
        settings = load()
        apply(settings)
    except (SettingError, BotoCoreError, ClientError) as error:
        print(f"lifecycle: {error}", file=sys.stderr)
        return 1
    print(f"lifecycle: set on {settings.s3_bucket}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
