import json
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast, T5Config

from reranker.checkpoint import load
from reranker.errors import MissingWeightsError, ModelError, SettingsError
from reranker.settings import Settings
from tests.tiny import save_tiny, tiny_config, tiny_model, tiny_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return save_tiny(tmp_path / "model")


def test_a_folder_gives_a_model_ready_for_forward_passes(folder):
    loaded = load(folder, device="cpu")
    expected = tiny_model(tiny_tokenizer()).state_dict()
    assert loaded.name == str(folder)
    assert isinstance(loaded.tokenizer, PreTrainedTokenizerFast)
    assert not loaded.model.training
    assert not loaded.model.config.use_cache
    assert not any(weight.requires_grad for weight in loaded.model.parameters())
    assert loaded.model.dtype == torch.float32
    assert all(torch.equal(expected[k], v) for k, v in loaded.model.state_dict().items())
    assert loaded.model.name_or_path == str(folder.resolve())


def test_the_name_may_be_a_string_from_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load("~/model", device="cpu").name == "~/model"


def test_the_dtype_is_obeyed(folder):
    assert load(folder, dtype="bf16", device="cpu").model.dtype == torch.bfloat16


def test_settings_come_from_the_folder(folder):
    assert load(folder, device="cpu").settings is None
    Settings(layout="suffix", window=7, stride=3).write(folder)
    assert load(folder, device="cpu").settings == Settings(layout="suffix", window=7, stride=3)


def test_broken_settings_are_an_error(folder):
    (folder / "reranker.json").write_text("{")
    with pytest.raises(SettingsError, match="is not JSON"):
        load(folder, device="cpu")


def test_loading_is_quiet_and_leaves_logging_as_it_was(folder, capfd):
    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub", "peft")]
    levels = [logger.level for logger in loggers]
    load(folder, device="cpu")
    assert capfd.readouterr() == ("", "")
    assert [logger.level for logger in loggers] == levels


def test_importing_the_module_is_light():
    code = (
        "import sys, reranker.checkpoint; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'peft', 'gguf')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_an_absent_path_is_named(tmp_path):
    for absent in (tmp_path / "absent", str(tmp_path / "absent"), "./absent", "absent.gguf"):
        with pytest.raises(MissingWeightsError, match=r"there is no file or folder .*absent"):
            load(absent, device="cpu")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"holds nothing; expected config\.json and"):
        load(tmp_path, device="cpu")


def test_a_folder_of_other_things_is_refused_with_what_it_holds(tmp_path):
    for place in range(10):
        (tmp_path / f"photo{place}.jpg").touch()
    with pytest.raises(ModelError, match=r"photo0\.jpg, .*photo7\.jpg and 2 more; expected"):
        load(tmp_path, device="cpu")


def test_a_file_that_is_no_gguf_by_name_is_refused(folder):
    with pytest.raises(ModelError, match=r"is a file; expected a folder with a model, or a \.gguf"):
        load(folder / "config.json", device="cpu")


def test_a_pickle_is_refused_unread(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    mark = tmp_path / "mark"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(mark),)

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match=r"pytorch_model\.bin, a pickle.*save_pretrained"):
        load(folder, device="cpu")
    assert not mark.exists()


def test_a_folder_without_weights_is_refused(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"expected \*\.safetensors"):
        load(folder, device="cpu")


def test_weights_cut_short_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(folder, device="cpu")


def test_weights_of_another_shape_are_refused(folder):
    change(folder / "config.json", intermediate_size=128)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(folder, device="cpu")


def test_weights_that_lack_a_layer_are_refused(folder):
    change(folder / "config.json", num_hidden_layers=3)
    with pytest.raises(ModelError, match=r"lack 9 of the .* such as 'model\.layers\.2"):
        load(folder, device="cpu")


def test_code_in_a_folder_is_never_run(folder):
    change(folder / "config.json", model_type="new", auto_map={"AutoConfig": "code.Config"})
    (folder / "code.py").write_text("raise SystemExit('was run')")
    with pytest.raises(ModelError, match="needs Python code of its own"):
        load(folder, device="cpu")


def test_an_unknown_architecture_is_refused(folder):
    change(folder / "config.json", model_type="new")
    with pytest.raises(ModelError, match="model type `new`"):
        load(folder, device="cpu")


def test_an_encoder_is_refused(tmp_path):
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=389)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="BertForMaskedLM, which is no causal language model"):
        load(tmp_path, device="cpu")


def test_an_encoder_decoder_is_refused(tmp_path):
    T5Config(architectures=["T5ForConditionalGeneration"]).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="T5ForConditionalGeneration, which is an encoder-decoder"):
        load(tmp_path, device="cpu")


def test_a_model_without_a_tokenizer_is_refused(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(folder, device="cpu")


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(folder):
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="knows 390 tokens and the model 389"):
        load(folder, device="cpu")


def test_unknown_options_are_refused_before_any_work(tmp_path):
    with pytest.raises(SettingsError, match="unknown dtype 'int3'"):
        load(tmp_path / "absent", dtype="int3", device="cpu")
    with pytest.raises(SettingsError, match="devices here"):
        load(tmp_path / "absent", device="tpu9")


def test_two_threads_may_load_at_once(folder):
    from concurrent.futures import ThreadPoolExecutor

    level = logging.getLogger("transformers").level
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda _: load(folder, device="cpu").model, range(4)))
    rows = torch.tensor([[5, 6, 7]])
    assert all(torch.equal(models[0](rows).logits, model(rows).logits) for model in models)
    assert logging.getLogger("transformers").level == level


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_the_tiny_config_is_what_the_tests_assume():
    assert tiny_config(tiny_tokenizer()).vocab_size == 389
