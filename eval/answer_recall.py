"""Whether an answer stands in the first tokens retrieved: R@2kt and R@5kt of XOR-Retrieve.

The measure of collections that have answers and no judgements of documents (Asai et al. 2021),
computed as their `eval_xor_retrieve.py` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from xret.errors import MissingLibraryError

__all__ = [
    "ANSWER_MEASURES",
    "Tokenize",
    "answer_recall",
    "answer_tokens",
    "first_tokens",
    "word_tokenizer",
]

ANSWER_MEASURES = ("R@2kt", "R@5kt")
"""The two that XOR-Retrieve reports."""

NAME = re.compile(r"R@([1-9]\d{0,2})kt")

Tokenize = Callable[[str], list[str]]


def answer_tokens(name: str) -> int | None:
    """How many tokens a measure of that name reads; None for any other measure.

    >>> answer_tokens("R@2kt"), answer_tokens("R@100")
    (2000, None)
    """
    found = NAME.fullmatch(name)
    return int(found[1]) * 1000 if found else None


def first_tokens(texts: Iterable[str], n: int, tokenize: Tokenize) -> list[str]:
    """The first n tokens of the texts, one after the other; no more texts are taken than needed.

    >>> first_tokens(["a b", "c d", "e"], 3, str.split)
    ['a', 'b', 'c']
    """
    tokens: list[str] = []
    for text in texts:
        tokens += tokenize(text)
        if len(tokens) >= n:
            break
    return tokens[:n]


def answer_recall(tokens: Sequence[str], answers: Iterable[str]) -> float:
    """1 if one of the answers stands in the tokens, joined by spaces, else 0.

    As in the authors' program: the answer is not tokenized, and letters are not folded.

    >>> answer_recall(["in", "Tokyo", "."], ["Tokyo"]), answer_recall(["in", "Tokyo"], ["tokyo"])
    (1.0, 0.0)
    """
    text = " ".join(tokens)
    return float(any(answer in text for answer in answers))


def word_tokenizer() -> Tokenize:
    """NLTK's `word_tokenize`, which the authors count tokens with.

    Raises MissingLibraryError where it, or what it needs to find sentences, is not there.
    """
    try:
        from nltk import word_tokenize
    except ImportError as error:
        raise MissingLibraryError(
            "tokens of XOR-Retrieve are counted by NLTK; install it with: pip install nltk"
        ) from error
    try:
        word_tokenize("One. Two.")
    except LookupError as error:
        raise MissingLibraryError(
            "NLTK lacks its model of sentences; fetch it with: python -m nltk.downloader punkt_tab"
        ) from error
    tokenize: Tokenize = word_tokenize
    return tokenize
