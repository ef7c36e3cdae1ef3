"""The examples beside the retrievers', over the tiny model."""

import importlib.util
from types import ModuleType

from tests.examples.conftest import RETRIEVERS, Running
from tests.serve.house import tiny_reranker


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, RETRIEVERS.parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_quickstart(capsys):
    module, reranker = example("quickstart"), tiny_reranker()
    module.main(reranker)
    lines = capsys.readouterr().out.splitlines()
    ranking = reranker.rank(module.QUERY, module.PASSAGES)
    assert [line.split()[:2] for line in lines[:3]] == [[str(p.rank), p.id] for p in ranking]
    assert lines[3].startswith("3 candidates, 1 windows, ")
    best = [reranker.rank(query, module.PASSAGES)[0].text for query in module.OTHERS]
    wanted = [f"{query} → {text}" for query, text in zip(module.OTHERS, best, strict=True)]
    assert lines[-2:] == wanted


def test_service(running: Running, monkeypatch, capsys):
    module = example("service")
    monkeypatch.setenv("RERANKER_API_KEY", running.key)
    module.main(running.address)
    best, *lines = capsys.readouterr().out.splitlines()
    rankings = [tiny_reranker().rank(query, module.PASSAGES) for query in module.QUERIES]
    assert best == rankings[0][0].text
    assert lines == "\n".join(map(str, rankings)).splitlines()


def test_a_service_that_is_busy_is_told(monkeypatch, capsys):
    module = example("service")

    class Busy:
        def __init__(self, address, **options):
            assert (address, options["timeout"]) == ("http://here", 5.0)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def rank(self, *_, **__):
            raise module.BusyError("too much to do", status=429, retry_after=3.0)

    monkeypatch.setattr(module, "Client", Busy)
    assert module.ask("http://here", "q") is None
    assert capsys.readouterr().err == "come again in 3.0 seconds\n"


def test_importing_an_example_does_nothing(capsys):
    for path in RETRIEVERS.parent.glob("*.py"):
        example(path.stem)
    assert capsys.readouterr() == ("", "")
