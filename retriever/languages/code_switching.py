"""Texts in more than one language: which part is in which, down to the token.

A change of script is a change of language, short runs of Latin letters aside (names,
brands, units). Within a script every word is identified with its neighbours, and the best
sequence of languages is found with a price on every change (Viterbi), so that a text in
one language stays in one: `benchmarks/identification.py` has both error rates.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from xret.retriever.languages.identification import (
    identify_language,
    in_script,
    main_script,
    probabilities,
)
from xret.retriever.languages.relatives import distance
from xret.retriever.languages.scripts import script_of
from xret.types import UNDETERMINED, FloatArray

__all__ = ["LanguageSpan", "language_spans", "token_langs"]

MIN_WORDS = 2
"""Words in one language that can stand between others; fewer are a name or a loan."""

MIN_CONFIDENCE = 0.3
"""How sure the identifier must be of a part, taken by itself, to cut it out."""

PRICE = 7.0
"""Nats that a change of language costs; see `_best_sequence` for what they are weighed with."""

LATIN_WORDS = 3
"""Words in Latin letters that are a language of their own inside a text in another script."""

CLOSE = 0.1
"""Relatives nearer than this (`relatives.distance`) are not told apart inside a text."""

MAX_WORDS = 64
"""Longer texts are documents; they are not cut within a script."""

_IDEOGRAPHIC = frozenset({"Hani", "Hira", "Kana"})
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class LanguageSpan:
    """text[start:end] is in `lang`; positions are code points."""

    start: int
    end: int
    lang: str


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    end: int
    script: str


def language_spans(text: str, *, candidates: Collection[str] | None = None) -> list[LanguageSpan]:
    """The parts of a text by language, in order, covering all of it; at least one.

    candidates: the languages that can occur, None for all. For texts whose language nobody
    gave; what a user says holds for the whole text. A part that tells no language goes with
    the language of most of the text.
    """
    words = _words(text)
    script = main_script(text)
    main = " ".join(text[word.start : word.end] for word in words if word.script == script)
    whole = identify_language(main or text, candidates=candidates)[0]
    langs: list[str] = []
    for run_script, group in groupby(words, key=lambda word: word.script):
        run = list(group)
        if run_script == script:
            langs += _languages_of_run(text, run, whole, candidates)
        else:
            langs += [_language_of_insertion(text, run, whole, candidates)] * len(run)
    return _merged(text, words, langs) or [LanguageSpan(0, len(text), whole)]


def token_langs(
    text: str, offsets: Sequence[tuple[int, int]], spans: Sequence[LanguageSpan]
) -> list[str]:
    """The language of each token, from the tokenizer's character offsets into the text.

    offsets: (start, end) of t tokens; empty ones, as special tokens have, get the language
    of most of the text. A token across a border belongs to where its first letter is.
    Returns t codes, for the `lang_ids` of a token-by-token forward.

    >>> token_langs("hola мир", [(0, 0), (0, 4), (4, 8)],
    ...             [LanguageSpan(0, 5, "es"), LanguageSpan(5, 8, "ru")])
    ['es', 'es', 'ru']
    """
    sizes: dict[str, int] = {}
    for span in spans:
        sizes[span.lang] = sizes.get(span.lang, 0) + span.end - span.start
    most = max(sizes, key=lambda lang: sizes[lang], default=UNDETERMINED)
    found = []
    for start, end in offsets:
        first = next((i for i in range(start, end) if not text[i].isspace()), start)
        inside = (span.lang for span in spans if span.start <= first < span.end)
        found.append(next(inside, most) if end > start else most)
    return found


def _words(text: str) -> list[_Word]:
    """Runs of letters between spaces, cut where the script changes; digits are no words."""
    words = []
    for match in re.finditer(r"\S+", text):
        letters = [(i, script_of(text[i])) for i in range(*match.span())]
        kept = [(i, "Jpan" if s in _IDEOGRAPHIC else s) for i, s in letters if s]
        for script, run in groupby(kept, key=lambda letter: letter[1]):
            places = [i for i, _ in run]
            words.append(_Word(places[0], places[-1] + 1, script))
    if main_script(text) == "Hani":  # Han without kana
        return [_Word(w.start, w.end, "Hani" if w.script == "Jpan" else w.script) for w in words]
    return words


def _language_of_insertion(
    text: str, run: list[_Word], whole: str, candidates: Collection[str] | None
) -> str:
    """The language of words in another script than most of the text."""
    part = text[run[0].start : run[-1].end]
    if run[0].script == "Latn" and len(run) < LATIN_WORDS:
        return whole
    found, confidence = identify_language(part, candidates=candidates)
    sure = found != UNDETERMINED and confidence >= MIN_CONFIDENCE and len(part) > 1
    return found if sure else whole


def _languages_of_run(
    text: str, run: list[_Word], whole: str, candidates: Collection[str] | None
) -> list[str]:
    """One language a word of one script, mostly the same one."""
    n = len(run)
    alike = [whole] * n
    if not 2 * MIN_WORDS <= n <= MAX_WORDS or whole == UNDETERMINED:
        return alike
    script = run[0].script
    pool = None if candidates is None else in_script(candidates, script)
    windows = [
        probabilities(text[run[max(i - 1, 0)].start : run[min(i + 1, n - 1)].end], script, pool)
        for i in range(n)
    ]
    langs = sorted(set().union(*windows))
    if whole not in langs or len(langs) < 2:
        return alike
    scores = np.log([[w.get(lang, 0.0) + _LEAST for lang in langs] for w in windows])
    chosen = [langs[state] for state in _best_sequence(scores.astype(np.float32), PRICE)]
    return _confirmed(text, run, chosen, whole, candidates)


def _best_sequence(scores: FloatArray, price: float) -> list[int]:
    """The sequence of states with the greatest sum of scores, less `price` a change.

    scores: (n, s) log-probabilities of s states at n places. Ties stay where they are.
    """
    best, back = scores[0], []
    for row in scores[1:]:
        leader = int(best.argmax())
        stays = best >= best[leader] - price
        back.append(np.where(stays, np.arange(len(best)), leader))
        best = np.where(stays, best, best[leader] - price) + row
    state = int(best.argmax())
    states = [state]
    for pointers in reversed(back):
        state = int(pointers[state])
        states.append(state)
    return states[::-1]


def _confirmed(
    text: str, run: list[_Word], langs: list[str], whole: str, candidates: Collection[str] | None
) -> list[str]:
    """The same sequence if each of its parts is surely what it says, else one language."""
    parts = [list(group) for _, group in groupby(range(len(run)), key=lambda i: langs[i])]
    alike = [whole] * len(run)
    for before, after in pairwise(parts):
        if distance(langs[before[0]], langs[after[0]]) < CLOSE:
            return alike
    for part in parts if len(parts) > 1 else ():
        found, confidence = identify_language(
            text[run[part[0]].start : run[part[-1]].end], candidates=candidates
        )
        if len(part) < MIN_WORDS or found != langs[part[0]] or confidence < MIN_CONFIDENCE:
            return alike
    return langs if len(parts) > 1 else alike


def _merged(text: str, words: Sequence[_Word], langs: Sequence[str]) -> list[LanguageSpan]:
    """Words of one language in a row as one span; what is between goes with the word before."""
    spans: list[LanguageSpan] = []
    for word, lang in zip(words, langs, strict=True):
        if spans and spans[-1].lang == lang:
            continue
        start = word.start if spans else 0
        if spans:
            spans[-1] = LanguageSpan(spans[-1].start, start, spans[-1].lang)
        spans.append(LanguageSpan(start, len(text), lang))
    return spans
