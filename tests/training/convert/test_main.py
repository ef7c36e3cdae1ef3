import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.training.convert.records_of import RECORDS
from training.convert.__main__ import app, main
from training.convert.answer import MISSING

runner = CliRunner()


def test_the_command_tells_what_came_of_it(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "rows.jsonl"
    source.write_text("\n".join(map(json.dumps, RECORDS)))
    result = runner.invoke(app, [str(source), str(target), "--from", "conversations"])
    assert result.exit_code == 0, result.output
    for told in ("2 row(s) written to", "1 row skipped: 1 malformed", f"1 mended: {MISSING}"):
        assert told in result.output
    strict = [str(source), str(target), "--from", "conversations", "--answers", "strict"]
    assert "1 row(s) written" in runner.invoke(app, strict).output
    assert runner.invoke(app, [str(source), str(target), "--from", "csv"]).exit_code == 2


def test_an_error_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.jsonl").write_text("")
    arguments = [str(tmp_path / "in.jsonl"), str(tmp_path / "out"), "--from", "tevatron"]
    monkeypatch.setattr(sys, "argv", ["convert", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert "error: " in capsys.readouterr().err
