"""A folder of language pairs: one BEIR folder each, named `{query}-{document}` (`afr-eng`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from xret.errors import CorpusError
from xret.retriever.corpora.collection import chosen_langs
from xret.retriever.corpora.local import LocalCorpus
from xret.retriever.corpora.parts import judged_queries
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import BadRecord
from xret.types import Document, Query

__all__ = ["PairsCorpus", "is_pairs"]


def is_pairs(path: Path) -> bool:
    """Whether a folder holds nothing but folders of pairs, each with a corpus of its own."""
    return path.is_dir() and not _has_corpus(path) and bool(_pairs(path))


class PairsCorpus:
    """The chosen pairs of a folder as one corpus, in the order of their names.

    doc_langs, query_langs: as the folders spell them or any other way; () asks for one. Ids
    must differ from pair to pair.
    """

    def __init__(
        self, path: Path, *, doc_langs: Sequence[str] = (), query_langs: Sequence[str] = ()
    ) -> None:
        self.path = path
        self.name: str | None = None
        self.licence = ""
        pairs = _pairs(path)
        if not doc_langs and not query_langs:
            raise CorpusError(
                f"{path} holds {len(pairs)} language pairs; choose with --lang and --doc-lang, "
                f"or name one of its folders, such as {path / '-'.join(pairs[0])}"
            )
        known = [sorted({pair[side] for pair in pairs}) for side in (0, 1)]
        asking = chosen_langs(query_langs or ["all"], known[0], of=f"the queries of {path.name}")
        asked = chosen_langs(doc_langs or ["all"], known[1], of=f"the documents of {path.name}")
        chosen = [pair for pair in pairs if pair[0] in asking and pair[1] in asked]
        if not chosen:
            raise CorpusError(f"{path} has no pair of {' '.join(asking)} and {' '.join(asked)}")
        self.pair_names = ["-".join(pair) for pair in chosen]
        self.pairs = [LocalCorpus(path / "-".join(pair)) for pair in chosen]

    def documents(
        self, *, on_reject: Callable[[BadRecord], None], lang: str | None = None
    ) -> Iterator[Document]:
        """Every good document of every chosen pair."""
        for pair in self.pairs:
            yield from pair.documents(on_reject=on_reject, lang=lang)

    def count_records(self) -> int | None:
        """None: the documents are not counted before they are read."""
        return None

    def queries(self) -> list[Query]:
        """The queries of every chosen pair."""
        return [query for pair in self.pairs for query in pair.queries()]

    def qrels(self) -> Qrels:
        """The judgements of every chosen pair. Raises CorpusError for a query id in two."""
        found: Qrels = {}
        for pair in self.pairs:
            for query_id, grades in pair.qrels().items():
                if query_id in found:
                    raise CorpusError(f"{pair.path}: query id {query_id!r} is in another pair too")
                found[query_id] = grades
        return found

    def notes(self) -> list[str]:
        """Queries without judgements and judgements without a query, in words."""
        return judged_queries(self.queries(), self.qrels())[1]


def _pairs(path: Path) -> list[tuple[str, str]]:
    pairs = []
    for folder in sorted(path.iterdir()):
        query_lang, hyphen, doc_lang = folder.name.partition("-")
        if folder.is_dir() and hyphen and doc_lang and _has_corpus(folder):
            pairs.append((query_lang, doc_lang))
    return pairs


def _has_corpus(folder: Path) -> bool:
    # All of them: a folder left half listed is a warning of the interpreter.
    return bool(list(folder.glob("corpus.*")))
