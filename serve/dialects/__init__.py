"""The dialects that reranking clients speak, and the paths where they are spoken.

A path may be shared: then the keys of a request tell its dialect.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from serve.dialects.cohere_v1 import COHERE_V1
from serve.dialects.cohere_v2 import COHERE_V2
from serve.dialects.dialect import Dialect
from serve.dialects.infinity import INFINITY
from serve.dialects.jina import JINA
from serve.dialects.mixedbread import MIXEDBREAD
from serve.dialects.native import NATIVE
from serve.dialects.sglang import SGLANG
from serve.dialects.tei import TEI
from serve.dialects.voyage import VOYAGE

# The first whose marks a request bears; a bare one is the last's.
SHARED: tuple[Dialect[Any], ...] = (TEI, MIXEDBREAD, SGLANG, VOYAGE, INFINITY, COHERE_V1, JINA)

ALIASES: Mapping[str, tuple[Dialect[Any], ...]] = MappingProxyType(
    {
        "/rank": (NATIVE,),
        "/rerank": SHARED,
        "/v1/rerank": SHARED,
        "/v2/rerank": (COHERE_V2,),
        "/reranking": SHARED,
        "/v1/reranking": SHARED,
        "/voyage/v1/rerank": (VOYAGE,),
        "/infinity/rerank": (INFINITY,),
        "/sglang/v1/rerank": (SGLANG,),
    }
)


def spoken(dialects: tuple[Dialect[Any], ...], body: Mapping[str, Any]) -> Dialect[Any]:
    """The dialect of a request's body, among those of its path."""
    return next((each for each in dialects if each.marks & body.keys()), dialects[-1])
