"""A corpus in, an index out: what `xret index` does, and `xret.build`."""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from xret.config import CATALOG_FILE, find_index, index_folder
from xret.errors import ConfigError, CorpusError, IndexNotFoundError
from xret.index.scoring.devices import torch_device
from xret.index.search.reader import IndexReader
from xret.index.storage.catalog import Catalog
from xret.index.storage.encoder_record import NAME
from xret.retriever.build import Duplicates, IndexBuild
from xret.retriever.corpora.collection import Corpus
from xret.retriever.corpora.registry import has_own_index, open_corpus
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.index_encoder import scan_device
from xret.retriever.indexing import OPTIONS_SETTING
from xret.retriever.languages.codes import language_code
from xret.retriever.languages.shared_words import shipped_shared_words
from xret.retriever.models import registry
from xret.retriever.models.location import encoder_name
from xret.retriever.opening.editions import check_edition
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.rejects import Rejects, TruncatedTexts
from xret.retriever.sharding import ShardNumber
from xret.retriever.translation.named import SHIPPED_TABLE
from xret.types import Progress, Work, finished

__all__ = ["BuildReport", "build", "build_steps"]

OnError = Literal["reject", "stop"]
Preset = Literal["exact", "balanced", "compact"]


WORDS_AS_THEY_ARE = "off"
"""In the place of a translation table's name."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did, and what the index holds after it.

    index: what to call it in commands. documents to languages: of the whole index;
    added to truncated: of this run. rejected: records that could not be read, listed in
    rejects.jsonl. truncated: texts whose end was left out, listed in truncated.jsonl. unread: by
    language, passages of mostly letters that the encoder's vocabulary cannot write. stopped:
    whether it was asked to stop before the corpus ended.
    """

    index: str
    folder: str
    documents: int
    passages: int
    preset: str
    encoder: str
    languages: dict[str, int]
    added: int
    unchanged: int
    skipped: int
    replaced: int
    rejected: int
    truncated: int
    unread: dict[str, int]
    seconds: float
    documents_per_s: float
    bytes: int
    bytes_per_document: int
    peak_memory_bytes: int
    stopped: bool = False


def build_steps(
    corpus: str | Path,
    output: str | Path | None = None,
    *,
    encoder: str | None = None,
    doc_lang: str | None = None,
    duplicates: Duplicates = "error",
    on_error: OnError = "reject",
    preset: str | None = None,
    lexical: bool = True,
    psq: str | None = None,
    shard: str | None = None,
    codec_of: str | Path | None = None,
    ray: str | None = None,
    ray_workers: int | None = None,
    shared_words: bool = False,
    options: EncoderOptions | None = None,
    source: Corpus | None = None,
    **named: Any,
) -> Work[BuildReport]:
    """Build an index of a corpus, or add to one what is new; run again to go on after a break.

    corpus: a name, a file or a folder. output: the folder of the index; named corpora have
    their own. encoder: by default the one that the index was built with, used as it was then;
    of a new index, the default one. doc_lang: languages of a named corpus (with commas, or "all");
    of a file, the language of documents that name none. on_error: what becomes of a record that
    cannot be read. options, or the fields of EncoderOptions by name: how the encoder is used.
    psq: the translation table of a new index's words, or "off" for words as they are; None is
    the shipped table where there are vectors too. shard: `2/4`, to index the second of four parts
    of the corpus, into a folder of its own in the index's, which is an index in several parts.
    codec_of: an index, by name or folder, whose codec a new one's vectors are coded by. ray: the
    address of a Ray cluster whose actors encode, by default one a CPU or ray_workers. shared_words:
    whether a new index's texts are read by the shipped table of shared words. source: the corpus
    where it is opened already.
    The rest is as in IndexBuild.
    """
    how = EncoderOptions.of(options, named)
    if shared_words:
        how = dataclasses.replace(how, shared_words=shipped_shared_words().fingerprint)
    if scan_device(how) is not None:
        torch_device(how.device)
    corpus = str(corpus)
    own_index = has_own_index(corpus)
    source = source or open_corpus(corpus, doc_langs=[doc_lang] if doc_lang and own_index else ())
    folder = _own_folder(corpus, source.name) if output is None else Path(output)
    licence = source.licence if own_index else ""
    rejects, truncated = Rejects(stop=on_error == "stop"), TruncatedTexts()
    documents = source.documents(
        on_reject=rejects.add,
        lang=language_code(doc_lang) if doc_lang and not own_index else None,
    )
    if licence:
        yield Progress("index", 0, None, "documents", note=f"licence of {corpus}: {licence}")
    part = None if shard is None else ShardNumber.parse(shard)
    if part is not None:
        documents, folder = part.documents(documents), part.folder(folder)
    first = next(documents, None)
    if first is None and not (part is not None and part.read):
        raise CorpusError(f"{corpus} holds no document that can be indexed{rejects.why()}")
    documents = chain([] if first is None else [first], documents)
    loaded, name, opened_with = _load_encoder(folder, encoder, how)
    on_cluster = None
    if ray is not None:
        from xret.retriever.ray_encoder import RayEncoder

        on_cluster = RayEncoder.start(loaded, name, opened_with, address=ray, workers=ray_workers)
        documents = on_cluster.ahead(documents, _is_stored(folder))
    index = IndexBuild(
        documents,
        folder,
        on_cluster or loaded,
        duplicates=duplicates,
        preset=preset,
        lexical=lexical,
        psq=_table(psq, folder, words=lexical, vectors=bool(loaded.spec.dim)),
        codec_of=None if codec_of is None else find_index(codec_of),
        on_truncated=truncated.add,
        device=scan_device(how),
    )
    total = source.count_records()
    if part is not None and total is not None:
        total //= part.count
    try:
        yield Progress("index", 0, total, "documents", stoppable=True)
        yield from index.run(total=total)
    finally:
        if on_cluster is not None:
            on_cluster.close()
    rejects.write(folder)
    truncated.write(folder)
    own_name = output is None and part is None
    return _report(index, folder.name if own_name else str(folder), rejects)


