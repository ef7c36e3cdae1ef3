import pytest
import torch

from reranker.device import choose_device, choose_dtype
from reranker.errors import SettingsError

CPU = torch.device("cpu")


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_a_gpu_is_preferred(two_gpus):
    assert choose_device() == choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cpu") == choose_device(CPU) == CPU


def test_apple_is_preferred_to_the_cpu(no_gpu, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device() == torch.device("mps")


def test_without_a_gpu_the_cpu(no_gpu):
    assert choose_device() == CPU


@pytest.mark.parametrize("absent", ["cuda:2", "mps", "xpu", "meta"])
def test_an_absent_device_is_refused_with_those_that_are_here(two_gpus, absent):
    with pytest.raises(SettingsError, match=f"'{absent}' is not on this machine.*cuda:0, cuda:1, "):
        choose_device(absent)


@pytest.mark.parametrize("unknown", ["gpu", "cuda:x", 3.5, ""])
def test_an_unknown_device_is_refused(no_gpu, unknown):
    with pytest.raises(SettingsError, match="devices here: cpu"):
        choose_device(unknown)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, torch.float32),
        ("auto", torch.float32),
        ("fp32", torch.float32),
        ("BF16", torch.bfloat16),
        ("torch.float16", torch.float16),
        (torch.bfloat16, torch.bfloat16),
    ],
)
def test_dtypes_on_the_cpu(given, expected):
    assert choose_dtype(given, CPU) == expected


@pytest.mark.parametrize("unknown", ["int8", "4bit", torch.int64, 16, ""])
def test_an_unknown_dtype_is_refused(unknown):
    with pytest.raises(SettingsError, match="expected one of float32, float16, bfloat16"):
        choose_dtype(unknown, CPU)


@pytest.mark.parametrize(("brain", "expected"), [(True, torch.bfloat16), (False, torch.float16)])
def test_half_precision_by_what_the_hardware_has(monkeypatch, brain, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: brain)
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_: brain)
    assert choose_dtype(None, torch.device("cuda")) == expected
    assert choose_dtype(None, torch.device("mps")) == expected
