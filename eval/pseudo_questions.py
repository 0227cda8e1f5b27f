"""Questions that an index asks itself: a few words out of the middle of a document."""

from __future__ import annotations

import random
from itertools import pairwise

from xret.errors import CorpusError
from xret.index.search.filters import Condition
from xret.index.search.reader import IndexReader
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.passages import sentence_ends
from xret.types import UNDETERMINED, Document, Query

__all__ = ["pseudo_questions"]

MIN_CHARACTERS, MAX_CHARACTERS = 20, 300
"""Of the sentence that a question is taken from."""

MAX_LANGUAGES = 200


def pseudo_questions(
    reader: IndexReader, *, n: int = 200, seed: int = 0
) -> tuple[list[Query], Qrels]:
    """Questions in each of the index's languages, and the one document that answers each.

    A question is every other word of a sentence, or half of one that is written without
    spaces: its document is easy to find, and not by the sentence alone. n: of a language, at
    most. The same seed asks the same. Raises CorpusError where no document has a sentence.
    """
    drawn = random.Random(seed)  # noqa: S311 - a draw of documents, no secret
    queries: list[Query] = []
    judged: Qrels = {}
    for lang in sorted(reader.languages())[:MAX_LANGUAGES]:
        if lang == UNDETERMINED:
            continue
        doc_ids = sorted(reader.doc_ids(Condition("lang", "==", lang)))
        chosen = drawn.sample(doc_ids, min(n, len(doc_ids)))
        for document in reader.documents(sorted(chosen)):
            text = _question(document, drawn)
            if text:
                query_id = f"{lang}-{len(queries)}"
                queries.append(Query(query_id, text, lang))
                judged[query_id] = {document.doc_id: 1}
    if not queries:
        raise CorpusError("no document of this index has a sentence to ask; name a corpus")
    return queries, judged


def _question(document: Document, drawn: random.Random) -> str:
    ends = [0, *sentence_ends(document.text), len(document.text)]
    sentences = [document.text[start:end].strip() for start, end in pairwise(ends)]
    fitting = [s for s in sentences if MIN_CHARACTERS <= len(s) <= MAX_CHARACTERS]
    if not fitting:
        return ""
    sentence = drawn.choice(fitting)
    words = sentence.split()
    if len(words) < 4:
        return sentence[: len(sentence) // 2]
    return " ".join(words[drawn.randrange(2) :: 2])
