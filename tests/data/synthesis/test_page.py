import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from benchmarks.quality import app as quality
from data.__main__ import app
from training.recipe import Recipe

ROOT = Path(__file__).parents[3]


def test_what_the_page_tells_can_be_done() -> None:
    text = (ROOT / "docs" / "synthesis.md").read_text(encoding="utf-8")
    helps = [
        CliRunner().invoke(app, [name, "--help"], env={"TERM": "dumb", "COLUMNS": "200"}).output
        for name in ("synthesize", "mine")
    ]
    measured = CliRunner().invoke(quality, ["--help"], env={"TERM": "dumb", "COLUMNS": "200"})
    told = set(re.findall(r"--[a-z-]+", text))
    assert len(told) > 12
    assert told <= set(re.findall(r"--[a-z-]+", "".join([*helps, measured.output]))) | {"--model"}
    lines = re.findall(r"-m training (.*?)\n\$", text.replace("\\\n", " "), re.DOTALL)
    assert len(lines) == 2
    for recipe, _, _, *overrides in map(shlex.split, lines):
        read = Recipe.read(ROOT / recipe, overrides)
        assert read.lora is not None
        assert (ROOT / str(read.lora.start) / "adapter_config.json").is_file()
        assert read.settings().prior == 0.075
