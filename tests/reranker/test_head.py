import torch
from torch import nn

from reranker.engine import Engine
from reranker.head import ExactHead
from reranker.prompt import Prompt
from tests.tiny import tiny_model, tiny_tokenizer

IDS = (30, 31, 32)


def linear(dtype: torch.dtype, *, bias: bool) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(64, 8, bias=bias).to(dtype)


def test_products_of_half_weights_keep_what_they_have() -> None:
    head, states = linear(torch.bfloat16, bias=True), 20 * torch.randn(5, 64, dtype=torch.bfloat16)
    rows = torch.tensor([6, 1])
    expected = nn.functional.linear(states.double(), head.weight.double(), head.bias.double())
    found = ExactHead(head, rows)(states)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected[:, rows], atol=1e-4, rtol=1e-6)
    assert (head(states).double() - expected).abs().max() > 1e-2


def test_a_wider_type_stays_and_nothing_is_copied_in_vain() -> None:
    head = linear(torch.float64, bias=False)
    assert ExactHead(head)(torch.ones(1, 64, dtype=torch.float64)).dtype == torch.float64
    head = linear(torch.float32, bias=False)
    assert ExactHead(head).weight.data_ptr() == head.weight.data_ptr()


def test_an_engine_in_bfloat16_gives_scores_between_its_steps() -> None:
    for whole_head in (False, True):
        model = tiny_model(tiny_tokenizer()).to(torch.bfloat16)
        prompt = Prompt((), ((3, 4, 5), (6, 7), (8, 9)), (10,), ("A", "B", "C"), IDS)
        [scores] = Engine(model, IDS, whole_head=whole_head).score([prompt])
        found = torch.tensor(scores)
        assert not torch.equal(found, found.bfloat16().float())
