import pytest

from reranker.errors import SettingsError
from reranker.settings import Settings
from training.recipe import Recipe

LEAST = "data: [{path: rows.jsonl}]\n"


def test_a_recipe_needs_no_more_than_data():
    recipe = Recipe.parse(LEAST)
    assert recipe.data[0].path == "rows.jsonl"
    assert recipe.settings() == Settings(layout="suffix")
    assert recipe.parsed_objective().name == "softmax_cross_entropy"


def test_what_is_written_reads_back():
    overrides = [
        "lora.targets=[q_proj, v_proj]",
        "objective={name: lambdarank, k: 10}",
        "dev=[{name: a, rows: a.jsonl}]",
        "passage_tokens.least=32",
        "reranker.strategy=full",
    ]
    recipe = Recipe.parse(LEAST, overrides)
    assert Recipe.parse(recipe.text()) == recipe
    whole = Recipe.parse(LEAST, ["lora=null"])
    assert whole.lora is None
    assert Recipe.parse(whole.text()) == whole


def test_overrides_lead_into_mappings_and_lists():
    overrides = ["learning_rate=3e-5", "lora.rank=4", "data.0.weight=2", "window.most=30"]
    recipe = Recipe.parse(LEAST, overrides)
    assert recipe.learning_rate == 3e-5
    assert recipe.lora is not None
    assert recipe.lora.rank == 4
    assert recipe.data[0].weight == 2.0
    assert (recipe.window.least, recipe.window.most) == (20, 30)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lr=1", r"unknown key\(s\) \['lr'\]; known are"),
        ("lora.r=4", r"unknown key\(s\) \['r'\] of lora"),
        ("steps=many", "steps must be a whole number, found 'many'"),
        ("steps=true", "steps must be a whole number, found True"),
        ("steps=0", "steps must be at least 1"),
        ("learning_rate=fast", "learning_rate must be a number"),
        ("learning_rate=-1", "learning_rate must be above 0"),
        ("clip=.nan", "clip must be at least 0"),
        ("lora.dropout=1.5", "0 <= dropout < 1"),
        ("objective=hinge", "unknown objective 'hinge'"),
        ("reranker.windows=3", r"unknown setting\(s\) \['windows'\]"),
        ("schedule=square", "unknown schedule"),
        ("identifiers=3", "at least window.most"),
        ("window.least=1", "window: window sizes must have"),
        ("dev=[{name: a}]", "either 'rows' or 'collection'"),
        ("dev=[{name: a, rows: b}, {name: a, rows: c}]", "the same name"),
        ("data=[]", "at least one file"),
        ("data=rows.jsonl", "data must be a list"),
        ("data=[{weight: 1}]", "data.0: an item of data needs either 'path' or 'collection'"),
        ("dev=[{rows: a}]", r"key\(s\) \['name'\] of dev.0 must be given"),
        ("data.4.weight=1", "fits nowhere"),
        ("steps", "expected key=value"),
        ("steps={", "fits nowhere"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(override, message):
    with pytest.raises(SettingsError, match=message):
        Recipe.parse(LEAST, [override])


def test_files_that_are_no_recipes_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        Recipe.read(tmp_path / "absent.yaml")
    for text, message in (("[", "not YAML"), ("- a", "must be a mapping"), ("{}", "'data'")):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(SettingsError, match=rf"bad\.yaml: .*{message}"):
            Recipe.read(tmp_path / "bad.yaml")
