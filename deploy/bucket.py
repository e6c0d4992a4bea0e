"""python deploy/bucket.py: gives the bucket of IMGEN_S3_BUCKET the rules of s3-lifecycle.json and
s3-cors.json, the latter for the origins in IMGEN_CORS_ORIGINS.

Replaces the bucket's whole lifecycle and CORS configuration. Running it again changes nothing.
"""

import json
import sys
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from frontend.common.errors import SettingError
from frontend.settings import Settings, load

LIFECYCLE, CORS = (Path(__file__).with_name(name) for name in ("s3-lifecycle.json", "s3-cors.json"))


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
        Bucket=settings.s3_bucket, LifecycleConfiguration=json.loads(LIFECYCLE.read_text())
    )
    if not settings.cors_origins:
        client.delete_bucket_cors(Bucket=settings.s3_bucket)
        return
    rules = json.loads(CORS.read_text())
    for rule in rules["CORSRules"]:
        rule["AllowedOrigins"] = list(settings.cors_origins)
    client.put_bucket_cors(Bucket=settings.s3_bucket, CORSConfiguration=rules)


def main() -> int:
    try:
        settings = load()
        apply(settings)
    except (SettingError, BotoCoreError, ClientError) as error:
        print(f"bucket: {error}", file=sys.stderr)
        return 1
    print(f"bucket: {settings.s3_bucket} has its rules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
