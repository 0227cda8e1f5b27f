"""What each letter of a language is spelt as, learnt from romanised words."""

from __future__ import annotations

import math
import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from script_tables.romanisers import (
    ABJADS,
    INDIC,
    by_people,
    romanisers,
    varied,
    without_last_vowel,
)
from xret.retriever.scripts.latin import plain
from xret.retriever.scripts.spelling import contexts

Place = tuple[str, str]
Chances = dict[Place, dict[str, float]]

WORDS = 2000
ROUNDS = 5
LENGTHS = (0.08, 0.6, 0.25, 0.05, 0.02)
"""How likely a letter is spelt by so many, before anything is known."""
CONTEXTS = ("sm", "se", "sv", "im", "ie", "iv")
BACKOFF = 5.0
UNSEEN = 1e-7


def pairs(lang: str, vocabulary: Sequence[tuple[str, float]]) -> list[tuple[str, str]]:
    """Words with their romanised forms: each library's, and some as people write them."""
    rng = random.Random(17)
    weights = [math.sqrt(count) for _, count in vocabulary]
    drawn = {*rng.choices([word for word, _ in vocabulary], weights, k=2 * WORDS)}
    chosen = sorted(drawn)
    rng.shuffle(chosen)
    found: dict[tuple[str, str], None] = {}
    for word in chosen[:WORDS]:
        parts = unicodedata.normalize("NFD", word) if lang == "ko" else word
        for latin in sorted(_forms(word, lang, rng)):
            if len(latin) <= 4 * len(parts) and re.fullmatch("[a-z0-9'@$]+", latin):
                found[parts, latin] = None
    return [*found]


def _forms(word: str, lang: str, rng: random.Random) -> set[str]:
    forms = set()
    for romanise in romanisers(lang):
        try:
            latin = plain(romanise(word).replace(" ", "").replace("-", ""))
        except (KeyError, ValueError, IndexError):
            continue
        forms |= {latin} - {""}
    base = sorted(forms)
    if lang in INDIC:
        forms |= {*map(without_last_vowel, base)}
    if lang in ABJADS:
        forms |= {plain(by_people(word, lang, rng).replace("-", "")) for _ in range(4)}
    for latin in rng.sample(base, min(2, len(base))):
        forms.add(varied(without_last_vowel(latin) if lang in INDIC else latin, rng))
    return forms - {""}


def learnt(examples: Sequence[tuple[str, str]]) -> Chances:
    """Chances of spellings by letter and context: expectation maximisation over all ways in
    which the letters of a word may have written its romanised form."""
    chances: Chances = {}
    for turn in range(ROUNDS):
        counts: dict[Place, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for word, latin in examples:
            _count([*zip(word, contexts(word), strict=True)], latin, chances, counts)
        chances = _smoothed(counts, least=2e-3 if turn == ROUNDS - 1 else 1e-4)
    return chances


def _count(
    places: Sequence[Place],
    latin: str,
    chances: Chances,
    counts: dict[Place, dict[str, float]],
) -> None:
    """Add how often each letter was spelt how, over all ways, each as likely as it is."""
    n, longest = len(latin), len(LENGTHS) - 1
    forward = [[0.0] * (n + 1) for _ in range(len(places) + 1)]
    forward[0][0] = 1.0
    steps: list[dict[tuple[int, int], float]] = []
    for number, place in enumerate(places):
        own = chances.get(place)
        step = {}
        for at, way in enumerate(forward[number]):
            if way <= 1e-300:
                continue
            for length in range(min(longest, n - at) + 1):
                likely = (
                    LENGTHS[length]
                    if not chances
                    else (own or {}).get(latin[at : at + length], UNSEEN)
                )
                forward[number + 1][at + length] += way * likely
                step[at, length] = likely
        steps.append(step)
    total = forward[-1][n]
    if total <= 0:
        return
    backward = [0.0] * n + [1.0]
    for number in range(len(places) - 1, -1, -1):
        before, spelt = [0.0] * (n + 1), counts[places[number]]
        for (at, length), likely in steps[number].items():
            after = likely * backward[at + length]
            before[at] += after
            share = forward[number][at] * after / total
            if share > 1e-4:
                spelt[latin[at : at + length]] += share
        backward = before


def _smoothed(counts: dict[Place, dict[str, float]], *, least: float) -> Chances:
    """By context where there is enough of it, by letter alone where there is not."""
    whole: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for (letter, _), spelt in counts.items():
        for latin, n in spelt.items():
            whole[letter][latin] += n
    chances: Chances = {}
    for letter, spelt in whole.items():
        total = sum(spelt.values())
        for context in CONTEXTS:
            own = counts.get((letter, context), {})
            seen = sum(own.values())
            share = seen / (seen + BACKOFF)
            mixed = {latin: (1 - share) * n / total for latin, n in spelt.items()}
            for latin, n in own.items():
                mixed[latin] = mixed.get(latin, 0.0) + share * n / seen
            chances[letter, context] = {latin: p for latin, p in mixed.items() if p > least}
    return chances
