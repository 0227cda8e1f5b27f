"""Questions without a model: a title or the telling words of a sentence, translated by a lexicon.

What a passage is about are its title and the sentence whose words are rarest in the corpus.
Questions in another language are the translations of those words, by way of the table's target.
They are keywords, as people type them, and no sentences.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import xxhash

from xret.retriever.encoders.wordpieces import IS_UNSPACED
from xret.retriever.languages.identification import main_script
from xret.retriever.lexical.analysis import analyse, query_stop_terms
from xret.retriever.passages import sentence_ends
from xret.retriever.training.synthesis.questions import SyntheticQuestion
from xret.retriever.training.synthesis.source_passages import SourcePassage
from xret.retriever.training.synthesis.surface_words import SurfaceWords
from xret.retriever.translation.table import Translations, TranslationTable

__all__ = ["ExtractiveGenerator"]

MAX_WORDS = 6
MIN_TRANSLATED = 2
MIN_SHARE = 0.2
"""Of the likeliest translation: below it a word means too many things."""

_CLAUSES = re.compile(r"[，、。；：！？,;:!?\s]+")


class ExtractiveGenerator:
    """passages: all that are asked about, which say how rare a word is."""

    name = "the documents' own words"

    def __init__(self, passages: Sequence[SourcePassage], table: TranslationTable) -> None:
        self.fingerprint = f"extractive-2-{table.fingerprint}"
        self._table = table
        self._texts: Counter[str] = Counter()
        self._holding: dict[str, Counter[str]] = defaultdict(Counter)
        texts: dict[str, list[str]] = defaultdict(list)
        for passage in passages:
            lang = _base(passage.lang)
            self._texts[lang] += 1
            self._holding[lang].update(set(analyse(passage.as_read(), lang)))
            texts[lang].append(passage.as_read())
        self._surface = SurfaceWords({lang: tuple(each) for lang, each in texts.items()})

    def ask(self, passage: SourcePassage, lang: str) -> SyntheticQuestion:
        """Every other passage with a title is asked for by it. "" where the words of a question
        have no translations."""
        source, target = _base(passage.lang), _base(lang)
        of_title = (
            bool(passage.title) and xxhash.xxh3_64_intdigest(passage.passage_id.encode()) % 2 == 0
        )
        span = passage.title if of_title else self._telling_sentence(passage.text, source)
        if source == target:
            text = self._keywords(span, source)
        else:
            text = " ".join(self._translated(span, source, target))
        return SyntheticQuestion(text, span, of_title)

    def _rarity(self, term: str, lang: str) -> float:
        """Inverse document frequency among the passages."""
        return math.log((self._texts[lang] + 1) / (self._holding[lang][term] + 0.5))

    def _telling_sentence(self, text: str, lang: str) -> str:
        borders = [0, *sentence_ends(text), len(text)]
        sentences = [text[start:end].strip() for start, end in pairwise(borders)]
        return max(sentences, key=lambda sentence: self._weight(sentence, lang))

    def _weight(self, text: str, lang: str) -> float:
        """Mean rarity of a text's words; short ones, which are seldom sentences, count less."""
        terms = [term for term in analyse(text, lang) if term not in query_stop_terms(lang)]
        return sum(self._rarity(term, lang) for term in terms) / max(len(terms), 8)

    def _keywords(self, span: str, lang: str) -> str:
        """The rarest words of a span, or the rarest clause where no spaces stand between words."""
        if IS_UNSPACED.search(span):
            return max(_CLAUSES.split(span), key=lambda clause: self._weight(clause, lang))
        silent = query_stop_terms(lang)
        rarity = {}
        for word in dict.fromkeys(span.split()):
            terms = [term for term in analyse(word, lang) if term not in silent]
            if terms:
                rarity[word] = max(self._rarity(term, lang) for term in terms)
        kept = sorted(rarity, key=rarity.__getitem__, reverse=True)[:MAX_WORDS]
        return " ".join(word.strip(".,;:!?\"'()[]«»“”") for word in rarity if word in kept)

    def _translated(self, span: str, source: str, target: str) -> list[str]:
        """Translations of the rarest terms that have one, in the order of the span."""
        silent = query_stop_terms(source)
        places = {term: place for place, term in enumerate(analyse(span, source))}
        rarest = sorted(places, key=lambda term: -self._rarity(term, source))
        words: dict[int, str] = {}
        translated = 0
        for term in rarest:
            # One character of a script without spaces means too much by itself.
            if term in silent or (len(term) == 1 and IS_UNSPACED.match(term)):
                continue
            if word := self._translation(term, source, target):
                translated += 1
            elif term.isdigit() or self._is_name(term, source, target):
                word = self._surface.word(term, source)
            if word:
                words[places[term]] = word
            if len(words) == MAX_WORDS:
                break
        if translated < MIN_TRANSLATED:
            return []
        return list(dict.fromkeys(words[place] for place in sorted(words)))

    def _translation(self, term: str, source: str, target: str) -> str | None:
        pivot = self._table.target
        if source != pivot:
            known = self._table.language(source)
            term = _likeliest(known.translations(term) if known else None)
        if target == pivot or not term:
            return self._surface.word(term, pivot) if term else None
        other = self._table.language(target)
        word = _likeliest(other.backwards.get(term) if other else None)
        return self._surface.word(word, target) if word else None

    def _is_name(self, term: str, source: str, target: str) -> bool:
        """Whether a word that no table knows is most likely written so in the target as well."""
        known = self._table.language(source)
        unknown = known is None or known.translations(term) is None
        latin = {main_script(self._sample(lang)) for lang in (source, target)} == {"Latn"}
        return source != self._table.target and latin and unknown and len(term) > 3

    def _sample(self, lang: str) -> str:
        if lang == self._table.target:
            return "a"
        known = self._table.language(lang)
        return " ".join(known.terms[len(known.terms) // 2 :][:20]) if known else ""


def _base(lang: str) -> str:
    return lang.partition("-")[0]


def _likeliest(row: Translations | None) -> str:
    return row[0][0] if row and row[0][1] >= MIN_SHARE else ""
