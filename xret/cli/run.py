"""`xret run`: the rankings of many queries, written as a TREC run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress
from xret.cli.systems import SystemNames, check_output, chosen_topics, open_index
from xret.types import Mode

if TYPE_CHECKING:
    from xret.retriever.searcher import Searcher
    from xret.types import Hit, Progress, Query

__all__ = ["run"]

BATCH = 256
"""Queries ranked between two lines of progress."""


def run(
    target: Annotated[
        str, typer.Argument(metavar="CORPUS|INDEX", help="A corpus with queries, or an index.")
    ],
    output: Annotated[Path, typer.Option("--output", help="The run file to write.")],
    topics: Annotated[
        Path | None, typer.Option("--topics", help="Queries; without them those of the corpus.")
    ] = None,
    hits: Annotated[int, typer.Option("-k", "--hits", min=1, max=10_000, help="Depth.")] = 1_000,
    lang: Annotated[
        list[str] | None,
        typer.Option("--lang", help="Documents of a corpus in this language; repeatable."),
    ] = None,
    query_lang: Annotated[
        list[str] | None,
        typer.Option(
            "--query-lang", help="Queries of a corpus in this language; that of nameless topics."
        ),
    ] = None,
    doc_lang: Annotated[
        list[str] | None,
        typer.Option("--doc-lang", help="Rank only documents in this language; repeatable."),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Which queries of a corpus: test, dev, ...")
    ] = None,
    index: Annotated[
        str | None, typer.Option("--index", help="The index; a corpus has its own.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="Name or folder of the index's encoder.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option("--mode", help="By vectors, by words or by both.")
    ] = None,
    tag: Annotated[
        str | None, typer.Option("--tag", help="Name of the run, its last column.")
    ] = None,
    metadata: Annotated[
        Literal["file", "header", "none"],
        typer.Option("--metadata", help="ir_metadata beside the run, in its first lines, or not."),
    ] = "file",
    as_json: AsJson = False,
) -> None:
    """Answer every query and write the six columns that trec_eval reads."""
    from xret.eval.metadata import to_yaml, write_side_file
    from xret.eval.trec import write_run
    from xret.retriever.corpora.registry import open_corpus
    from xret.retriever.languages.codes import language_code
    from xret.types import Run

    _check_words(output, topics, lang, split)
    began = time.perf_counter()
    source = None
    if topics is None:
        source = open_corpus(
            target, doc_langs=lang or (), query_langs=query_lang or (), split=split
        )
        queries = source.queries()
    else:
        queries = chosen_topics(topics, query_lang or ())
    names = SystemNames(
        target, [index] if index else (), [encoder] if encoder else (), langs=lang or ()
    )
    searcher = open_index(names, source=source)
    try:
        doc_langs = [language_code(code) for code in doc_lang] if doc_lang else None
        found: dict[str, Sequence[Hit]] = {}
        show_progress(_rank(searcher, queries, hits, doc_langs, mode, found))
        name = "-".join((tag or searcher.encoder.spec.name).split()) or "xret"
        described = _metadata(
            searcher, name, target, topics, hits, doc_langs, mode, time.perf_counter() - began
        )
    finally:
        searcher.close()
    header = (
        f"ir_metadata.start\n{to_yaml(described)}ir_metadata.end" if metadata == "header" else ""
    )
    write_run(output, Run(name, found), header=header)
    beside = write_side_file(output, described) if metadata == "file" else None
    _print_summary(output, beside, found, name, time.perf_counter() - began, as_json=as_json)


def _check_words(
    output: Path, topics: Path | None, lang: Sequence[str] | None, split: str | None
) -> None:
    from xret.errors import ConfigError

    if topics is not None and (lang or split):
        raise ConfigError(
            "--lang and --split choose among a corpus's own queries; with --topics choose "
            "documents with --doc-lang"
        )
    check_output(output)


def _rank(
    searcher: Searcher,
    queries: Sequence[Query],
    k: int,
    doc_langs: Sequence[str] | None,
    mode: Mode | None,
    found: dict[str, Sequence[Hit]],
) -> Iterator[Progress]:
    """Fill `found`, by query id; one Progress a batch."""
    from xret.types import Progress

    for start in range(0, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        ranked = searcher.rank(batch, k, langs=doc_langs, mode=mode)
        for query, hits in zip(batch, ranked, strict=True):
            found[query.query_id] = hits
        yield Progress("rank", start + len(batch), len(queries), "queries")


def _metadata(
    searcher: Searcher,
    tag: str,
    target: str,
    topics: Path | None,
    hits: int,
    doc_langs: Sequence[str] | None,
    mode: Mode | None,
    took_s: float,
) -> dict[str, Any]:
    from xret.eval.environment import describe_environment, file_checksum
    from xret.eval.metadata import describe_retrieval, run_metadata

    retrieval = {
        "name": tag,
        **describe_retrieval(searcher, hits=hits, doc_langs=doc_langs, mode=mode),
    }
    corpus: dict[str, Any] = {"name": target}
    if topics is not None:
        corpus |= {"topics": topics.name, "topics sha256": file_checksum(topics)}
    return run_metadata(
        tag,
        retrieval=retrieval,
        corpus=corpus,
        environment=describe_environment(seed=0, took_s=took_s),
    )


def _print_summary(
    output: Path,
    beside: Path | None,
    found: dict[str, Sequence[Hit]],
    tag: str,
    seconds: float,
    *,
    as_json: bool,
) -> None:
    summary = {
        "run": str(output),
        "metadata": None if beside is None else str(beside),
        "tag": tag,
        "queries": len(found),
        "hits": sum(map(len, found.values())),
        "seconds": round(seconds, 3),
    }
    if as_json:
        print_json(summary)
        return
    print_table(("", "value"), [(name, str(value or "")) for name, value in summary.items()])
    message(f"next: xret eval --runs {output} --qrels QRELS")
