"""`GET /v1/models`, and one of them: the catalogue as OpenAI's clients read it."""

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from frontend.actions.admission import admit_with_key
from frontend.actions.context import SERVICES
from frontend.common.errors import ApiError
from frontend.http.middleware import json_response


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that `model` may name."""

    id: Annotated[str, Meta(description="Its name", examples=["eros"])]
    object: Annotated[Literal["model"], Meta(description="Always the same", examples=["model"])] = "model"
    created: Annotated[Literal[0], Meta(description="Always 0: no catalogue records it", examples=[0])] = 0
    owned_by: Annotated[Literal["imgen"], Meta(description="Always the same", examples=["imgen"])] = "imgen"


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """What this server offers; the first one is the default."""

    object: Annotated[Literal["list"], Meta(description="Always the same", examples=["list"])] = "list"
    data: Annotated[
        tuple[ListedModel, ...],
        Meta(
            description="The models",
            examples=[[{"id": "eros", "object": "model", "created": 0, "owned_by": "imgen"}]],
        ),
    ]


async def list_models(request: web.Request) -> web.Response:
    return json_response(ModelList(data=tuple(ListedModel(id=name) for name in await _names(request))))


async def one_model(request: web.Request) -> web.Response:
    name = request.match_info["id"]
    if name not in await _names(request):
        raise ApiError(404, "The model does not exist", code="model_not_found", param="model")
    return json_response(ListedModel(id=name))


async def _names(request: web.Request) -> tuple[str, ...]:
    """Raises ApiError."""
    await admit_with_key(request)
    return tuple(request.app[SERVICES].catalogue.current.response.models)
