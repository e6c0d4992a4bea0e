"""What an error of S3 says of the settings."""

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as S3ConnectionError

_BUCKET, _REGION, _ENDPOINT = "IMGEN_S3_BUCKET", "IMGEN_S3_REGION", "IMGEN_S3_ENDPOINT"
_NO_CREDENTIALS = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: there are none, or a part is missing"
_ENDED = "AWS_SESSION_TOKEN: these temporary credentials have ended"
_FORBIDDEN = f"{_BUCKET}: these credentials may not both write and read objects of this bucket"
_ELSEWHERE = f"{_REGION}: the bucket is in another region"
_NO_ENCRYPTION = "IMGEN_S3_ENCRYPTION: the object store does not know it"
_FULL = "the object store is full"
_BUSY = "the object store is out of order or too busy"
_NO_ANSWER = f"{_ENDPOINT}: nothing answers there"
# By the error code of the answer.
_CODES = {
    "NoSuchBucket": f"{_BUCKET}: there is no such bucket",
    "InvalidBucketName": f"{_BUCKET}: that is no name of a bucket",
    "AccessDenied": _FORBIDDEN,
    "AllAccessDisabled": _FORBIDDEN,
    "403": _FORBIDDEN,
    "InvalidAccessKeyId": "AWS_ACCESS_KEY_ID: the object store does not know this key",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY: the object store has another secret for this key",
    "InvalidToken": "AWS_SESSION_TOKEN: the object store does not take it",
    "ExpiredToken": _ENDED,
    "ExpiredTokenException": _ENDED,
    "TokenRefreshRequired": _ENDED,
    "RequestTimeTooSkewed": "the clock: this machine's and the object store's differ by many minutes",
    "RequestExpired": "the clock: this machine's and the object store's differ by many minutes",
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "PermanentRedirect": _ELSEWHERE,
    "IllegalLocationConstraintException": _ELSEWHERE,
    "301": _ELSEWHERE,
    "InvalidEncryptionAlgorithmError": _NO_ENCRYPTION,
    "ServerSideEncryptionConfigurationNotFoundError": _NO_ENCRYPTION,
    "NotImplemented": _NO_ENCRYPTION,
    "QuotaExceeded": _FULL,
    "XMinioStorageFull": _FULL,
    "XMinioAdminBucketQuotaExceeded": _FULL,
    "507": _FULL,
    "InternalError": _BUSY,
    "ServiceUnavailable": _BUSY,
    "SlowDown": _BUSY,
    "500": _BUSY,
    "502": _BUSY,
    "503": _BUSY,
}
# By the library's own error, where there was no answer; the first row that fits counts.
_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (NoCredentialsError, _NO_CREDENTIALS),
    (PartialCredentialsError, _NO_CREDENTIALS),
    (CredentialRetrievalError, "AWS credentials: where they come from gives none"),
    (TokenRetrievalError, "AWS credentials: where they come from gives none"),
    (ProfileNotFound, "AWS_PROFILE: there is no such profile"),
    (ParamValidationError, f"{_BUCKET}: that is no name of a bucket"),
    (SSLError, f"{_ENDPOINT}: its certificate is of no authority that is known here (AWS_CA_BUNDLE)"),
    (S3ConnectionError, _NO_ANSWER),
    (HTTPClientError, _NO_ANSWER),
    (OSError, _NO_ANSWER),
    (ValueError, f"{_ENDPOINT}: that is no URL of a server"),
    (BotoCoreError, f"{_ENDPOINT}: what answers there is no S3"),
)
_CODE = re.compile(r"[A-Za-z0-9.]{1,60}")


def s3_fault(error: BaseException | None) -> str:
    """In one line for operators: the setting to look at and what came back; no URL, key or secret."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        code = code if _CODE.fullmatch(code) else "an error without a code"
        words = _CODES.get(code, f"{_ENDPOINT}, {_BUCKET}: the object store refuses")
        return f"{words} ({code})"
    for kind, words in _KINDS:
        if isinstance(error, kind):
            return f"{words} ({type(error).__name__})"
    return f"{_ENDPOINT}: {type(error).__name__}"