build = finished(build_steps)


def _table(psq: str | None, folder: Path, *, words: bool, vectors: bool) -> str | None:
    """The table that the words of a new index go through; None where they stay as they are, and
    for an index that is there, which knows its own."""
    if psq is not None:
        return None if psq == WORDS_AS_THEY_ARE else psq
    new = not (folder / CATALOG_FILE).exists()
    return SHIPPED_TABLE if new and words and vectors else None


def _load_encoder(
    folder: Path, encoder: str | None, given: EncoderOptions
) -> tuple[Encoder, str, EncoderOptions]:
    """The encoder named, else the index's own, else the default one; and how it was opened.

    The index's own takes what is recorded of how it was opened. What was given stays on top, so
    that an option that the index was not built with is refused and not passed over.
    """
    try:
        catalog = Catalog.open(folder)
    except IndexNotFoundError:
        name = encoder_name(encoder or registry.DEFAULT_ENCODER)
        return load_encoder(name, options=given), name, given
    try:
        own, settings = catalog.setting(NAME), catalog.settings()
    finally:
        catalog.close()
    recorded = settings.get(OPTIONS_SETTING, "{}")
    name = own if encoder is None else encoder_name(encoder)
    if name == own:
        given = given.with_recorded(json.loads(recorded)).with_recorded(given.recorded())
    opened = load_encoder(name, options=given)
    check_edition(settings, opened.spec, folder)
    return opened, name, given


def _is_stored(folder: Path) -> Callable[[str], bool]:
    """Whether an index had a document of an id when the build began."""
    try:
        catalog = Catalog.open(folder)
    except IndexNotFoundError:
        return lambda _: False
    try:
        known = catalog.documents.ids("1", ())
    finally:
        catalog.close()
    return known.__contains__


def _own_folder(corpus: str, name: str | None) -> Path:
    """Where a named corpus is kept; two files of one name must not share an index."""
    if name is None:
        raise ConfigError(f"{corpus} is no registered corpus; name a folder with --output")
    return index_folder(name)


def _report(index: IndexBuild, name: str, rejects: Rejects) -> BuildReport:
    reader = IndexReader.open(index.folder)
    info, size_bytes = reader.info(), reader.size_bytes()
    reader.close()
    summary = index.summary
    return BuildReport(
        index=name,
        folder=str(index.folder),
        documents=info.documents,
        passages=info.passages,
        preset=info.preset,
        encoder=info.settings[NAME],
        languages=info.languages,
        added=summary.added,
        unchanged=summary.unchanged,
        skipped=summary.skipped,
        replaced=summary.replaced,
        rejected=rejects.count,
        truncated=summary.truncated,
        unread=dict(summary.unread.most_common()),
        seconds=round(summary.seconds, 3),
        documents_per_s=round(summary.added / summary.seconds, 1) if summary.seconds else 0.0,
        bytes=size_bytes,
        bytes_per_document=round(size_bytes / info.documents) if info.documents else 0,
        peak_memory_bytes=_peak_memory_bytes(),
        stopped=index.stopped,
    )


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
