"""Attention in plain products: torch's fused kernel, computed another way."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from reranker import attention
from reranker.attention import packed_attention, products
from reranker.packed_rows import PackedRows

WIDTH = 8


def drawn(heads: int, kv_heads: int, tokens: int, read: int) -> list[Tensor]:
    """A query, key and value of two rows, and what comes back to them."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(heads, tokens), (kv_heads, read), (kv_heads, read), (heads, tokens)]
    return [torch.randn(2, *shape, WIDTH, generator=generator) for shape in shapes]


def attended(sdpa: Any, tensors: list[Tensor], options: dict[str, Any]) -> list[Tensor]:
    """What an attention computes, and its gradients."""
    *inputs, back = tensors
    inputs = [x.clone().requires_grad_() for x in inputs]
    found = sdpa(*inputs, **options)
    return [found.detach(), *torch.autograd.grad(found, inputs, back)]


def seen(tokens: int, read: int) -> Tensor:
    """A mask where every token sees one key and any of the others."""
    mask = torch.rand(tokens, read, generator=torch.Generator().manual_seed(1)) < 0.5
    mask[:, 0] = True
    return mask


@pytest.mark.parametrize("heads", [(4, 4), (6, 2)])
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize(
    ("tokens", "read", "options"),
    [
        (5, 9, {}),
        (5, 9, {"attn_mask": seen(5, 9)}),
        (7, 7, {"is_causal": True}),
    ],
    ids=["all", "mask", "causal"],
)
def test_it_is_the_fused_kernel(
    heads: tuple[int, int], scale: float | None, tokens: int, read: int, options: dict[str, Any]
) -> None:
    tensors = drawn(*heads, tokens, read)
    options = {**options, "scale": scale, "enable_gqa": heads[0] != heads[1]}
    wanted = attended(F.scaled_dot_product_attention, tensors, options)
    for one, expected in zip(attended(products, tensors, options), wanted, strict=True):
        torch.testing.assert_close(one, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "device", "trained", "chosen"),
    [
        (torch.bfloat16, "cpu", True, True),
        (torch.float16, "cpu", True, True),
        (torch.bfloat16, "cpu", False, False),
        (torch.float32, "cpu", True, False),
        (torch.bfloat16, "meta", True, False),
    ],
)
def test_it_is_chosen_where_the_kernels_way_back_is_slow(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, device: str, trained: bool, chosen: bool
) -> None:
    calls: list[bool] = []

    def noted(*tensors: Tensor, **options: Any) -> Tensor:
        calls.append(True)
        return products(*tensors, **options)

    monkeypatch.setattr(attention, "products", noted)
    query, key, value = torch.randn(3, 1, 2, 5, WIDTH).to(device, dtype).requires_grad_(trained)
    rows = PackedRows([((5,),)])
    found, _ = packed_attention(torch.nn.Identity(), query, key, value, None, packed_rows=rows)
    assert found.shape == (1, 5, 2, WIDTH)
    assert bool(calls) is chosen
