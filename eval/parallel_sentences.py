"""Sentences with their English translations, from a file of any shape or a corpus whose judgements
join them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xret.errors import CorpusError, LanguageError
from xret.retriever.corpora.parallel_text import SHAPES, read_pairs
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.languages.codes import ENGLISH, language_name
from xret.retriever.languages.identification import (
    identify_language,
    in_script,
    main_script,
    probabilities,
)
from xret.types import UNDETERMINED

__all__ = [
    "FEWEST",
    "Pairs",
    "ParallelSentences",
    "draw_sentences",
    "read_parallel_corpus",
    "read_parallel_file",
]

FEWEST = 20
"""Below it even a perfect score has an interval too wide to tell a fit language from others."""

ADVISED = 100
"""From it on a share of one half is known to about a tenth either way, at 95 %."""

SURE = 0.9
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ParallelSentences:
    """Sentence i of `texts`, in `lang`, says what sentence i of `english` does.

    available: pairs there were before some were drawn. notes: what a reader should know.
    """

    lang: str
    texts: tuple[str, ...]
    english: tuple[str, ...]
    available: int
    notes: tuple[str, ...] = ()

    @classmethod
    def drawn(cls, lang: str, pairs: Pairs, *, n: int, seed: int = 0) -> ParallelSentences:
        """At most n pairs, drawn by the seed; pairs that repeat a side are taken once.

        Raises CorpusError for fewer than `FEWEST`.
        """
        kept, notes = _distinct(pairs)
        if len(kept) < FEWEST:
            raise CorpusError(
                f"{len(kept)} different sentence pairs in {language_name(lang)} ({lang}) are too "
                f"few: at least {FEWEST} are needed, and {ADVISED} for shares known to about "
                "0.1 either way"
            )
        if len(kept) < ADVISED:
            notes.append(f"only {len(kept)} pairs: the intervals are wide; {ADVISED} are advised")
        chosen = kept
        if len(kept) > n:
            which = np.random.default_rng(seed).choice(len(kept), n, replace=False)
            chosen = [kept[position] for position in sorted(which.tolist())]
        texts, english = zip(*chosen, strict=True)
        notes += _doubts(lang, texts)
        return cls(lang, texts, english, len(kept), tuple(notes))


def draw_sentences(
    pairs: Mapping[str, Pairs],
    *,
    n: int,
    seed: int = 0,
    on_few: Callable[[str], None] | None = None,
) -> list[ParallelSentences]:
    """The sentences of each language to compare.

    on_few: is told of a language that has too few, which then is left out. Raises CorpusError
    for one where it is None, and where no language has enough.
    """
    drawn = []
    problem: CorpusError | None = None
    for lang, of_lang in pairs.items():
        try:
            drawn.append(ParallelSentences.drawn(lang, of_lang, n=n, seed=seed))
        except CorpusError as error:
            if on_few is None:
                raise
            problem = error
            on_few(str(error))
    if problem is not None and not drawn:
        raise problem
    return drawn


def read_parallel_file(path: Path, langs: Sequence[str]) -> dict[str, Pairs]:
    """Pairs with English, by language, from parallel text of any shape.

    langs: codes to keep; a file that names no language needs exactly one. Pairs of which
    neither side is English are passed over. Raises CorpusError naming the line that is wrong,
    LanguageError for an unknown language.
    """
    pairs: dict[str, Pairs] = {}
    empty = True
    for _, pair in read_pairs(path):
        empty = False
        sides = [pair.source, pair.target]
        source_lang, target_lang = pair.source_lang, pair.target_lang or ENGLISH
        if not source_lang:
            if len(langs) != 1:
                raise CorpusError(
                    f"{path} does not say the language of its texts; name one: xret lang check LANG"
                )
            source_lang = langs[0]
        if source_lang == ENGLISH:
            source_lang, target_lang, sides = target_lang, source_lang, sides[::-1]
        if target_lang == ENGLISH:
            pairs.setdefault(source_lang, []).append((sides[0], sides[1]))
    if empty:
        raise CorpusError(f"{path} is empty; {SHAPES}")
    return _asked(pairs, langs, str(path))


def read_parallel_corpus(corpus: str, langs: Sequence[str]) -> dict[str, Pairs]:
    """Pairs by language from a corpus in which a relevant document is the translation.

    langs: codes to keep, () for all. Raises CorpusError where no judgement joins a sentence
    with an English one.
    """
    problem: CorpusError | None = None
    for doc_langs, query_langs in (
        ((ENGLISH,), langs or ("all",)),
        (langs or ("all",), (ENGLISH,)),
    ):
        found: dict[str, Pairs] = {}
        try:
            for lang, pair in _joined(corpus, doc_langs, query_langs):
                found.setdefault(lang, []).append(pair)
        except CorpusError as error:
            problem = problem or error
        if found:
            return _asked(found, langs, corpus)
    raise problem or CorpusError(
        f"no judgement of {corpus} joins a sentence with one in English; a corpus of parallel "
        "sentences is needed, such as flores or tatoeba"
    )


def _joined(
    corpus: str, doc_langs: Sequence[str], query_langs: Sequence[str]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """(language, (text, English)) of every judgement that joins English with another language.

    A query with several relevant documents in the other language is no sentence with its
    translation.
    """
    opened = open_corpus(corpus, doc_langs=doc_langs, query_langs=query_langs)
    documents = {d.doc_id: d for d in opened.documents(on_reject=lambda _: None)}
    qrels = opened.qrels()
    for query in opened.queries():
        relevant = [
            documents[doc_id]
            for doc_id, grade in qrels.get(query.query_id, {}).items()
            if grade > 0 and doc_id in documents
        ]
        langs = [document.lang for document in relevant]
        for document in relevant:
            if langs.count(document.lang) > 1:
                continue
            if document.lang == ENGLISH != query.lang:
                yield query.lang, (query.text, document.text)
            elif query.lang == ENGLISH != document.lang:
                yield document.lang, (document.text, query.text)


def _asked(found: dict[str, Pairs], langs: Sequence[str], where: str) -> dict[str, Pairs]:
    found = {lang: pairs for lang, pairs in found.items() if lang not in (ENGLISH, UNDETERMINED)}
    if not found:
        raise CorpusError(f"{where} has no sentence in another language than English")
    missing = [lang for lang in langs if lang not in found]
    if missing:
        raise CorpusError(
            f"{where} has no sentences in {', '.join(missing)}; it has {' '.join(sorted(found))}"
        )
    return {lang: found[lang] for lang in (langs or sorted(found))}


def _distinct(pairs: Pairs) -> tuple[Pairs, list[str]]:
    """Pairs with both sides, neither met before: an equal sentence would be a second answer."""
    kept: Pairs = []
    seen: tuple[set[str], set[str]] = (set(), set())
    empty = 0
    for text, english in ((t.strip(), e.strip()) for t, e in pairs):
        if not text or not english:
            empty += 1
        elif text not in seen[0] and english not in seen[1]:
            kept.append((text, english))
            seen[0].add(text)
            seen[1].add(english)
    repeated = len(pairs) - len(kept) - empty
    notes = [f"{empty} pairs with an empty side are left out"] if empty else []
    if repeated:
        notes.append(f"{repeated} pairs that repeat a sentence are left out")
    return kept, notes


def _doubts(lang: str, texts: Sequence[str]) -> list[str]:
    """A note where the texts seem to be in another language than said.

    A language that the identifier does not know cannot be doubted, only its script can.
    """
    sample = " ".join(texts[:: max(1, len(texts) // 20)])
    script = main_script(sample)
    if script and not in_script([lang], script):
        return [f"the texts are in the script {script}, not known to write {language_name(lang)}"]
    with suppress(LanguageError):
        found, confidence = identify_language(sample)
        known = found == ENGLISH or lang in probabilities(sample[:800], script)
        if found not in (lang, UNDETERMINED) and known and confidence >= SURE:
            return [f"the texts look like {language_name(found)} ({found}), not {lang}"]
    return []
