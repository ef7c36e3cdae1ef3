"""The operators' page is true to the code, as far as that can be told cheaply."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from serve.errors import Refusal
from serve.metrics import PrometheusMetrics
from serve.reference import reference
from serve.settings import Limits, ServeSettings

HOUSE = Path(__file__).parents[2]
PAGE = (HOUSE / "docs" / "operations.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    return PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]


def cells(name: str, column: int) -> list[str]:
    """A column of a section's tables, without their heads."""
    rows = [line.split("|")[1:-1] for line in section(name).splitlines() if line.startswith("| ")]
    return [row[column].strip() for row in rows]


@cache
def texts() -> str:
    """All texts in the code of the library and the service; a NUL where they hold a value."""
    found = []
    for room in ("reranker", "serve"):
        for path in (HOUSE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    found.append("".join(str(getattr(v, "value", "\0")) for v in node.values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\n\0".join(found)


def test_the_settings_are_those_of_the_code() -> None:
    assert reference() in PAGE


def test_every_setting_is_described_by_its_default() -> None:
    lines = reference().splitlines()
    assert "| `RERANKER_SERVE_LIMITS__MAX_QUEUED_S` | `30.0` |" in "\n".join(lines)
    assert "| `RERANKER_SERVE_ANY_NAME` | `true` |" in "\n".join(lines)
    assert len(lines) == 2 + len(ServeSettings.model_fields) + len(Limits.model_fields) + 4
    assert all(line.count("|") == 4 and not line.endswith("|  |") for line in lines)


def test_every_variable_that_is_named_exists() -> None:
    names = set(re.findall(r"`RERANKER_SERVE_([A-Z_]+)`", reference()))
    short = {name.rsplit("__")[-1] for name in names} | names
    rest = PAGE.replace(reference(), "")
    assert set(re.findall(r"RERANKER_SERVE_([A-Z_]+)", rest)) - {""} <= names
    asked = set(re.findall(r"`(?:RERANKER_SERVE_)?([A-Z_]+)(?:=\w+)?`", rest))
    assert {name for name in asked if not re.match("OTEL_|RAY_|HF_|PYTHON", name)} <= short


def test_every_refusal_has_its_row() -> None:
    rows = zip(cells("Limits and refusals", 0), cells("Limits and refusals", 1), strict=True)
    told = {(status, outcome.strip("`")) for status, outcome in rows if outcome}
    wanted = {(str(each.value), each.name.lower()) for each in Refusal}
    assert told - {("status", "outcome")} == wanted


def test_every_metric_that_is_named_exists_and_all_are() -> None:
    rendered = PrometheusMetrics().render().decode()
    known = {line.split()[2] for line in rendered.splitlines() if line.startswith("# TYPE")}
    known = {name for name in known if not name.endswith("_created")}
    asked = set(re.findall(r"reranker_\w+", section("Metrics")))
    assert {re.sub(r"_bucket$", "", name) for name in asked} == known
    outcomes = {each.name.lower() for each in Refusal} | {"ok"}
    for matched in re.findall(r'outcome=~?"([^"]+)"', section("Metrics")):
        assert set(matched.split("|")) <= outcomes


def test_every_event_of_the_logs_is_written_somewhere() -> None:
    for cell in cells("Logs", 0)[1:]:
        for event in re.findall(r"`([^`]+)`", cell):
            assert event in texts(), event


@pytest.mark.parametrize("message", cells("Troubleshooting", 0)[1:])
def test_every_message_is_said_by_the_code(message: str) -> None:
    parts = [re.escape(part) for part in message.strip("`").split("…") if part.strip()]
    assert re.search("[^\n]*".join(parts), texts()), message


def test_links_within_the_page_lead_somewhere() -> None:
    heads = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
    assert set(re.findall(r"\(#([\w-]+)\)", PAGE)) <= anchors
    for file in re.findall(r"\]\((\w[\w.]+\.md)\)|`(serve/[\w/.]+)`", PAGE):
        path = HOUSE / "docs" / file[0] if file[0] else HOUSE / file[1]
        assert path.exists(), path


# Ray warns of itself.
@pytest.mark.filterwarnings("ignore")
def test_ray_takes_the_routing_that_is_named() -> None:
    pytest.importorskip("ray")
    import yaml
    from ray.serve.config import RequestRouterConfig

    snippet = PAGE.split("```yaml")[1].split("```")[0]
    found = yaml.safe_load(snippet)["request_router_config"]
    assert RequestRouterConfig.model_validate(found).get_request_router_class()
