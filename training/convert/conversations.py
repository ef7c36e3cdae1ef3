"""Conversations: what RankGPT, RankZephyr and FIRST were taught with.

A record holds turns under `conversations` or `messages`, each with its speaker (`from` or
`role`) and text (`value` or `content`). The user gives `[1] passage` or `[A] passage` lines, in
one turn or one turn each, and then the query; the last assistant turn is a teacher's answer.

A passage begins where a line begins with the identifier that is due next, so that brackets
within a passage start no other.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import count, product
from string import ascii_lowercase, ascii_uppercase
from typing import Literal

from reranker.passage import Passage
from training.convert.answer import parse_answer
from training.convert.converted import Converted, fields, listed
from training.row import Row
from training.skips import Reason, RowError

Answers = Literal["complete", "partial", "strict"]

_ASSISTANT = frozenset({"gpt", "assistant", "model"})
_USER = frozenset({"human", "user"})
_IDENTIFIER = re.compile(r"^\[([A-Za-z]{1,2}|\d{1,4})\][ \t]?", re.MULTILINE)
_ANNOUNCED = re.compile(r"provide you with (\d+) ", re.IGNORECASE)
_QUERY_LINE = "Search Query:"
_TASK = re.compile(r"\s*\n\s*Rank the ")
_OPENING_QUERY = re.compile(
    r"relevance to (?:the )?(?:search )?query:[ \t]*([^\n]*)", re.IGNORECASE
)


def from_conversation(record: object, *, answers: Answers = "complete") -> Converted:
    """A row with the teacher's ranking.

    Of an answer that is no whole permutation, `answers="complete"` appends the passages that it
    left out in the order of the prompt, `"partial"` leaves them out of the ranking (all equally
    last), and `"strict"` refuses the record.

    Raises:
        RowError: for a record that is no such conversation, or an answer that ranks nothing.
    """
    prompt, told = _turns(record)
    identifiers, texts, query = _parse_prompt(prompt)
    answer = parse_answer(told, identifiers)
    if answer.repairs and answers == "strict":
        raise RowError(f"{'; '.join(answer.repairs)}: {told[:60]!r}")
    ranking = answer.ranking[: answer.named] if answers == "partial" else answer.ranking
    passages = tuple(map(Passage, texts))
    return Converted(Row(query, passages, ranking=ranking), answer.repairs)


def _turns(record: object) -> tuple[str, str]:
    """What the user said, all turns as one text, and what the assistant said last."""
    said: list[str] = []
    answer = None
    for turn in _listed_turns(record):
        speaker = str(turn.get("from", turn.get("role"))).lower()
        text = turn.get("value", turn.get("content"))
        if not isinstance(text, str):
            raise RowError(f"a turn of {speaker!r} has no text under 'value' or 'content'")
        if speaker in _USER:
            said.append(text)
            answer = None
        elif speaker in _ASSISTANT:
            answer = text
    if not said or answer is None:
        raise RowError("the conversation does not end with a user's turn and its answer")
    return "\n".join(said), answer


def _listed_turns(record: object) -> Iterator[Mapping[str, object]]:
    if isinstance(record, Mapping):
        key = "messages" if record.get("messages") is not None else "conversations"
        record = fields(record, key)[key]
    for turn in listed(record, "conversations"):
        if not isinstance(turn, Mapping):
            raise RowError(f"expected an object as a turn, found {repr(turn)[:60]}")
        yield turn


def _parse_prompt(prompt: str) -> tuple[list[str], list[str], str]:
    """Identifiers, the passages' texts and the query."""
    # The last such line: a passage may hold the words too.
    body, found, tail = prompt.rpartition(_QUERY_LINE)
    if not found:
        body, tail = prompt, ""
    starts = _starts(body)
    ends = [start.start() for start in starts[1:]] + [len(body)]
    texts = [body[start.end() : end].strip() for start, end in zip(starts, ends, strict=True)]
    _check_count(body[: starts[0].start()], len(texts))
    query = _query(tail, body[: starts[0].start()])
    return [start[1] for start in starts], texts, query


def _starts(body: str) -> list[re.Match[str]]:
    """Where passages begin: lines with the identifiers 1, 2, … or A, B, … in their order."""
    matches = list(_IDENTIFIER.finditer(body))
    for alphabet in (_numbers, _capitals, _mixed):
        due = alphabet()
        found: list[re.Match[str]] = []
        wanted = next(due)
        for match in matches:
            if match[1] == wanted:
                found.append(match)
                wanted = next(due, "")
        if len(found) > 1:
            return found
    raise RowError("the prompt has no two lines that begin with [1] and [2], or [A] and [B]")


def _numbers() -> Iterator[str]:
    return map(str, count(1))


def _capitals() -> Iterator[str]:
    yield from ascii_uppercase
    yield from ("".join(pair) for pair in product(ascii_uppercase, repeat=2))


def _mixed() -> Iterator[str]:
    return iter(ascii_uppercase + ascii_lowercase)


def _check_count(head: str, found: int) -> None:
    announced = _ANNOUNCED.search(head)
    if announced and int(announced[1]) != found:
        raise RowError(
            f"the prompt announces {announced[1]} passages and {found} were found; its passages "
            "may hold line breaks with identifiers of their own"
        )


def _query(tail: str, head: str) -> str:
    """The query, which prompts close with a full stop of their own."""
    opening = _OPENING_QUERY.search(head)
    text = _TASK.split(tail, maxsplit=1)[0] if tail else (opening[1] if opening else "")
    query = text.strip().removesuffix(".").strip()
    if not query:
        raise RowError("the prompt holds no query", Reason.EMPTY)
    return query
