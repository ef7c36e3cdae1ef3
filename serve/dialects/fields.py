"""Fields that dialects share: read strictly, lone surrogates and all, and documented once."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from serve.request import RerankRequest

LARGEST = 2**31 - 1
"""The largest whole number that any client can write."""
LONGEST = 86_400.0
"""Seconds: no client waits longer."""


def _text(value: object) -> str:
    # pydantic's own string refuses lone surrogates, which broken extraction leaves in real texts.
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "expected a string")
    return value


def _document(value: object) -> str | dict[str, Any]:
    if not isinstance(value, str | dict):
        raise PydanticCustomError("document_type", "expected a string or an object with a text")
    return value


def _whole(value: object) -> object:
    # JSON knows one kind of number: 3.0 is as whole as 3.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": "string"})]
Document = Annotated[
    str | dict[str, Any],
    PlainValidator(_document),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]}),
]
Whole = Annotated[int, Field(ge=0, le=LARGEST), BeforeValidator(_whole)]
Number = Annotated[int, Field(ge=-LARGEST, le=LARGEST), BeforeValidator(_whole)]
Texts = Annotated[list[Text], Field(fail_fast=True)]
Documents = Annotated[list[Document], Field(fail_fast=True)]

Query = Annotated[Text, Field(description="What the documents are to answer.")]
Model = Annotated[Text | None, Field(description="A model's or an adapter's name, see /info.")]
Instruction = Annotated[
    Text | None, Field(description="What relevance means here; read by the model before the query.")
]
TopN = Annotated[
    Whole | None, Field(description="How many of the best to return; 0, null or none: all of them.")
]
PassageTokens = Annotated[
    Whole | None,
    Field(description="Cut each document after so many tokens, below the limit in /info; 0: no."),
]
RankFields = Annotated[
    Texts | None,
    Field(description="Which fields of the documents that are objects are read, in this order."),
]
Echo = Annotated[bool | None, Field(description="Return the documents as they came.")]
RawScores = Annotated[
    bool | None, Field(description="Logits on a common scale in place of scores in [0, 1].")
]
Truncate = Annotated[
    bool | None, Field(description="Cut what is too long (the default); false refuses it: 422.")
]
Timeout = Annotated[
    Annotated[float, Field(gt=0, le=LONGEST, allow_inf_nan=False)] | None,
    Field(description="Seconds from arrival after which no answer is wanted: 504."),
]


def example(documents: str = "documents", **options: Any) -> ConfigDict:
    """A model's configuration with an example: a query, two documents under a key, options."""
    texts = [
        "A list is sorted in place by its sort method.",
        "Iterating over a file object yields its lines.",
    ]
    body: dict[str, Any] = {
        "query": "how is a file read line by line?",
        documents: texts,
        **options,
    }
    return ConfigDict(json_schema_extra={"examples": [body]})


class Body(BaseModel):
    """What every dialect's request body has; fields that a dialect does not know are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, protected_namespaces=())

    query: Query
    model: Model = None
    instruction: Instruction = None
    timeout: Timeout = None

    def request(self) -> RerankRequest:
        """What the service is asked.

        Raises:
            ServiceError: for fields that contradict each other, or documents without a text.
        """
        raise NotImplementedError
