"""What the content credentials of one picture say: a C2PA manifest, https://c2pa.org/specifications/.

That a trained model made the picture, which one, when, on whose behalf, and which invisible mark it carries.
"""

from typing import Any

from contract.limits import MAX_PROMPT_CHARACTERS as PROMPT_LIMIT
from frontend.common.version import __version__
from frontend.domain.picture import Credentials
from frontend.finishing.texts import DESCRIPTION_LIMIT, clean

GENERATION = "org.imgen.generation"
"""Label of our own assertion: gen_id, model, character with rights and depicts, seed, ruleset, weights, …"""
ACTIONS, SOFT_BINDING = "c2pa.actions.v2", "c2pa.soft-binding"
INVISIBLE_MARK_ALGORITHM = "org.imgen.spread-spectrum.1"
"""The invisible mark (frontend/invisible_mark). Not on C2PA's list of soft binding algorithms."""
INGREDIENT = "c2pa.ingredient"
WATERMARK_SHARE = "org.imgen.watermark_share"
"""Parameter of the action that placed a client's watermark: mean of its alpha × opacity over the picture."""

# Facts are ours ("created"); the texts that a client sent stay "gathered".
OURS = ("c2pa.actions", ACTIONS, SOFT_BINDING, INGREDIENT, GENERATION)

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_AI_MADE = _SOURCE_TYPES + "trainedAlgorithmicMedia"
_COMPOSITE = _SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
_WATERMARK = "watermark"
_AGENT = {"name": "imgen", "version": __version__}
NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
}


def manifest(credentials: Credentials, *, with_prompt: bool = False) -> dict[str, Any]:
    """The C2PA manifest definition of one picture, as the library's Builder takes it."""
    assertions: list[dict[str, Any]] = [
        {"label": ACTIONS, "data": {"actions": _actions(credentials)}},
        {"label": GENERATION, "data": _facts(credentials, with_prompt)},
    ]
    if credentials.invisible_id:
        assertions.append({"label": SOFT_BINDING, "data": _soft_binding(credentials.invisible_id)})
    if said := texts(credentials):
        assertions.append(
            {"label": "cawg.metadata", "kind": "Json", "data": {"@context": NAMESPACES, **said}}
        )
    title = clean(credentials.title)
    return {
        "claim_generator_info": [_AGENT],
        "assertions": assertions,
        "ingredients": [_watermark(credentials)] if credentials.watermark_share else [],
    } | ({"title": title} if title else {})


def _actions(credentials: Credentials) -> list[dict[str, Any]]:
    """`c2pa.created` is always the first. A mark that points to this manifest is an action of its own.

    A client's watermark may be any picture, of any size: with one, nobody is told that a model made it all.
    """
    share = credentials.watermark_share
    done: list[dict[str, Any]] = [{"action": "c2pa.created", "digitalSourceType": source_type(credentials)}]
    if share:
        parameters = {"ingredientIds": [_WATERMARK], WATERMARK_SHARE: round(share, 6)}
        done.append({"action": "c2pa.placed", "parameters": parameters})
    if credentials.invisible_id:
        done.append({"action": "c2pa.watermarked.bound"})
    return [action | {"softwareAgent": _AGENT, "when": credentials.when} for action in done]


def source_type(credentials: Credentials) -> str:
    """IPTC's word for what made the picture."""
    return _COMPOSITE if credentials.watermark_share else _AI_MADE


def _watermark(credentials: Credentials) -> dict[str, Any]:
    """The ingredient. Its file is not looked into: it is a stranger's, and so is a manifest in it."""
    return {
        "label": _WATERMARK,
        "title": _WATERMARK,
        "relationship": "componentOf",
        "description": f"from the client, over {credentials.watermark_share * 100:.1f} % of the picture",
    }


def _soft_binding(invisible_id: str) -> dict[str, Any]:
    """The whole picture carries `invisible_id` (16 hex digits).

    The specification wants `value` and `pad` as byte strings. C2PA's own library reads `value` as text, and
    takes manifests as JSON, which has no byte strings.
    """
    return {"alg": INVISIBLE_MARK_ALGORITHM, "blocks": [{"scope": {}, "value": invisible_id}], "pad": []}


def _facts(credentials: Credentials, with_prompt: bool) -> dict[str, Any]:
    sampler, _, spacing = credentials.sampling.partition(" ")
    facts: dict[str, Any] = {
        "gen_id": credentials.gen_id,
        "model": credentials.model,
        "character": credentials.character,
        "rights": clean(credentials.rights),
        "depicts": credentials.depicts,
        "seed": credentials.seed,
        "ruleset": clean(credentials.ruleset),
        "weights": dict(credentials.weights),
        "runtime": clean(credentials.runtime),
        "sampler": sampler,
        "spacing": spacing,
        "steps": credentials.steps,
        "guidance": credentials.guidance,
        "prompt": clean(credentials.prompt, PROMPT_LIMIT) if with_prompt else "",
    }
    return {name: value for name, value in facts.items() if value not in ("", {})}


def texts(credentials: Credentials) -> dict[str, Any]:
    """CAWG metadata (cawg.io/metadata) in the properties that photo software shows for each, those that are
    not empty: a list where XMP has one."""
    author, organization = clean(credentials.author), clean(credentials.organization)
    said: dict[str, Any] = {
        "dc:creator": [author] if author else [],
        "dc:title": clean(credentials.title),
        "dc:description": clean(credentials.description, DESCRIPTION_LIMIT),
        "dc:publisher": [organization] if organization else [],
        "photoshop:Credit": clean(credentials.vendor),
    }
    return {name: text for name, text in said.items() if text}
