"""A dialect: how one family of clients asks for a reranking, and how it reads the answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from serve.dialects.faults import Fault
from serve.dialects.fields import Body
from serve.errors import Refusal, ServiceError
from serve.request import RerankResponse

Json = dict[str, Any] | list[Any]
B = TypeVar("B", bound=Body)
_NAMED_ERRORS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect(Generic[B]):
    """One contract of `POST`, both ways.

    Args:
        name: as in the documentation.
        body: the request's model.
        answer: the type of the answer, for the documentation.
        write: the answer, from the request's body and the response.
        fault: the body of a refusal.
        marks: keys that no other dialect's clients send: they tell it on a shared path.
    """

    name: str
    body: type[B]
    answer: Any
    write: Callable[[B, RerankResponse], Json]
    fault: Callable[[Fault], dict[str, Any]]
    marks: frozenset[str] = frozenset()

    def read(self, body: Mapping[str, Any]) -> B:
        """The request's body, checked.

        Raises:
            ServiceError: naming the fields that are wrong, never what stood in them.
        """
        try:
            return self.body.model_validate(body)
        except ValidationError as error:
            raise ServiceError(Refusal.UNPROCESSABLE, _named(error)) from None


def _named(error: ValidationError) -> str:
    found: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        found.setdefault(_place(each["loc"]), each["msg"])
    return "; ".join(f"{place}: {said}" for place, said in islice(found.items(), _NAMED_ERRORS))


def _place(location: tuple[int | str, ...]) -> str:
    """`documents[3]`: the field and the place in it, without pydantic's own steps."""
    field, *rest = location or ("body",)
    return str(field) + "".join(f"[{step}]" for step in rest if isinstance(step, int))
