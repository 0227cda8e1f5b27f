"""Vectors of texts that were encoded before, as many as fit into some memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from xret.index.storage.segment import Coded

__all__ = ["CodedText", "VectorCache"]


@dataclass(frozen=True, slots=True)
class CodedText:
    """A text's vectors in 8-bit codes, and how many each of its parts has."""

    coded: Coded
    lengths: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return self.coded.codes.nbytes + self.coded.scales.nbytes


class VectorCache:
    """By content of the text; what was used longest ago goes first. Safe to share by threads."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self._texts: OrderedDict[bytes, CodedText] = OrderedDict()
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._texts)

    def get(self, key: bytes) -> CodedText | None:
        with self._turn:
            text = self._texts.get(key)
            if text is not None:
                self._texts.move_to_end(key)
            return text

    def put(self, key: bytes, text: CodedText) -> None:
        """Keep a text; one that is larger than the whole memory is not kept."""
        if text.n_bytes > self.max_bytes:
            return
        with self._turn:
            earlier = self._texts.pop(key, None)
            self.n_bytes += text.n_bytes - (earlier.n_bytes if earlier is not None else 0)
            self._texts[key] = text
            while self.n_bytes > self.max_bytes:
                self.n_bytes -= self._texts.popitem(last=False)[1].n_bytes
