import logging

import pytest

from frontend.keys.redaction import RedactingFormatter, redact
from frontend.keys.secret import PresentedSecret, new_secret

KEY = new_secret()


@pytest.mark.parametrize(
    "text",
    [
        f"no such key: {KEY}",
        f"{{'Authorization': 'Bearer {KEY}'}}",
        f'b"authorization: bearer {KEY}\\r\\n"',
        f"?key={KEY}&more",
        KEY[:20],
    ],
)
def test_key_is_not_in_what_is_logged(text: str) -> None:
    shown = redact(text)
    assert KEY[:20] not in shown and "[key]" in shown
    assert redact("imgen 0.1.0 serving on 127.0.0.1:8080") == "imgen 0.1.0 serving on 127.0.0.1:8080"


def test_what_was_sent_as_a_key_is_not_in_what_is_logged_either() -> None:
    assert redact("Authorization: Bearer s3cret, X: y") == "Authorization: [key], X: y"


def test_webhook_secret_is_not_in_what_is_logged() -> None:
    assert redact("signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw+/8=, so") == "signed with [key], so"


def test_traceback_is_redacted_too(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(message)s"))
    log = logging.Logger("a test's own")
    log.addHandler(handler)
    try:
        raise ValueError(KEY)
    except ValueError:
        log.exception("failed for %s", KEY)
    shown = capsys.readouterr().err
    assert "Traceback" in shown and KEY not in shown


def test_presented_secret_shows_itself_in_no_text() -> None:
    secret = PresentedSecret.from_header(f"Bearer {KEY}")
    assert secret is not None
    assert KEY not in f"{secret} {secret!r} {[secret]} {vars(type(secret))}"
    assert PresentedSecret.from_header("Bearer other") is None
