"""Keys and values of a passage, as a model computed them: kept, so that later queries reuse them.

Positions are part of a key, so what is kept is good for one place in a row: after the prefix it
was computed after.
"""

import math
import struct
from dataclasses import dataclass
from hashlib import blake2b

import torch
from torch import Tensor

from reranker.errors import DataError, SettingsError
from reranker.settings import STORED

_MAGIC = b"KV01"
_HEAD = struct.Struct("<4sB5I")
_SUM = 16


@dataclass(frozen=True, slots=True)
class Kept:
    """Keys and values of one segment, `(2, layers, tokens, kv_heads, head_dim)`.

    In `int8`, `scales` `(2, layers, tokens, kv_heads, 1)` times `states` are the values.
    """

    states: Tensor
    scales: Tensor | None = None

    def __len__(self) -> int:
        return int(self.states.shape[2])

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        scales = 0 if self.scales is None else self.scales.nbytes
        return int(self.states.nbytes + scales)

    def layer(self, number: int) -> Tensor:
        """Keys and values of one layer, `(2, tokens, kv_heads, head_dim)`."""
        states = self.states[:, number]
        return states if self.scales is None else states * self.scales[:, number]

    @classmethod
    def of(cls, states: Tensor, stored: str) -> "Kept":
        """Keep states in a type of `STORED`; `int8` has one scale a token and head.

        Raises:
            SettingsError: for another type.
        """
        if stored not in STORED:
            raise SettingsError(f"keys and values are stored as one of {STORED}, found {stored!r}")
        if stored != "int8":
            # Copied, as states are a part of a whole pass, which would be held with them.
            dtype = getattr(torch, stored)
            return cls(states.to(dtype, copy=True, memory_format=torch.contiguous_format))
        scales = states.abs().amax(-1, keepdim=True).float().clamp_min(1e-12) / 127
        # Rounded first, so that the states fit the scale they will be read with.
        scales = scales.to(torch.bfloat16)
        whole = (states / scales.float()).round().clamp(-127, 127).to(torch.int8)
        return cls(whole, scales)

    def to_bytes(self) -> bytes:
        """A record that `from_bytes` reads, with its checksum."""
        parts = [self.states] if self.scales is None else [self.states, self.scales]
        kind = STORED.index(str(self.states.dtype).removeprefix("torch."))
        head = _HEAD.pack(_MAGIC, kind, *self.states.shape)
        body = head + b"".join(_raw(part) for part in parts)
        return _checksum(body) + body

    @classmethod
    def from_bytes(cls, record: bytes) -> "Kept":
        """What `to_bytes` wrote.

        Raises:
            DataError: for a record that is cut, damaged or of another format.
        """
        sum_, body = record[:_SUM], memoryview(record)[_SUM:]
        if len(body) < _HEAD.size or _checksum(body) != sum_:
            raise DataError(f"a kept passage of {len(record)} bytes is cut or damaged")
        magic, kind, *shape = _HEAD.unpack_from(body)
        if magic != _MAGIC or kind >= len(STORED):
            raise DataError("a kept passage is of another format than this version's")
        dtype = getattr(torch, STORED[kind])
        middle = _HEAD.size + math.prod(shape) * dtype.itemsize
        states = _tensor(body[_HEAD.size : middle], dtype).reshape(shape)
        if dtype is not torch.int8:
            return cls(states)
        return cls(states, _tensor(body[middle:], torch.bfloat16).reshape(*shape[:-1], 1))


def _raw(tensor: Tensor) -> bytes:
    raw: bytes = tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes()
    return raw


def _tensor(raw: memoryview, dtype: torch.dtype) -> Tensor:
    # Torch refuses an empty buffer, which a blank passage is.
    return torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.empty(0, dtype=dtype)


def _checksum(body: bytes | memoryview) -> bytes:
    return blake2b(body, digest_size=_SUM).digest()
