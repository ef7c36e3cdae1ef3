from dataclasses import replace

import pytest

from reranker.passage import Passage
from serve.errors import ServiceError
from serve.request import RerankRequest
from tests.serve.house import request, run, serving, tiny_reranker

REFERENCE = tiny_reranker()


def test_strict_requests_are_answered_or_refused_whole() -> None:
    asked = request(4, truncate=False)
    long = replace(asked.passages[2], text="ab " * 200)
    too_long = replace(asked, passages=(*asked.passages[:2], long, asked.passages[3]))

    async def body() -> None:
        async with serving() as house:
            found = await house.service.rerank(asked)
            assert found.warnings == ()
            with pytest.raises(ServiceError, match=r"1 of 4 documents .*24 .*: 2 \(600 char") as e:
                await house.service.rerank(too_long)
            assert e.value.status == 422
            cut = await house.service.rerank(replace(too_long, truncate=True))
            [warning] = cut.warnings
            assert warning.startswith("1 of 4 documents were cut, to 24 tokens")
            assert warning.endswith(": 2")
            with pytest.raises(ServiceError, match=r"query .600 characters"):
                await house.service.rerank(replace(asked, query=long.text))
            [warning] = (await house.service.rerank(request(2, query=long.text))).warnings
            assert warning.startswith("the query")

    run(body)


def test_strict_requests_are_never_cut_by_a_window() -> None:
    short, long = Passage("short"), Passage("long " * 4)
    # Where all tie, windows of 3 long ones and 3 short ones are foreseen, which just fit.
    mixed = [*[long] * 3, *[short] * 3, *[long] * 3]
    budget = max(REFERENCE.plan(REFERENCE.encode("q", mixed)))

    def asked(kinds: list[Passage]) -> RerankRequest:
        return RerankRequest(query="q", passages=tuple(kinds), truncate=False)

    async def body() -> None:
        async with serving(overrides={"window_tokens": budget}) as house:
            with pytest.raises(ServiceError, match="a window of these documents takes"):
                await house.service.rerank(asked([long] * 6))
            # The long ones win their window and go on to the next: only reading it shows that.
            house.shelf.rerankers[0].engine.score = lambda prompts: [  # type: ignore[method-assign]
                tuple(map(float, range(len(prompt.identifiers)))) for prompt in prompts
            ]
            with pytest.raises(ServiceError, match=f"too long for the window of {budget} tokens"):
                await house.service.rerank(asked(mixed))

    run(body)
