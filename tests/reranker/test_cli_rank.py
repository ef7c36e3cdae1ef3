"""`reranker rank`: JSON lines and runs in, JSON lines and runs out."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reranker import Reranker
from reranker.cli.app import app
from reranker.cli.items import Item
from reranker.cli.rank import _in_order
from reranker.passage import Passage
from reranker.run import read_trec
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def rank(tiny: Path):
    def invoke(*arguments: object, text: str | None = None) -> Result:
        argv = ["rank", *map(str, arguments), "--model", str(tiny), "--layout", "suffix"]
        return CliRunner().invoke(app, argv, input=text, catch_exceptions=False)

    return invoke


def row(number: int, passages: int) -> dict[str, object]:
    texts = [{"id": f"d{j}", "text": f"passage {j} of {number}"} for j in range(passages)]
    return {"id": f"q{number}", "query": f"question {number}", "passages": texts}


# Long lists first: they are done last, so the output's order has to be restored.
ROWS = [row(number, passages) for number, passages in enumerate([11, 2, 6, 1, 0, 3])]


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def parsed(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(params=["plain", "gzipped", "stdin", "dash"])
def given(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[Path | str], str | None]:
    """The rows as an argument or as stdin."""
    text = lines(ROWS)
    match request.param:
        case "stdin":
            return [], text
        case "dash":
            return ["-"], text
        case "gzipped":
            path = tmp_path / "rows.jsonl.gz"
            path.write_bytes(gzip.compress(text.encode()))
        case _:
            path = tmp_path / "rows.jsonl"
            path.write_text("\ufeff" + text.replace("\n", "\r\n\n"))
    return [path], None


def test_the_same_as_the_python_call(rank, tiny: Path, given):
    arguments, text = given
    options = ["--window", 4, "--stride", 2, "--batch-tokens", 250]
    result = rank(*arguments, *options, text=text)
    assert result.exit_code == 0, result.stderr
    found = parsed(result.stdout)
    assert [(line["id"], line["query"]) for line in found] == [(r["id"], r["query"]) for r in ROWS]
    reranker = Reranker(tiny, window=4, stride=2, layout="suffix")
    for line, given_row in zip(found, ROWS, strict=True):
        expected = reranker.rank(given_row["query"], given_row["passages"])
        assert [(p["id"], p["index"], p["rank"]) for p in line["ranking"]] == [
            (p.id, p.index, p.rank) for p in expected
        ]
        assert [p["score"] for p in line["ranking"]] == pytest.approx(
            [p.score for p in expected], abs=1e-4
        )


def test_texts_and_top_k(rank):
    result = rank("--text", "--top-k", 2, text=lines(ROWS[:1]))
    [line] = parsed(result.stdout)
    assert len(line["ranking"]) == 2
    for passage in line["ranking"]:
        assert passage["text"] == ROWS[0]["passages"][passage["index"]]["text"]


def test_ids_where_none_are_given(rank):
    result = rank(text='{"query": "a", "passages": ["x"]}\n\n{"query": "b", "passages": ["y"]}\n')
    found = parsed(result.stdout)
    assert [line["id"] for line in found] == ["1", "2"]
    assert [line["ranking"][0]["id"] for line in found] == ["0", "0"]


def test_instructions_by_line(rank):
    told = {"query": "q", "passages": ["one", "two"], "instruction": "Prefer numbers."}
    plain = {"query": "q", "passages": ["one", "two"]}
    scores = [
        [passage["score"] for passage in line["ranking"]]
        for line in parsed(rank(text=lines([plain, told, plain])).stdout)
    ]
    assert scores[0] == pytest.approx(scores[2], abs=1e-4)
    assert scores[0] != pytest.approx(scores[1], abs=1e-4)
    everywhere = parsed(rank("--instruction", "Prefer numbers.", text=lines([plain])).stdout)
    found = [passage["score"] for passage in everywhere[0]["ranking"]]
    assert found == pytest.approx(scores[1], abs=1e-4)


def test_nothing_to_do_is_said(rank):
    result = rank(text="")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("warning: there was no query")


def test_terminal_and_nothing_given(rank, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("reranker.cli.rank.typed_at", lambda: True)
    result = rank()
    assert result.exit_code == 2
    assert '{"query": ' in result.stderr


def test_hostile_text_is_escaped_and_comes_back_whole(rank):
    text = "a\x1b[2J\x9b31m\u202e\u2028 \ud800 é 日本"
    result = rank("--text", text=lines([{"query": text, "passages": [text]}]))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.rstrip("\n").isprintable()
    assert "é 日本" in result.stdout
    [line] = parsed(result.stdout)
    assert (line["query"], line["ranking"][0]["text"]) == (text, text)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "found list"),
        ('{"query": "q"}', "'passages'"),
        ('{"query": " ", "passages": []}', "'query' must be"),
        ('{"query": 3, "passages": []}', "'query' must be"),
        ('{"query": "q", "passages": "one"}', "must be a list"),
        ('{"query": "q", "passages": [3]}', "passage 0 is int"),
        ('{"query": "q", "passages": [{"id": 1}]}', "no string under"),
        ('{"query": "q", "passages": [], "id": [1]}', "'id' must be"),
        ('{"query": "q", "passages": [], "instruction": 1}', "'instruction' must be"),
    ],
)
def test_a_wrong_line(rank, tmp_path: Path, line: str, message: str):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(lines(ROWS[1:2]) + line + "\n")
    output.write_text("as it was")
    for arguments, text in ([source, "-o", output], None), (["-o", output], source.read_text()):
        result = rank(*arguments, text=text)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: {source if text is None else 'stdin'}:2: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
        assert output.read_text() == "as it was"
        assert sorted(tmp_path.iterdir()) == [source, output]


def test_bytes_that_are_not_utf8(rank, tmp_path: Path):
    source = tmp_path / "in.jsonl"
    source.write_bytes(lines(ROWS[1:2]).encode() + b'{"query": "\xff"}\n')
    assert f"{source}:2: not UTF-8" in rank(source).stderr


@pytest.mark.parametrize("name", ["absent.jsonl", "broken.jsonl.gz", "."])
def test_a_file_that_cannot_be_read(rank, tmp_path: Path, name: str):
    (tmp_path / "broken.jsonl.gz").write_bytes(gzip.compress(b"{}" * 999)[:-9])
    result = rank(tmp_path / name)
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr


def test_a_query_that_fails_is_named_by_its_line(rank, tmp_path: Path):
    source = tmp_path / "in.jsonl"
    source.write_text("\n" + lines([row(0, 2), row(1, 60)]))
    result = rank(source, "--strategy", "full", "--window-tokens", 400)
    assert result.exit_code == 1
    assert f"(while ranking {source}:3)" in result.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "trec"),
    [
        ("out.jsonl", [], False),
        ("out.trec", [], True),
        ("out.run.gz", [], True),
        ("out.txt", [], True),
        ("out.json.gz", [], False),
        ("out", [], False),
        ("out", ["--format", "trec"], True),
        ("out.trec", ["--format", "jsonl"], False),
    ],
)
def test_output_files(rank, tmp_path: Path, name: str, arguments: list[str], trec: bool):
    output = tmp_path / "new" / name
    result = rank(*arguments, "-o", output, text=lines(ROWS))
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    raw = output.read_bytes()
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode()
    if not trec:
        assert [line["id"] for line in parsed(text)] == [given["id"] for given in ROWS]
        return
    assert all(line.split()[1] == "Q0" for line in text.splitlines())
    run = read_trec(output)
    assert {query: len(found) for query, found in run.rankings.items()} == {
        given["id"]: len(given["passages"]) for given in ROWS if given["passages"]
    }


def test_output_in_the_place_of_the_input(rank, tmp_path: Path):
    path, link = tmp_path / "rows.jsonl", tmp_path / "link.jsonl"
    path.write_text(lines(ROWS[:2]))
    link.symlink_to(path)
    assert rank(path, "-o", link).exit_code == 0
    assert link.is_symlink()
    assert len(parsed(path.read_text())) == 2


def test_output_to_a_device_or_folder(rank, tmp_path: Path):
    assert rank("-o", "/dev/null", text=lines(ROWS[1:2])).exit_code == 0
    assert not Path("/dev/null").is_file()
    assert "is a folder" in rank("-o", tmp_path, text=lines(ROWS[1:2])).stderr


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"id": "q1", "query": "q", "passages": []}, "came before"),
        ({"id": "q 1", "query": "q", "passages": []}, "white space"),
        ({"query": "q", "passages": [{"id": "d 1", "text": "t"}]}, "white space"),
    ],
)
def test_ids_that_a_run_cannot_hold(rank, second: dict[str, object], message: str):
    text = lines([ROWS[1], second])
    result = rank("--format", "trec", text=text)
    assert result.exit_code == 1
    assert "stdin:2" in result.stderr
    assert message in result.stderr
    assert rank("--format", "jsonl", text=text).exit_code == 0


def test_a_passage_given_twice_stands_once_in_a_run(rank):
    twice = {"id": "q", "query": "q", "passages": [{"id": "d", "text": t} for t in "ab"]}
    result = rank("--format", "trec", text=lines([twice]))
    assert result.stdout.split()[:4] == ["q", "Q0", "d", "1"]
    assert result.stdout.count("\n") == 1


def test_progress_on_demand_alone(rank):
    assert "rerank" not in rank(text=lines(ROWS[1:2])).stderr
    assert "rerank" in rank("--progress", text=lines(ROWS[1:2])).stderr


def test_small_batches_answer_before_they_read_on(tiny: Path):
    read: list[str] = []

    def items():
        for number in range(3):
            read.append(f"q{number}")
            yield Item(f"q{number}", "query", [Passage("a"), Passage("b")], "")

    for item, _ in _in_order(Reranker(tiny, batch_tokens=1, layout="suffix"), items(), None, None):
        assert read[-1] == item.id


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    (folder / "qrels").mkdir(parents=True)
    texts = ["Cats purr.", "Dogs bark loudly.", "Cows give milk.", "Dogs and cats fight."]
    corpus = [{"_id": f"d{i}", "title": "", "text": text} for i, text in enumerate(texts)]
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(lines(corpus).encode()))
    queries = [{"_id": "q0", "text": "dogs that bark"}, {"_id": "q1", "text": "cats"}]
    (folder / "queries.jsonl").write_text(lines(queries))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td1\t1\nq1\td0\t1\n")
    return folder


def run_file(folder: Path, *rows: tuple[str, str]) -> Path:
    path = folder / "run.trec"
    path.write_text("".join(f"{q} Q0 {d} {i} {9 - i} x\n" for i, (q, d) in enumerate(rows)))
    return path


def test_collection_with_a_run(rank, collection: Path, tmp_path: Path):
    run = run_file(tmp_path, ("q1", "d3"), ("q0", "d1"), ("q0", "d3"), ("q1", "d0"), ("q0", "d2"))
    output = tmp_path / "out.trec"
    result = rank("--collection", collection, "--run", run, "--depth", 2, "-o", output)
    assert result.exit_code == 0, result.stderr
    found = {query: {id_ for id_, _ in ids} for query, ids in read_trec(output).rankings.items()}
    assert found == {"q1": {"d3", "d0"}, "q0": {"d1", "d3"}}
    assert list(found) == ["q1", "q0"]


def test_collection_without_a_run(rank, collection: Path):
    pytest.importorskip("bm25s")
    pytest.importorskip("Stemmer")
    result = rank("--collection", collection)
    found = {tuple(line.split()[:3:2]) for line in result.stdout.splitlines()}
    assert found == {("q0", "d1"), ("q0", "d3"), ("q1", "d0"), ("q1", "d3")}


def test_collection_as_json_lines(rank, collection: Path, tmp_path: Path):
    run = run_file(tmp_path, ("q0", "d1"))
    result = rank("--collection", collection, "--run", run, "--format", "jsonl", "--text")
    [line] = parsed(result.stdout)
    assert (line["query"], line["ranking"][0]["text"]) == ("dogs that bark", "Dogs bark loudly.")


@pytest.mark.parametrize(
    ("stranger", "message"),
    [
        (("q9", "d0"), "1 of the 2 queries of the run are not in"),
        (("q0", "d9"), "1 of the 2 passages of the run are not in"),
    ],
)
def test_a_run_of_something_else(
    rank, collection: Path, tmp_path: Path, stranger: tuple[str, str], message: str
):
    arguments = ["--collection", collection, "--run", run_file(tmp_path, ("q0", "d1"), stranger)]
    result = rank(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert "--skip-missing" in result.stderr
    skipped = rank(*arguments, "--skip-missing")
    assert skipped.exit_code == 0
    assert skipped.stderr.startswith(f"warning: {message}")
    assert [line.split()[:3] for line in skipped.stdout.splitlines()] == [["q0", "Q0", "d1"]]


@pytest.mark.skipif(sys.platform == "win32", reason="needs head")
def test_a_reader_that_goes_ends_quietly(tiny: Path, tmp_path: Path):
    source = tmp_path / "in.jsonl"
    source.write_text(lines([{"query": "q" * 9000, "passages": ["a"]}] * 12))
    command = [sys.executable, "-m", "reranker.cli", "rank", str(source), "--model", str(tiny)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert first.stdout is not None
    assert first.stderr is not None
    head = subprocess.run(["head", "-n", "1"], stdin=first.stdout, capture_output=True, check=True)
    first.stdout.close()
    assert json.loads(head.stdout)["id"] == "1"
    assert first.stderr.read() == b""
    first.stderr.close()
    assert first.wait(60) == 141
