"""Texts in the languages that a model is to serve: read in batches, checked, sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from xret.errors import CorpusError
from xret.retriever.encoders.text_model import TEMPLATE, readable
from xret.retriever.languages.codes import language_name
from xret.retriever.languages.identification import (
    identify_language,
    in_script,
    main_script,
    probabilities,
)
from xret.retriever.languages.relatives import same_language
from xret.types import UNDETERMINED, Document

__all__ = ["Sample", "ServedTexts", "whole_text"]

BATCH = 512
HELD_OUT_EVERY = 10
IDENTIFIED = 200
"""Lines without a language whose language is found out, to tell the wrong file from the right."""

RIGHT_ONE_IN = 20
"""Fewer of them are mistakes of identification, or names and quotations."""

TELLING = 20
"""Characters below which a text is in any language of its script: a word, a name."""


def whole_text(document: Document) -> str:
    """What an encoder reads of a document, title first."""
    text = document.text
    if document.title:
        text = TEMPLATE.format(title=document.title, text=text)
    return readable(text, limit=len(text))[0]


class ServedTexts:
    """The documents of a source that are in some languages or say none, again and again.

    skipped: how many documents of the last pass were in another language.
    """

    def __init__(self, source: Callable[[], Iterable[Document]], langs: Sequence[str]) -> None:
        self._source = source
        self._langs = tuple(langs)
        self.skipped = 0

    def batches(self) -> Iterator[tuple[Document, ...]]:
        """Documents with some text, in their order."""
        documents = self._documents()
        while batch := tuple(islice(documents, BATCH)):
            yield batch

    def check(self) -> None:
        """Look at the first lines. Raises CorpusError where none is in a served language."""
        others: Counter[str] = Counter()
        right = 0
        for document in islice(self._said(), IDENTIFIED):
            lang: str | None = document.lang
            if lang == UNDETERMINED:
                lang = self._identified(whole_text(document))
            if lang is None or self._serves(lang):
                right += 1
            else:
                others[lang] += 1
        if not right and not others:
            raise CorpusError("the texts are empty: no line with a word was found")
        if right * RIGHT_ONE_IN >= right + others.total():
            return
        if any(self._serves(document.lang) for document in self._said()):
            return  # further down
        del others[""]
        seem = ", ".join(f"{language_name(lang)} ({n})" for lang, n in others.most_common(3))
        raise CorpusError(
            f"the texts are in none of {', '.join(self._langs)}: the first lines seem to be in "
            f"{seem or 'no language'}; give texts of the languages that are served"
        )

    def lang_of(self, document: Document) -> str:
        """The served language that a document is in, the first where nothing tells."""
        for lang in self._langs:
            if same_language(lang, document.lang):
                return lang
        found, _ = identify_language(whole_text(document), candidates=self._langs)
        return found if found in self._langs else self._langs[0]

    def _documents(self) -> Iterator[Document]:
        self.skipped = 0
        for document in self._said():
            if document.lang == UNDETERMINED or self._serves(document.lang):
                yield document
            else:
                self.skipped += 1

    def _said(self) -> Iterator[Document]:
        return (d for d in self._source() if d.text.strip() or d.title.strip())

    def _serves(self, lang: str) -> bool:
        return any(same_language(lang, served) for served in self._langs)

    def _identified(self, text: str) -> str | None:
        """The language that a text seems to be in, None where it may well be a served one.

        A language that the identifier has never seen passes for one of its relatives.
        """
        script = main_script(text)
        if not script:
            return ""
        candidates = in_script(self._langs, script)
        if candidates and len(text) < TELLING:
            return None
        lang, _ = identify_language(text)
        if candidates and (lang == UNDETERMINED or self._serves(lang)):
            return None
        if candidates:
            known = probabilities(text, script)
            if not all(any(same_language(c, one) for one in known) for c in candidates):
                return None
        return lang


class Sample:
    """So many of a stream of documents, each with the same chance, the same on every run."""

    def __init__(self, size: int) -> None:
        self.documents: list[Document] = []
        self._size = size
        self._seen = 0
        self._rng = np.random.default_rng(0)

    def offer(self, document: Document) -> None:
        self._seen += 1
        if len(self.documents) < self._size:
            self.documents.append(document)
        elif (place := int(self._rng.integers(self._seen))) < self._size:
            self.documents[place] = document
