"""The passages of a corpus that questions are made of: one of a document, evenly drawn."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from xret.errors import CorpusError
from xret.retriever.encoders.text_model import TEMPLATE
from xret.retriever.languages.identification import identify_language
from xret.retriever.passages import sentence_ends
from xret.types import UNDETERMINED, Document, Progress, Work

__all__ = ["SourcePassage", "draw_passages"]

MIN_CHARACTERS, MAX_CHARACTERS = 80, 1_000
"""Of a passage; a document that is shorter is none."""

_EVERY = 1_000


@dataclass(frozen=True, slots=True)
class SourcePassage:
    """Sentences of a document that stand together. lang: BCP 47, told by the text where no one
    said it."""

    passage_id: str
    doc_id: str
    title: str
    text: str
    lang: str

    def as_read(self, *, with_title: bool = True) -> str:
        """As an encoder reads it: the title before the text."""
        if not (self.title and with_title):
            return self.text
        return TEMPLATE.format(title=self.title, text=self.text)


def draw_passages(documents: Iterable[Document], *, n: int, seed: int) -> Work[list[SourcePassage]]:
    """At most n passages, each of another document; every document is as likely as any other.

    In the order of the corpus, the same for the same corpus and seed. Raises CorpusError where
    no document has a passage.
    """
    drawn = random.Random(seed)  # noqa: S311 - a draw of documents, no secret
    kept: list[tuple[int, SourcePassage]] = []
    seen = 0
    for number, document in enumerate(documents):
        if number % _EVERY == 0:
            yield Progress("passages", number, None, "documents")
        if len(document.text.strip()) < MIN_CHARACTERS:
            continue
        # Reservoir sampling (Vitter 1985): memory for n, whatever the corpus holds.
        place = seen if seen < n else drawn.randrange(seen + 1)
        seen += 1
        if place < n:
            passage = _passage(document, drawn)
            if place < len(kept):
                kept[place] = (number, passage)
            else:
                kept.append((number, passage))
    if not kept:
        raise CorpusError(
            f"no document has {MIN_CHARACTERS} characters of text, too few to ask a question about"
        )
    return [_with_language(passage) for _, passage in sorted(kept, key=lambda pair: pair[0])]


def _passage(document: Document, drawn: random.Random) -> SourcePassage:
    text = document.text
    borders = [0, *sentence_ends(text), len(text)]
    late = len(text) - MIN_CHARACTERS
    start = drawn.choice([border for border in borders if border <= late])
    fitting = [end for end in borders if start + MIN_CHARACTERS <= end <= start + MAX_CHARACTERS]
    end = fitting[-1] if fitting else start + MAX_CHARACTERS
    passage_id = f"{document.doc_id}#{start}"
    return SourcePassage(
        passage_id, document.doc_id, document.title, text[start:end].strip(), document.lang
    )


def _with_language(passage: SourcePassage) -> SourcePassage:
    if passage.lang != UNDETERMINED:
        return passage
    return replace(passage, lang=identify_language(passage.text)[0])
