"""The systems of an evaluation as they are named, opened; indexed first where they are not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from xret.config import find_index, index_folder
from xret.errors import ConfigError, CorpusError, RunError
from xret.eval.lucene_rankings import LuceneRankings
from xret.eval.rankings import IndexRankings, Rankings, RunRankings, read_document_langs
from xret.eval.run_ids import with_ids_of
from xret.eval.translated_rankings import translated_documents, translated_queries
from xret.eval.trec import read_run_file
from xret.index.search.reader import IndexReader
from xret.retriever.corpora.collection import Corpus
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.topics import read_queries
from xret.retriever.corpus_build import build_steps
from xret.retriever.encoder import EncoderOptions
from xret.retriever.languages.codes import language_code
from xret.retriever.models import registry
from xret.retriever.models.location import encoder_name
from xret.retriever.searcher import Searcher
from xret.retriever.translation.named import SHIPPED_TABLE, open_table
from xret.retriever.translation.opened import open_translator
from xret.types import UNDETERMINED, Calibrate, Mode, Progress, Query, Work

__all__ = ["SystemNames", "check_output", "chosen_topics", "open_index", "open_systems"]


@dataclass(frozen=True, slots=True)
class SystemNames:
    """What was asked for. target: the corpus, or with topics of its own the index. langs: those
    of a corpus's documents that were chosen, and so those of the index that is built of it.
    rerankers: `NAME[@depth]`, each over every index, which is a system without them too. beside:
    modes that are systems of their own; without other modes, and without encoders or indices, the
    corpus's own index is none then. psq, translator: the table and the translator of those modes.
    calibrations: with several, an index is as many systems. device: of EncoderOptions."""

    target: str | None
    indexes: Sequence[str] = ()
    encoders: Sequence[str] = ()
    runs: Sequence[Path] = ()
    langs: Sequence[str] = ()
    doc_langs: Path | None = None
    modes: Sequence[Mode] = ()
    rerankers: Sequence[str] = ()
    beside: Sequence[str] = ()
    psq: str | None = None
    translator: str | None = None
    calibrations: Sequence[Calibrate] = ()
    device: str | None = None


def check_output(path: Path) -> None:
    """Find out before anything is ranked that a run cannot be written there."""
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise ConfigError(f"--output {path}: name a file in a folder that is there")


def chosen_topics(topics: Path, langs: Sequence[str]) -> list[Query]:
    """The queries of a file in these languages; topics that name none are in the only one."""
    codes = [language_code(code.strip()) for given in langs for code in given.split(",")]
    queries = read_queries(topics, lang=codes[0] if len(codes) == 1 else None)
    chosen = [query for query in queries if not codes or query.lang in codes]
    if not chosen:
        raise CorpusError(f"{topics} has no query in {', '.join(codes)}")
    return chosen


def open_systems(
    names: SystemNames, *, source: Corpus | None, qrels: Qrels, closing: ExitStack
) -> Work[list[Rankings]]:
    """Every system named, indexed first where it is not yet, under names of their own.

    source: the corpus where there is one; None for an index with topics, or for runs alone.
    Where runs are named, indices are only those that are named too; in several modes an index is
    as many systems. closing: closes them.
    Raises ConfigError where nothing says what to evaluate.
    """
    searchers = yield from _searchers(names, source, closing)
    # A corpus's own index: what it is called by is its encoder.
    own = source is not None and not names.indexes
    named = [one.encoder.spec.name if own else one.name for one in searchers]
    labels = names.encoders if len(names.encoders) > 1 else named
    indexed = [
        IndexRankings(
            searcher,
            name=_label(label, mode or searcher.usual_mode, how, names),
            mode=mode,
            calibrate=how,
        )
        for searcher, label in zip(searchers, labels, strict=True)
        for mode in names.modes or (None,)
        for how in names.calibrations or (None,)
    ]
    indexed = [
        IndexRankings(
            first.searcher,
            name=first.name if rerank is None else f"{first.name} + {rerank}",
            mode=first.mode,
            rerank=rerank,
            calibrate=first.calibrate,
        )
        for first in indexed
        for rerank in (None, *names.rerankers)
    ]
    runs = _open_runs(names, indexed, source, qrels)
    systems: list[Rankings] = [*indexed]
    systems += yield from _beside(names, source, closing)
    systems += runs
    seen: dict[str, int] = {}
    for system in systems:
        seen[system.name] = seen.get(system.name, 0) + 1
        if seen[system.name] > 1:
            system.name = f"{system.name} ({seen[system.name]})"
    return systems


def _beside(names: SystemNames, source: Corpus | None, closing: ExitStack) -> Work[list[Rankings]]:
    """The systems that are no way to ask the indices named, in the order of their names."""
    systems: list[Rankings] = []
    if source is None or not names.beside:
        return systems
    if "psq" in names.beside:
        searcher = yield from _psq_index(names, source)
        closing.callback(searcher.close)
        systems.append(IndexRankings(searcher, name="psq", mode="lexical"))
    if names.translator is not None:
        translator = open_translator(names.translator)
        if "query-translation" in names.beside:
            systems.append((yield from translated_queries(source, translator)))
        if "document-translation" in names.beside:
            systems.append((yield from translated_documents(source, translator)))
    if "lucene" in names.beside:
        note = "indexing the documents with Lucene"
        yield Progress("lucene", 0, None, "documents", note=note)
        systems.append(LuceneRankings.build(source, closing))
    return systems


def _psq_index(names: SystemNames, source: Corpus) -> Work[Searcher]:
    """The corpus's index of translated words, built where there is none by that table."""
    table = names.psq or SHIPPED_TABLE
    fingerprint = open_table(table).fingerprint[:8]
    own = index_folder(_own_name(names, source))
    folder = own.with_name(f"{own.name}--psq-{fingerprint}")
    if not folder.is_dir():
        yield from _build(names, source, folder, "bm25", psq=table)
    return Searcher.open(folder, device=names.device)


