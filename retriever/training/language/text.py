"""What a language is learnt from: lines of its text and, at best, their English translations.

Checked before anything is trained: enough of it, in UTF-8, in the language that was said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from xret.errors import CorpusError, LanguageError, TrainingError
from xret.retriever.corpora.lines import read_lines
from xret.retriever.encoders.wordpieces import IS_UNSPACED, split_words
from xret.retriever.languages.codes import language_name
from xret.retriever.languages.identification import (
    identify_language,
    in_script,
    main_script,
    probabilities,
)
from xret.retriever.languages.relatives import same_language
from xret.types import UNDETERMINED

__all__ = ["FEWEST_LINES", "FEWEST_PAIRS", "FEWEST_WORDS", "LanguageText", "Pair", "read_text"]

FEWEST_LINES, FEWEST_WORDS, FEWEST_PAIRS = 200, 2_000, 100
"""Below these an adapter learns its lines by heart, and what is held out says nothing."""

MOST_LINES = 500_000
HELD_OUT, CHOOSING = (10, 500), (20, 250)
"""One row in so many is kept from training, and at most how many: for the report, and for
choosing among the states of the training. What was chosen by is not what is reported."""

PASSAGE_LINES = 3
_SAMPLES, _SAMPLE_CHARACTERS = 15, 400
_SURE = 0.5
_ENGLISH = "en"

Pair = tuple[str, str]
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class LanguageText:
    """Lines and pairs (text, English), parted into what trains and what is kept from it.

    words: in all lines. notes: what a reader of the report should know.
    """

    lang: str
    lines: tuple[str, ...]
    pairs: tuple[Pair, ...]
    choosing_lines: tuple[str, ...]
    choosing_pairs: tuple[Pair, ...]
    held_lines: tuple[str, ...]
    held_pairs: tuple[Pair, ...]
    words: int
    notes: tuple[str, ...] = ()

    @classmethod
    def prepared(
        cls,
        lang: str,
        lines: Sequence[str],
        *,
        pairs: Sequence[Pair] | None,
        seed: int,
        check_language: bool = True,
    ) -> LanguageText:
        """Checked and parted; what is kept from training is drawn in blocks of neighbours.

        Raises TrainingError for too little of it, CorpusError for text that is in another
        language and for pairs whose English stands first (not with check_language false).
        """
        different = list(dict.fromkeys(line for raw in lines if (line := raw.strip())))
        words = sum(map(_count_words, different))
        if len(different) < FEWEST_LINES or words < FEWEST_WORDS:
            raise TrainingError(
                f"{len(different)} different lines with {words:,} words are too little text to "
                f"learn {language_name(lang)} ({lang}) from: at least {FEWEST_LINES} lines and "
                f"{FEWEST_WORDS:,} words are needed"
            )
        notes = []
        if len(different) > MOST_LINES:
            notes.append(f"only the first {MOST_LINES:,} lines are used")
            different = different[:MOST_LINES]
        kept, left_out = _distinct(pairs or ())
        if pairs is not None and len(kept) < FEWEST_PAIRS:
            raise TrainingError(
                f"{len(kept)} different pairs of sentences are too few to align with: at least "
                f"{FEWEST_PAIRS} are needed; leave --parallel out to learn from the text alone"
            )
        notes += left_out
        if check_language:
            notes += _checked(lang, different, kept)
        chosen, held, rest = _parted(kept, seed)
        translated = {text for text, _ in kept}
        parts = _parted([line for line in different if line not in translated], seed)
        chosen_lines, held_lines, training = (
            (*alone, *(text for text, _ in translations))
            for alone, translations in zip(parts, (chosen, held, rest), strict=True)
        )
        return cls(
            lang,
            training,
            tuple(rest),
            chosen_lines,
            tuple(chosen),
            held_lines,
            tuple(held),
            words,
            tuple(notes),
        )


def read_text(path: Path) -> list[str]:
    """The lines of a text file that are not blank, plain or compressed.

    Raises CorpusError for a file that is missing, empty, binary or not UTF-8.
    """
    texts = []
    for number, line in read_lines(path):
        if "\0" in line:
            raise CorpusError(f"{path}:{number}: a binary file; plain text in UTF-8 is needed")
        if text := line.strip():
            texts.append(text)
    if not texts:
        raise CorpusError(f"{path} is empty; a text in the new language is needed, line by line")
    return texts


def _count_words(line: str) -> int:
    """Two characters count as a word where none is set off by spaces."""
    words = split_words(line)
    return sum(max(1, len(w) // 2) if IS_UNSPACED.search(w) else 1 for w in words)


def _distinct(pairs: Sequence[Pair]) -> tuple[list[Pair], list[str]]:
    """Pairs with both sides, neither met before: an equal sentence would be a second answer."""
    kept: list[Pair] = []
    seen: tuple[set[str], set[str]] = (set(), set())
    for text, english in ((t.strip(), e.strip()) for t, e in pairs):
        if text and english and text not in seen[0] and english not in seen[1]:
            kept.append((text, english))
            seen[0].add(text)
            seen[1].add(english)
    lost = len(pairs) - len(kept)
    return kept, [f"{lost:,} pairs with an empty or repeated side are left out"] if lost else []


def _parted(rows: Sequence[_Row], seed: int) -> tuple[list[_Row], list[_Row], list[_Row]]:
    """(for choosing, held out, the rest), the first two in blocks of neighbouring rows.

    Neighbours together make passages, and a text's sentences stay on one side.
    """
    blocks = [rows[start : start + PASSAGE_LINES] for start in range(0, len(rows), PASSAGE_LINES)]
    order = np.random.default_rng([seed, 5]).permutation(len(blocks))
    parts = []
    start = 0
    for every, most in (CHOOSING, HELD_OUT):
        n = -(-min(len(rows) // every, most) // PASSAGE_LINES)
        parts.append(sorted(order[start : start + n].tolist()))
        start += n
    parts.append(sorted(order[start:].tolist()))
    chosen, held, rest = ([row for block in part for row in blocks[block]] for part in parts)
    return chosen, held, rest


def _checked(lang: str, lines: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """Notes on what could not be checked. Raises CorpusError for another language."""
    notes = _check_text(lang, lines, "the text")
    if pairs:
        texts, english = [text for text, _ in pairs], [english for _, english in pairs]
        first, second = _votes(texts), _votes(english)
        if first[_ENGLISH] > sum(first.values()) / 2 > second[_ENGLISH]:
            raise CorpusError(
                "the first column of the parallel sentences is English and the second is not: "
                f"they must stand as text<TAB>english, here {language_name(lang)} first"
            )
        _check_text(lang, texts, "the first column of the parallel sentences")
        if second[_ENGLISH] < sum(second.values()) / 2:
            raise CorpusError(
                f"the second column of the parallel sentences looks like {_named(second)}, and "
                "English is needed there"
            )
    return notes


def _check_text(lang: str, lines: Sequence[str], what: str) -> list[str]:
    """Raises CorpusError for text in another language or in a script that does not write it."""
    sample = " ".join(_samples(lines))
    script = main_script(sample)
    if script and not in_script([lang], script):
        raise CorpusError(
            f"{what} is in the script {script}, which is not known to write {language_name(lang)} "
            f"({lang}); with --force it is taken for that all the same"
        )
    votes = _votes(lines)
    said = sum(n for code, n in votes.items() if same_language(code, lang))
    best = max(votes, key=lambda code: votes[code], default=lang)
    known = False
    with suppress(LanguageError):
        known = any(same_language(code, lang) for code in probabilities(sample[:800], script))
    other = not same_language(best, lang) and votes[best] > sum(votes.values()) / 2
    if other and said < votes[best] / 4 and (known or best == _ENGLISH):
        raise CorpusError(
            f"{what} looks like {_named(votes)}, not {language_name(lang)} ({lang}): give the "
            "right language or text, or --force to take it for that all the same"
        )
    if known:
        return []
    return [
        f"the language identifier does not know {language_name(lang)}: that the text is in it "
        "could not be checked"
    ]


def _samples(lines: Sequence[str]) -> list[str]:
    """Stretches of neighbouring lines from all over the text."""
    found = []
    for start in np.linspace(0, len(lines) - 1, min(_SAMPLES, len(lines)), dtype=int).tolist():
        text = ""
        for line in lines[start:]:
            text += f" {line[:_SAMPLE_CHARACTERS]}"
            if len(text) >= _SAMPLE_CHARACTERS:
                break
        found.append(text.strip())
    return found


def _votes(lines: Sequence[str]) -> Counter[str]:
    """How many samples are in which language."""
    guesses = [identify_language(sample) for sample in _samples(lines)]
    return Counter(code for code, sure in guesses if code != UNDETERMINED and sure >= _SURE)


def _named(votes: Counter[str]) -> str:
    if not votes:
        return "no known language"
    code = votes.most_common(1)[0][0]
    return f"{language_name(code)} ({code})"
