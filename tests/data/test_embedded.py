import logging
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.embedded import load
from data.embedded.cutting import cut, pieces
from data.embedded.document import Document
from data.embedded.judgments import read_judgments, read_queries
from data.embedded.passages import read_passages
from data.embedded.resolution import resolve
from data.embedded.sources import read_sources
from data.embedded.topics import read_topics
from reranker.collection import Collection
from reranker.errors import DataError
from reranker.passage import Passage


@pytest.fixture(scope="module")
def everything() -> Collection:
    return load("all")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the standard library."""
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    return tmp_path


def test_passages_are_thousands(everything: Collection) -> None:
    assert 3000 < len(everything.passages) < 12000


def test_passages_are_whole(everything: Collection) -> None:
    for id_, passage in everything.passages.items():
        assert passage.id == id_
        assert passage.title
        assert len(passage.text.strip()) >= 36
        assert len(passage.text.split()) < 330
        assert not any(character.isspace() for character in id_)


def test_texts_are_unique(everything: Collection) -> None:
    texts = [passage.text for passage in everything.passages.values()]
    assert len(set(texts)) == len(texts)


def test_every_source_is_there(everything: Collection) -> None:
    written, compiled, topic = "textwrap.wrap", "str.partition", "topics.lambda"
    for id_ in (written, compiled, topic, "itertools.groupby", "os.path.splitext", "enumerate"):
        assert id_ in everything.passages
    assert everything.passages["textwrap.wrap"].title == "textwrap.wrap(text, width=70, **kwargs)"
    assert "separator" in everything.passages["str.partition"].text


def test_private_and_test_code_is_not(everything: Collection) -> None:
    names = {id_.partition("#")[0] for id_ in everything.passages}
    assert not [name for name in names if name.startswith(("test.", "idlelib.", "distutils."))]
    assert not [name for name in names if "._" in name or name.startswith("_") or ".tests." in name]


def test_reading_again_gives_the_same(everything: Collection) -> None:
    again = read_passages.__wrapped__()
    assert list(again.items()) == list(everything.passages.items())


def test_at_least_80_queries(everything: Collection) -> None:
    assert len(everything.queries) >= 80
    assert len(set(everything.queries.values())) == len(everything.queries)


def test_halves_share_no_query(everything: Collection) -> None:
    dev, test = load("dev"), load()
    assert not dev.queries.keys() & test.queries.keys()
    assert {**dev.queries, **test.queries} == everything.queries
    assert abs(len(dev.queries) - len(test.queries)) < 5


def test_every_query_has_an_answer(everything: Collection) -> None:
    assert everything.qrels.keys() == everything.queries.keys()
    for grades in everything.qrels.values():
        assert grades.keys() <= everything.passages.keys()
        assert set(grades.values()) <= {0, 1, 2, 3}
        assert max(grades.values()) >= 2


def test_judgments_name_passages_of_this_python(everything: Collection) -> None:
    written = sum(map(len, read_judgments("all").values()))
    found = sum(map(len, everything.qrels.values()))
    assert found >= 0.95 * written


def test_every_query_is_judged_in_one_half() -> None:
    dev, test = read_judgments("dev"), read_judgments("test")
    assert sorted([*dev, *test]) == sorted(read_queries())


def test_unknown_split() -> None:
    with pytest.raises(DataError, match="no split 'train'; it has dev, test and all"):
        load("train")


def test_an_interpreter_without_sources(library: Path) -> None:
    with pytest.raises(DataError, match="installed with its sources"):
        list(read_sources())


def test_sources_are_read_but_never_run(library: Path) -> None:
    (library / "json").mkdir()
    text = '''
        """Package."""
        raise SystemExit

        class Public:
            """A class."""

            def method(self, a: int, *, b: str = "x") -> None:
                """A method."""

            def _private(self):
                """Hidden."""

        try:
            async def tried():
                """Tried."""
        except ImportError:
            pass
    '''
    (library / "json" / "__init__.py").write_text(dedent(text))
    (library / "json" / "_part.py").write_text('def part():\n    """Of the package."""\n')
    (library / "json" / "broken.py").write_text("def (")
    (library / "not_of_the_library.py").write_text('"""Elsewhere."""')
    found = {document.name: document for document in read_sources()}
    assert list(found) == ["json", "json.Public", "json.Public.method", "json.tried", "json.part"]
    assert found["json.Public.method"].title == "json.Public.method(self, a, *, b='x')"
    assert found["json.tried"].text == "Tried."


def test_topics_are_cut_at_their_headings() -> None:
    sections = [document for document in read_topics() if document.name == "topics.assignment"]
    assert [section.section for section in sections] == [
        "Assignment statements",
        "Augmented assignment statements",
        "Annotated assignment statements",
    ]
    assert sections[1].title == "Assignment statements: Augmented assignment statements"


def paragraph(word: str, count: int) -> str:
    return " ".join([word] * count)


def test_a_short_document_is_one_passage() -> None:
    text = f"{paragraph('a', 90)}\n\n{paragraph('b', 90)}"
    assert cut([Document("x", "x()", text)]) == {"x": Passage(text, "x", "x()")}


def test_a_long_document_is_cut_between_paragraphs() -> None:
    long = "\n\n".join([paragraph("a", 100), paragraph("b", 40), "c d e f g h i: " * 10])
    assert list(cut([Document("x", "x", long)])) == ["x", "x#c-d-e-f-g-h"]


def test_what_introduces_an_example_goes_with_it() -> None:
    example = "    " + paragraph("code", 100)
    parts = [paragraph("a", 100), "Here is one:", example]
    texts = [piece.text for piece in pieces(Document("x", "x", "\n\n".join(parts)))]
    assert texts == [parts[0], f"{parts[1]}\n\n{example}"]


def test_scraps_and_repetitions_are_left_out() -> None:
    text = "The same text, long enough to be kept."
    documents = [Document("a", "a", "Too short."), Document("b", "b", text)]
    assert list(cut([*documents, Document("c", "c", text)])) == ["b"]


def test_ids_are_told_apart_by_more_words() -> None:
    texts = [f"one two three four five six {word} and more" for word in ("six", "seven", "eight")]
    ids = list(cut(Document("x", "x", text) for text in texts))
    assert ids == ["x", "x#one-two-three-four-five-six", "x#one-two-three-four-five-six-eight"]


@given(st.lists(st.lists(st.sampled_from(["a", "bc:", "    d", "e"]), min_size=1), max_size=60))
def test_cutting_loses_no_word(paragraphs: list[list[str]]) -> None:
    text = "\n\n".join("\n".join(lines * 4) for lines in paragraphs)
    kept = [piece.text.split() for piece in pieces(Document("x", "x", text))]
    assert [word for words in kept for word in words] == text.split()


PASSAGES = {
    "raise": Passage("The raise statement.", "raise"),
    "raise#chaining": Passage("The from clause is used for chaining.", "raise#chaining"),
}


@pytest.mark.parametrize(
    ("reference", "id_"),
    [
        ("raise", "raise"),
        ("raise#chaining", "raise#chaining"),
        ("raise#from-clause-is-used", "raise#chaining"),
        ("raise#the-raise-statement", "raise"),
    ],
)
def test_references_are_resolved(reference: str, id_: str) -> None:
    assert resolve({"q": {reference: 2}}, PASSAGES) == {"q": {id_: 2}}


@pytest.mark.parametrize("reference", ["try", "raise#used-for", "raise#laus", "try#from-clause-is"])
def test_a_query_without_passages_is_dropped(
    reference: str, caplog: pytest.LogCaptureFixture
) -> None:
    judgments = {"kept": {"raise": 1}, "lost": {reference: 3}}
    with caplog.at_level(logging.WARNING):
        assert resolve(judgments, PASSAGES) == {"kept": {"raise": 1}}
    assert "query lost is left out" in caplog.text


def test_the_higher_of_two_grades_counts() -> None:
    judgments = {"q": {"raise#the-raise-statement": 1, "raise": 3}}
    assert resolve(judgments, PASSAGES) == {"q": {"raise": 3}}