def open_index(names: SystemNames, *, source: Corpus | None) -> Work[Searcher]:
    """The one index named, or the corpus's own, built where it is not there yet."""
    encoder = names.encoders[0] if names.encoders else None
    if names.indexes:
        return _open(names.indexes[0], encoder, names.device)
    if source is None:
        return _open(str(names.target), encoder, names.device)
    if encoder is not None:
        return (yield from _open_with(names, source, encoder))
    folder = index_folder(_own_name(names, source))
    if not folder.is_dir():
        yield from _build(names, source, folder, registry.DEFAULT_ENCODER)
    return Searcher.open(folder, device=names.device)


def _label(label: str, mode: Mode, how: Calibrate | None, names: SystemNames) -> str:
    """An index's name, with what tells it from itself asked in another way."""
    if len(names.modes) + len(names.beside) > 1:
        label = f"{label} {mode}"
    if len(names.calibrations) > 1:
        label = f"{label} {'not calibrated' if how == 'off' else f'calibrated by {how}'}"
    return label


def _searchers(
    names: SystemNames, source: Corpus | None, closing: ExitStack
) -> Work[list[Searcher]]:
    if names.indexes and len(names.encoders) > 1:
        raise ConfigError("name several indices or several encoders, not both")
    encoder = names.encoders[0] if names.encoders else None
    if names.indexes:
        opened = [_open(index, encoder, names.device) for index in names.indexes]
    elif len(names.encoders) > 1:
        if source is None or names.target is None:
            raise ConfigError(
                "several encoders need a corpus to index; for indices that are there, name each "
                "with --index"
            )
        opened = []
        for one in names.encoders:
            opened.append((yield from _open_with(names, source, one)))
    elif (names.runs or (names.beside and not names.modes)) and not encoder:
        opened = []
    elif names.target is None:
        raise ConfigError("name a corpus or an index, or run files with --runs and --qrels")
    else:
        opened = [(yield from open_index(names, source=source))]
    for searcher in opened:
        closing.callback(searcher.close)
    return opened


def _open(index: str, encoder: str | None, device: str | None) -> Searcher:
    named = None if encoder is None else encoder_name(encoder)
    return Searcher.open(find_index(index), encoder=named, device=device)


