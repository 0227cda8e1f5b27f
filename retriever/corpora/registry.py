"""Corpora by name: a table from a name to what is known of it before it is read."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path

from xret.errors import CorpusError, MissingLibraryError, UnknownCorpusError
from xret.retriever.corpora.collection import Choice, Collection, Corpus
from xret.retriever.corpora.local import LocalCorpus
from xret.retriever.corpora.pairs import PairsCorpus, is_pairs
from xret.retriever.corpora.parts import CollectionCorpus

__all__ = ["CORPORA", "find_collection", "has_own_index", "open_corpus"]

CORPORA: dict[str, str] = {
    "demo": "demo_corpus:COLLECTION",
    "clirudit": "clirudit:COLLECTION",
    "miracl": "miracl:COLLECTION",
    "miracl-hard": "miracl:HARD",
    "hc4": "hc4:COLLECTION",
    "neuclir-2022": "neuclir:NEUCLIR_2022",
    "neuclir-2022-hard": "neuclir:NEUCLIR_2022_HARD",
    "neuclir-2023": "neuclir:NEUCLIR_2023",
    "neuclir-2023-hard": "neuclir:NEUCLIR_2023_HARD",
    "neuclir-2024": "neuclir_2024:COLLECTION",
    "neuclir-bench": "neuclir_bench:COLLECTION",
    "neuclir-tech": "neuclir_tech:COLLECTION",
    "clef": "clef:COLLECTION",
    "clef-direct": "clef_direct:COLLECTION",
    "milq": "milq:COLLECTION",
    "ciral": "ciral:COLLECTION",
    "mr-tydi": "mrtydi:COLLECTION",
    "mmarco": "mmarco:COLLECTION",
    "africlirmatrix": "africlirmatrix:COLLECTION",
    "xquad-r": "xquad_r:COLLECTION",
    "belebele": "belebele:COLLECTION",
    "flores": "parallel:FLORES",
    "tatoeba": "parallel:TATOEBA",
    "mkqa": "mkqa:COLLECTION",
    "mlqa": "mlqa:COLLECTION",
    "multi-eup": "multi_eup:COLLECTION",
    "xor-retrieve": "xor_retrieve:COLLECTION",
}
"""Where each collection is described: a module of this package and a name in it."""


def find_collection(name: str) -> Collection:
    """What is known of a registered collection. Raises UnknownCorpusError with near names."""
    if name not in CORPORA:
        raise _unknown(name)
    module, _, attribute = CORPORA[name].partition(":")
    found: Collection = getattr(
        importlib.import_module(f"xret.retriever.corpora.{module}"), attribute
    )
    return found


def open_corpus(
    corpus: str,
    *,
    doc_langs: Sequence[str] = (),
    query_langs: Sequence[str] = (),
    split: str | None = None,
) -> Corpus:
    """The corpus of that registered name or ir_datasets id, or the one in that file or folder.

    doc_langs, query_langs: codes or names of languages, also several in one with commas, or
    "all"; () is the collection's own
    default, and for a path everything. `hc4/zho/test` is `hc4` with that language and split
    unless ir_datasets knows the id, which then is read as ir_datasets reads it.
    Raises UnknownCorpusError with the nearest names, CorpusError for a path to nothing and for
    a language or split that the collection has not.
    """
    path = Path(corpus)
    doc_langs, query_langs = _listed(doc_langs), _listed(query_langs)
    if corpus in CORPORA:
        return _opened(find_collection(corpus), doc_langs, query_langs=query_langs, split=split)
    if path.exists():
        if is_pairs(path):
            if split is not None:
                raise CorpusError(f"{corpus} holds language pairs, which have no splits")
            return PairsCorpus(path, doc_langs=doc_langs, query_langs=query_langs)
        return LocalCorpus(path, doc_langs=doc_langs, query_langs=query_langs, split=split)
    if path.is_absolute() or corpus.startswith(".") or (path.suffix and "/" not in corpus):
        raise CorpusError(f"no such file or folder: {corpus}")
    if found := _of_ir_datasets(corpus):
        if doc_langs or query_langs or split:
            raise CorpusError(
                f"{corpus} is one set of ir_datasets, with its languages and its split; "
                "name another id to choose others"
            )
        return found
    name, _, rest = corpus.partition("/")
    if rest and name in CORPORA:
        lang, _, given = rest.partition("/")
        return _opened(find_collection(name), [lang], query_langs=query_langs, split=given or split)
    raise _unknown(corpus)


def has_own_index(corpus: str) -> bool:
    """Whether a corpus is a name, whose index lies at home, and not a path."""
    return corpus in CORPORA or not Path(corpus).exists()


def _listed(langs: Sequence[str]) -> list[str]:
    """`["sw,yo", "ha"]` as three."""
    return [each.strip() for given in langs for each in given.split(",") if each.strip()]


def _opened(
    collection: Collection,
    doc_langs: Sequence[str],
    *,
    query_langs: Sequence[str],
    split: str | None,
) -> Corpus:
    if collection.folder is not None:
        if split not in (None, *collection.splits):
            raise CorpusError(
                f"{collection.name} has no split called {split!r}; it has "
                f"{', '.join(collection.splits)}"
            )
        return LocalCorpus(
            collection.folder,
            doc_langs=doc_langs,
            query_langs=query_langs,
            name=collection.name,
            licence=collection.licence,
        )
    choice: Choice = collection.choose(doc_langs, query_langs, split=split)
    parts = collection.parts(choice) if collection.parts else ()
    if not parts:
        raise CorpusError(
            f"{collection.name} has no pair of {' '.join(choice.query_langs)} and "
            f"{' '.join(choice.doc_langs)}"
        )
    return CollectionCorpus(collection, choice, parts)


def _of_ir_datasets(corpus: str) -> Corpus | None:
    from xret.retriever.corpora.irds import IrDatasetsCorpus, find_dataset

    try:
        dataset = find_dataset(corpus)
    except MissingLibraryError:
        if "/" in corpus and corpus.partition("/")[0] not in CORPORA:
            raise
        return None
    return None if dataset is None else IrDatasetsCorpus(corpus, dataset)


def _unknown(corpus: str) -> UnknownCorpusError:
    close = difflib.get_close_matches(corpus, CORPORA, n=3, cutoff=0.4)
    advice = f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(CORPORA)}"
    return UnknownCorpusError(
        f"no corpus is called {corpus!r}, ir_datasets has none of that id and there is no such "
        f"file; {advice}"
    )
