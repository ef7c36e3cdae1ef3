"""Records of other projects' formats for the tests."""

from typing import Any

NUMBERS = [str(number) for number in range(1, 1001)]
LETTERS = [chr(ord("A") + place) for place in range(26)]


def conversation(
    query: str, texts: list[str], answer: str, names: list[str] = NUMBERS
) -> dict[str, Any]:
    """A record as RankZephyr and FIRST have them: all passages in one turn."""
    lines = [f"[{name}] {text}" for name, text in zip(names, texts, strict=False)]
    asked = (
        f"I will provide you with {len(texts)} passages, each indicated by an identifier []. Rank "
        f"the passages based on their relevance to the search query: {query}.\n\n"
        + "\n".join(lines)
        + f"\n\nSearch Query: {query}.\nRank the {len(texts)} passages above based on their "
        "relevance to the search query. The output format should be [] > [], e.g., [2] > [1]."
    )
    turns = [("system", "You rank."), ("human", asked), ("gpt", answer)]
    return {"id": 1, "conversations": [{"from": who, "value": text} for who, text in turns]}


def dialogue(query: str, texts: list[str], answer: str) -> list[dict[str, str]]:
    """Turns as RankGPT has them: one passage each."""
    turns = [
        ("system", "You rank."),
        (
            "user",
            f"I will provide you with {len(texts)} passages, each indicated by number identifier "
            f"[]. \nRank the passages based on their relevance to query: {query}.",
        ),
        ("assistant", "Okay, please provide the passages."),
    ]
    for name, text in zip(NUMBERS, texts, strict=False):
        turns += [("user", f"[{name}] {text}"), ("assistant", f"Received passage [{name}].")]
    turns += [
        ("user", f"Search Query: {query}. \nRank the {len(texts)} passages above, e.g., [1] > [2]"),
        ("assistant", answer),
    ]
    return [{"role": who, "content": text} for who, text in turns]


RECORDS = [
    conversation("one", ["a", "b"], "[2] > [1]"),
    conversation("two", ["a", "b"], "[2]"),
    conversation("three", ["a", "b"], "none"),
]
