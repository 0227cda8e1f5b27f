"""The rankings of many queries as a TREC run: what `xret run` does, and `xret.rank_run`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from xret.errors import ConfigError
from xret.eval.environment import describe_environment, file_checksum
from xret.eval.metadata import describe_retrieval, run_metadata, to_yaml, write_side_file
from xret.eval.systems import SystemNames, check_output, chosen_topics, open_index
from xret.eval.trec import write_run
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.languages.codes import language_code
from xret.retriever.searcher import Searcher
from xret.types import Calibrate, Hit, Mode, Progress, Query, Run, Work, finished

__all__ = ["RankedRun", "rank_run", "rank_run_steps"]

BATCH = 256
"""Queries ranked between two lines of progress."""


@dataclass(frozen=True, slots=True)
class RankedRun:
    """A run with its ir_metadata. output, beside: where they were written, None for nowhere."""

    run: Run
    metadata: Mapping[str, Any]
    seconds: float
    output: Path | None = None
    beside: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """As `xret run --json` prints it."""
        return {
            "run": None if self.output is None else str(self.output),
            "metadata": None if self.beside is None else str(self.beside),
            "tag": self.run.tag,
            "queries": len(self.run.hits),
            "hits": sum(map(len, self.run.hits.values())),
            "seconds": round(self.seconds, 3),
        }


def rank_run_steps(
    target: str | Path,
    output: str | Path | None = None,
    *,
    topics: str | Path | None = None,
    hits: int = 1_000,
    lang: Sequence[str] = (),
    doc_lang: Sequence[str] = (),
    split: str | None = None,
    index: str | None = None,
    encoder: str | None = None,
    mode: Mode | None = None,
    rerank: str | None = None,
    calibrate: Calibrate | None = None,
    tag: str | None = None,
    metadata: Literal["file", "header", "none"] = "file",
    device: str | None = None,
) -> Work[RankedRun]:
    """Answer every query; with an output, write the six columns that trec_eval reads.

    target: a corpus with queries, or with topics an index. hits: the depth. lang: of a corpus's
    queries, and of topics that name none. doc_lang: only documents in these languages are
    ranked; a corpus's own index holds no others. index: where it is not the corpus's own.
    rerank: a reranker and how many documents it reads, `NAME[@depth]`.
    metadata: ir_metadata in a file beside the run, in its first lines, or not.
    device: where texts are encoded and documents scored.
    """
    began = time.perf_counter()
    path = None if output is None else Path(output)
    _check_words(path, topics, split)
    source = None
    if topics is None:
        source = open_corpus(str(target), doc_langs=doc_lang, query_langs=lang, split=split)
        queries = source.queries()
    else:
        queries = chosen_topics(Path(topics), lang)
    names = SystemNames(
        str(target),
        [index] if index else (),
        [encoder] if encoder else (),
        langs=doc_lang,
        device=device,
    )
    whole = topics is not None or index is not None
    langs = _codes(doc_lang) or None if whole else None
    searcher = yield from open_index(names, source=source)
    with searcher:
        rankings = yield from _ranked(
            searcher, queries, hits, langs, mode=mode, rerank=rerank, calibrate=calibrate
        )
        name = "-".join((tag or searcher.encoder.spec.name).split()) or "xret"
        retrieval = describe_retrieval(
            searcher, hits=hits, doc_langs=langs, mode=mode, rerank=rerank, calibrate=calibrate
        )
    described = run_metadata(
        name,
        retrieval={"name": name, **retrieval},
        corpus=_described_corpus(str(target), topics),
        environment=describe_environment(seed=0, took_s=time.perf_counter() - began),
    )
    run, beside = Run(name, rankings), None
    if path is not None:
        yaml = f"ir_metadata.start\n{to_yaml(described)}ir_metadata.end"
        write_run(path, run, header=yaml if metadata == "header" else "")
        beside = write_side_file(path, described) if metadata == "file" else None
    return RankedRun(run, described, time.perf_counter() - began, path, beside)


rank_run = finished(rank_run_steps)


def _check_words(output: Path | None, topics: str | Path | None, split: str | None) -> None:
    """What cannot be meant, before anything is opened."""
    if topics is not None and split:
        raise ConfigError(
            "--split chooses among a corpus's own queries; leave it out with --topics"
        )
    if output is not None:
        check_output(output)


def _codes(langs: Sequence[str]) -> list[str]:
    return [language_code(code.strip()) for named in langs for code in named.split(",")]


def _ranked(
    searcher: Searcher,
    queries: Sequence[Query],
    k: int,
    doc_langs: Sequence[str] | None,
    *,
    mode: Mode | None,
    rerank: str | None,
    calibrate: Calibrate | None,
) -> Work[dict[str, Sequence[Hit]]]:
    """Hits by query id; one Progress a batch."""
    rankings: dict[str, Sequence[Hit]] = {}
    for start in range(0, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        ranked = searcher.rank(
            batch, k, doc_langs=doc_langs, mode=mode, rerank=rerank, calibrate=calibrate
        )
        rankings |= {query.query_id: hits for query, hits in zip(batch, ranked, strict=True)}
        yield Progress("rank", start + len(batch), len(queries), "queries")
    for name, refused in searcher.rerankers.refusals.items():
        note = f"{name} failed for {refused:,} queries, which have the first ranking's order"
        yield Progress("rank", len(queries), len(queries), "queries", note=note)
    return rankings


def _described_corpus(target: str, topics: str | Path | None) -> dict[str, Any]:
    if topics is None:
        return {"name": target}
    path = Path(topics)
    return {"name": target, "topics": path.name, "topics sha256": file_checksum(path)}
