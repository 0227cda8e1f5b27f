"""Pieces of words by merging the most frequent neighbours (Sennrich et al. 2016).

The trainers of `tokenizers` break ties in an order that differs from process to process; here
equal counts are taken by the spelling, so that the same text gives the same pieces.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

__all__ = ["merged_pieces"]

_Pair = tuple[str, str]


def merged_pieces(
    words: Mapping[str, int], *, start: str, inside: str, most: int, seen: int
) -> list[str]:
    """At most so many pieces of two characters or more, in the order of their merging.

    words: how often each occurs, bare. start, inside: what a piece is marked with at a word's
    start and behind it. seen: a piece occurs so often at least.

    >>> merged_pieces({"abc": 4, "ab": 2, "b": 9}, start="_", inside="##", most=9, seen=3)
    ['_ab', '_abc']
    """
    counts = [words[word] for word in sorted(words)]
    spelt = [
        [(inside if place else start) + character for place, character in enumerate(word)]
        for word in sorted(words)
    ]
    pairs: dict[_Pair, int] = defaultdict(int)
    where: dict[_Pair, set[int]] = defaultdict(set)
    for number, symbols in enumerate(spelt):
        _count(symbols, counts[number], number, pairs, where)
    heap = [(-n, pair) for pair, n in pairs.items()]
    heapq.heapify(heap)
    pieces: dict[str, None] = {}
    while heap and len(pieces) < most:
        n, pair = heapq.heappop(heap)
        if pairs[pair] != -n:  # out of date: its true count was pushed when it changed
            continue
        if -n < seen:
            break
        piece = pair[0] + pair[1].removeprefix(inside)
        pieces[piece] = None
        changed: dict[_Pair, int] = {}
        for number in sorted(where.pop(pair)):
            before = spelt[number]
            after = _merge(before, pair, piece)
            for symbols, sign in ((before, -1), (after, 1)):
                for other in pairwise(symbols):
                    pairs[other] += sign * counts[number]
                    changed[other] = pairs[other]
                    if sign > 0:
                        where[other].add(number)
            spelt[number] = after
        for other, n_now in changed.items():
            if n_now > 0:
                heapq.heappush(heap, (-n_now, other))
    return list(pieces)


def _count(
    symbols: Sequence[str],
    n: int,
    number: int,
    pairs: dict[_Pair, int],
    where: dict[_Pair, set[int]],
) -> None:
    for pair in pairwise(symbols):
        pairs[pair] += n
        where[pair].add(number)


def _merge(symbols: Sequence[str], pair: _Pair, piece: str) -> list[str]:
    merged: list[str] = []
    place = 0
    while place < len(symbols):
        if tuple(symbols[place : place + 2]) == pair:
            merged.append(piece)
            place += 2
        else:
            merged.append(symbols[place])
            place += 1
    return merged