def _open_with(names: SystemNames, source: Corpus, encoder: str) -> Work[Searcher]:
    """The index of a corpus by one of several encoders: the corpus's own where that is it."""
    own = index_folder(_own_name(names, source))
    named = encoder_name(encoder)
    if own.is_dir():
        reader = IndexReader.open(own)
        built_by = reader.settings["encoder"]
        reader.close()
        if built_by == named:
            return Searcher.open(own, encoder=named, device=names.device)
    default = not own.is_dir() and named == registry.DEFAULT_ENCODER
    folder = own if default else own.with_name(f"{own.name}--{_slug(named)}")
    if not folder.is_dir():
        yield from _build(names, source, folder, encoder)
    return Searcher.open(folder, encoder=named, device=names.device)


def _build(
    names: SystemNames, source: Corpus, folder: Path, encoder: str, *, psq: str | None = None
) -> Work[None]:
    """Index the corpus beside its place and move it there whole: half an index has no name."""
    target = str(names.target)
    how = encoder if psq is None else f"the words of {psq}"
    said = f"{target} is not indexed yet with {how}; indexing it"
    yield Progress("index", 0, None, "documents", note=said)
    part = folder.with_name(f"{folder.name}.part")
    how_to_run = EncoderOptions(device=names.device)
    report = yield from build_steps(
        target, part, encoder=encoder, source=source, psq=psq, options=how_to_run
    )
    if report.stopped:
        raise KeyboardInterrupt
    part.replace(folder)


def _own_name(names: SystemNames, source: Corpus) -> str:
    """The name of a corpus's index at home; that of files changes with the files."""
    # In a folder of language pairs the query's language chooses documents as well.
    langs = "-".join(sorted(map(_slug, getattr(source, "pair_names", names.langs))))
    if source.name is not None:
        # A collection puts the languages that were chosen into its name by itself.
        whole = not langs or hasattr(source, "collection")
        return source.name if whole else f"{source.name}-{langs}"
    path = Path(str(names.target)).resolve()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256(f"{path}\0{langs}".encode(errors="surrogateescape"))
    for file in files:
        if file.is_file():
            seen = f"{file}\0{file.stat().st_size}\0{file.stat().st_mtime_ns}"
            digest.update(seen.encode(errors="surrogateescape"))
    return f"{_slug(path.stem)}-{digest.hexdigest()[:12]}"


def _slug(name: str) -> str:
    """A name of letters, digits, points and hyphens; a folder by its last part and a digest."""
    short = "".join(c if c.isalnum() or c in ".-_" else "-" for c in Path(name).name)[:60]
    if Path(name).name == name:
        return short or "corpus"
    return f"{short}-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:8]}"


def _open_runs(
    names: SystemNames, indexed: Sequence[IndexRankings], source: Corpus | None, qrels: Qrels
) -> list[RunRankings]:
    if not names.runs:
        return []
    files = [with_ids_of(read_run_file(path), qrels) for path in names.runs]
    needed = {doc_id for grades in qrels.values() for doc_id in grades}
    for file in files:
        needed.update(hit.doc_id for hits in file.run.hits.values() for hit in hits)
    if names.doc_langs is not None:
        doc_langs = read_document_langs(names.doc_langs)
    elif indexed:
        doc_langs = indexed[0].languages_of(needed)
    else:
        doc_langs = {} if source is None else _corpus_langs(source, needed)
    for path, file in zip(names.runs, files, strict=True):
        if not file.run.hits.keys() & qrels.keys():
            raise RunError(
                f"{path} answers none of the {len(qrels):,} judged queries; the run has "
                f"{min(file.run.hits)}, the judgements {min(qrels)}"
            )
    short = [path.name for path in names.runs]
    labels = short if len(set(short)) == len(short) else [str(path) for path in names.runs]
    texts = indexed[0] if indexed else None
    return [
        RunRankings(label, file, doc_langs, index=texts)
        for label, file in zip(labels, files, strict=True)
    ]


def _corpus_langs(source: Corpus, needed: Iterable[str]) -> dict[str, str]:
    """The languages that a corpus gives its documents; those it does not give stay unknown."""
    wanted = set(needed)
    return {
        document.doc_id: document.lang
        for document in source.documents(on_reject=lambda _: None)
        if document.doc_id in wanted and document.lang != UNDETERMINED
    }
