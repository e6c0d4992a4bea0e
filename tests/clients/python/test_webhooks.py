import pytest

from imgen_client import ForgedWebhook, webhooks
from tests.clients.webhook import BODY, FORGED, OTHER, SECRET, signed


@pytest.mark.parametrize(
    "secret", [SECRET, [OTHER, SECRET], SECRET.removeprefix("whsec_")], ids=["one", "two", "bare"]
)
@pytest.mark.parametrize("body", [BODY, BODY.encode()], ids=["text", "bytes"])
def test_webhook_of_the_secret_is_read(secret: str | list[str], body: str | bytes) -> None:
    headers = {name.title(): value for name, value in signed(by=(OTHER, SECRET)).items()}
    told = webhooks.verify(body, headers, secret)
    assert (told.status, told.error) == ("FAILED", "Generation failed – é")


@pytest.mark.parametrize("why", FORGED)
def test_webhook_that_is_not_of_the_secret_is_refused(why: str) -> None:
    body, headers = FORGED[why]()
    with pytest.raises(ForgedWebhook):
        webhooks.verify(body, headers, SECRET)


@pytest.mark.parametrize("body", ["", "[]", '{"status": 1}', "null"])
def test_body_that_is_no_status_is_refused_though_it_is_signed(body: str) -> None:
    with pytest.raises(ForgedWebhook, match="no job's status"):
        webhooks.verify(body, signed(body), SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "whsec_é"])
def test_secret_that_is_none_is_told_without_its_words(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^secret: expected whsec_ and base64$"):
        webhooks.verify(BODY, signed(), secret)
