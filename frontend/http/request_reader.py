"""Reads a request by the type that describes it: the right types or a 400 that says what was expected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from frontend.common.errors import ApiError
from frontend.common.printable import printable
from frontend.http.lenience import Lenience, Words

Body = Mapping[str, Any]
"""Of a request, as json_object.read_object gives it: what is null was not sent."""
MAX_TOLD_NAME = 64  # characters of a field's name
T = TypeVar("T", bound=msgspec.Struct)
Take = Callable[[Any], Any]


@dataclass(frozen=True)
class RequestField:
    """One field of a request's type, with the markers beside it."""

    name: str
    type: Any  # as annotated
    info: inspect.Type  # what msgspec makes of it
    required: bool
    default: Any
    lenience: Lenience | None
    words: Words

    @property
    def limits(self) -> inspect.Type:
        return self.info.type if isinstance(self.info, inspect.Metadata) else self.info

    def expected(self, value: Any = None) -> str:
        """In words; of a text only what is wrong with this one."""
        if self.words.expected:
            return self.words.expected
        match self.limits:
            case inspect.BoolType():
                return "boolean"
            case inspect.IntType(ge=int(low), le=int(high)):
                return f"integer {low} to {high}"
            case inspect.IntType():
                return "integer"
            case inspect.StrType(max_length=int(most)) if isinstance(value, str):
                return f"string of at most {most} characters"
        return "string"

    def refusal(self, value: Any) -> ApiError:
        words = self.words.missing if value is None else self.words.wrong
        return ApiError(
            400,
            words or f"Invalid {self.name}: expected {self.expected(value)}",
            code="missing_required_parameter" if value is None else "invalid_value",
            param=self.name,
        )


def fields_of(kind: type[msgspec.Struct]) -> tuple[RequestField, ...]:
    """In the order in which they are looked at."""
    hints = get_type_hints(kind, include_extras=True)
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    found = []
    for each in info.fields:
        annotated = hints[each.name]
        markers = get_args(annotated)[1:] if get_origin(annotated) is Annotated else ()
        lenience = next((one for one in markers if isinstance(one, Lenience)), None)
        words = next((one for one in markers if isinstance(one, Words)), Words())
        found.append(
            RequestField(each.name, annotated, each.type, each.required, each.default, lenience, words)
        )
    return tuple(found)


class RequestReader(Generic[T]):
    """Of one kind of request. White space around text does not count, 5.0 is a whole number.

    Unknown fields are ignored, unless the type forbids them.
    """

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind
        self._fields = fields_of(kind)
        self._closed = kind.__struct_config__.forbid_unknown_fields
        self._names = frozenset(each.name for each in self._fields)
        self._takes = tuple((each.name, _take_of(each)) for each in self._fields)

    def read(self, body: Body) -> T:
        """Raises ApiError 400 for the first field, in the type's order, that will not do."""
        if self._closed:
            self._refuse_unknown(body)
        sent = {}
        for name, take in self._takes:
            value = body.get(name)
            if value is not None:
                sent[name] = take(value) if take else value
        try:
            return msgspec.convert(sent, self.kind)
        except msgspec.ValidationError:
            raise self._refusal(sent) from None

    def _refuse_unknown(self, body: Body) -> None:
        for name in body:
            if name not in self._names:
                told = printable(name[:MAX_TOLD_NAME])
                raise ApiError(400, f"Unknown parameter: {told}", code="unknown_parameter", param=told)

    def _refusal(self, sent: Body) -> ApiError:
        for each in self._fields:
            if each.name not in sent:
                if each.required:
                    return each.refusal(None)
                continue
            try:
                msgspec.convert(sent[each.name], each.type)
            except msgspec.ValidationError:
                return each.refusal(sent[each.name])
        raise AssertionError(f"{self.kind.__name__} refuses what each of its fields takes")


def _take_of(each: RequestField) -> Take | None:
    match each.limits:
        case inspect.StrType() if each.lenience and each.lenience.take:
            return _text(each.lenience.take)
        case inspect.StrType() if each.words.trimmed:
            return _text(lambda text: text)
        case inspect.IntType(ge=int(low), le=int(high)) if each.lenience:
            return _whole_number(low, high)
        case inspect.IntType():
            return _whole_number()
    return None


def _text(take: Callable[[str], str]) -> Take:
    return lambda value: take(value.strip()) if isinstance(value, str) else value


def _whole_number(low: float = float("-inf"), high: float = float("inf")) -> Take:
    def take(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        if isinstance(value, float):
            if not value.is_integer():
                return value
            value = int(value)
        return low if value < low else high if value > high else value

    return take
