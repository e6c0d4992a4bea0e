"""Content credentials: a signed C2PA manifest in the file, https://c2pa.org/specifications/.

The manifest says that a trained model made the picture, which one, when and on whose behalf; never the
prompt.
"""

import io
import unicodedata
from typing import Any, Self

import c2pa
import numpy as np

from frontend.finishing.certificate import Certificate
from frontend.finishing.encode import encode
from frontend.picture import Credentials, Encoding, File
from frontend.settings import SettingError

GENERATION = "org.imgen.generation"
"""Label of our own assertion: gen_id, model, character and its rights, seed, ruleset, weights."""

TEXT_LIMIT, DESCRIPTION_LIMIT = 300, 2000  # characters

_AI_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_AGENT = {"name": "imgen"}
# Bidirectional overrides, embeddings and isolates: text would show in another order than it is stored in.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTEXT = {
    "version": 1,
    # Actions and facts are ours ("created"); the texts that a client sent stay "gathered".
    "builder": {
        "thumbnail": {"enabled": False},
        "created_assertion_labels": ["c2pa.actions", "c2pa.actions.v2", GENERATION],
    },
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False},
}


_PROBE = Credentials(
    gen_id="probe",
    author="",
    title="",
    description="",
    organization="",
    vendor="",
    model="",
    character="",
    seed=0,
    ruleset="",
    when="2026-01-01T00:00:00Z",
)


class Signatory:
    """One certificate's signer, built once and shared by all threads. Close it when no more is signed."""

    def __init__(self, certificate: Certificate) -> None:
        """Signs a probe. Raises SettingError for a certificate whose signatures validators would refuse."""
        try:
            info = c2pa.C2paSignerInfo(certificate.algorithm, certificate.chain, certificate.key, None)
            self._context = c2pa.Context.from_dict(_CONTEXT, signer=c2pa.Signer.from_info(info))
            refused = self._probe()
        except c2pa.C2paError as error:
            refused = str(error).splitlines()[0]
        if refused:
            raise SettingError(f"c2pa_certificate: not fit for content credentials: {refused}")

    def sign(self, file: File, credentials: Credentials) -> File:
        """The same file with the manifest in it. The pixels and the encoding do not change."""
        signed = io.BytesIO()
        with c2pa.Builder(manifest(credentials), self._context) as builder:
            builder.sign(file.media_type, io.BytesIO(file.data), signed)
        return File(data=signed.getvalue(), media_type=file.media_type, extension=file.extension)

    def _probe(self) -> str:
        """Why a validator would refuse our signatures; empty if it would not. Trust is not asked here."""
        probe = encode(np.zeros((8, 8, 3), np.uint8), Encoding(format="png", quality=1, lossless=False))
        signed = self.sign(probe, _PROBE)
        with c2pa.Reader(signed.media_type, io.BytesIO(signed.data), context=self._context) as reader:
            if reader.get_validation_state() != "Invalid":
                return ""
            failures = reader.get_validation_results()["activeManifest"]["failure"]
            return ", ".join(
                item["code"] for item in failures if item["code"] != "signingCredential.untrusted"
            )

    def close(self) -> None:
        self._context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def manifest(credentials: Credentials) -> dict[str, Any]:
    """The C2PA manifest definition of one picture."""
    created = {"action": "c2pa.created", "digitalSourceType": _AI_MADE, "softwareAgent": _AGENT}
    assertions: list[dict[str, Any]] = [
        {"label": "c2pa.actions.v2", "data": {"actions": [created | {"when": credentials.when}]}},
        {"label": GENERATION, "data": _facts(credentials)},
    ]
    if texts := _texts(credentials):
        namespaces = {
            "dc": "http://purl.org/dc/elements/1.1/",
            "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        }
        assertions.append(
            {"label": "cawg.metadata", "kind": "Json", "data": {"@context": namespaces, **texts}}
        )
    title = clean(credentials.title)
    return {"claim_generator_info": [_AGENT], "assertions": assertions} | ({"title": title} if title else {})


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """`text` as it may stand in a signed statement: one line, shown as stored, at most `limit` characters."""
    spaced = "".join(" " if character.isspace() else character for character in text[: 2 * limit])
    kept = (character for character in spaced if _shown(character))
    return " ".join("".join(kept).split())[:limit].strip()


def _shown(character: str) -> bool:
    return character not in _BIDI and unicodedata.category(character) not in ("Cc", "Cs")


def _facts(credentials: Credentials) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "gen_id": credentials.gen_id,
        "model": credentials.model,
        "character": credentials.character,
        "rights": credentials.rights,
        "seed": credentials.seed,
        "ruleset": clean(credentials.ruleset),
        "weights": dict(credentials.weights),
    }
    return {name: value for name, value in facts.items() if value not in ("", {})}


def _texts(credentials: Credentials) -> dict[str, Any]:
    """CAWG metadata (cawg.io/metadata) in the properties that photo software shows for each."""
    author, organization = clean(credentials.author), clean(credentials.organization)
    texts: dict[str, Any] = {
        "dc:creator": [author] if author else [],
        "dc:title": clean(credentials.title),
        "dc:description": clean(credentials.description, DESCRIPTION_LIMIT),
        "dc:publisher": [organization] if organization else [],
        "photoshop:Credit": clean(credentials.vendor),
    }
    return {name: text for name, text in texts.items() if text}
