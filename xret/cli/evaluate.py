"""`xret eval`: how good systems answer, language pair by language pair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xret.cli.languages import OldQueryLangs, spelt_langs
from xret.cli.options import AsJson, DeviceOption
from xret.cli.output import show_progress
from xret.cli.results import print_assessment, print_system
from xret.retriever.translation.named import SHIPPED_TABLE

__all__ = ["evaluate"]


def evaluate(
    corpus: Annotated[
        str | None,
        typer.Argument(metavar="CORPUS", help="A corpus with judgements, or an index."),
    ] = None,
    topics: Annotated[
        Path | None, typer.Option("--topics", help="Queries, where the corpus brings none.")
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option("--qrels", help="Judgements, where the corpus brings none.")
    ] = None,
    lang: Annotated[
        list[str] | None,
        typer.Option("--lang", help="Queries of a corpus in this language; repeatable."),
    ] = None,
    doc_lang: Annotated[
        list[str] | None,
        typer.Option("--doc-lang", help="Documents of a corpus in this language; repeatable."),
    ] = None,
    query_lang: OldQueryLangs = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Which queries of a corpus: test, dev, ...")
    ] = None,
    index: Annotated[
        list[str] | None,
        typer.Option("--index", help="An index; repeatable. A corpus has its own."),
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option("--encoder", help="An encoder; with several, the corpus is indexed by each."),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--runs", metavar="FILES", help="Run files of any program, in TREC format."),
    ] = None,
    doc_langs: Annotated[
        Path | None,
        typer.Option("--doc-langs", help="The documents' languages, for runs: document, language."),
    ] = None,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            help="A measure of ir_measures (or as trec_eval, BEIR and ranx spell it), PEER@k, "
            "EqualRank@k, AWRF@k, OwnFirst@k, OwnShare@k, alpha_nDCG_lang@k, LitschkoAP; several "
            "by commas.",
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            "--depth", min=1, help="Measure so many documents of each ranking (trec_eval's -M)."
        ),
    ] = None,
    exclude_self: Annotated[
        bool,
        typer.Option(
            "--exclude-self", help="Leave out the document with the query's own id, as BEIR does."
        ),
    ] = False,
    mode: Annotated[
        list[str] | None,
        typer.Option(
            "--mode",
            help="dense (by vectors), lexical (by words), hybrid; or a system of its own over the "
            "corpus: psq (words through a translation table), query-translation, "
            "document-translation (BM25, by --translator), or lucene: BM25 by Lucene over "
            "the corpus, with its analyzers for ar bn da de en es fi fr hi hu id it ja ko nl no "
            "pt ru te tr zh and xret's for other languages (needs xret[lucene]); repeatable, "
            "to compare.",
        ),
    ] = None,
    rerank: Annotated[
        list[str] | None,
        typer.Option(
            "--rerank",
            metavar="NAME[@depth]",
            help="A reranker over the first documents of each index, compared with the index "
            "alone; repeatable.",
        ),
    ] = None,
    calibrate: Annotated[
        list[str] | None,
        typer.Option(
            "--calibrate",
            help="How scores are made to compare across languages: off, fixed or z (the default); "
            "repeatable, to compare.",
        ),
    ] = None,
    psq: Annotated[
        str | None,
        typer.Option(
            "--psq",
            metavar="TABLE",
            help=f"The translation table of --mode psq; {SHIPPED_TABLE} by default.",
        ),
    ] = None,
    translator: Annotated[
        str | None,
        typer.Option(
            "--translator",
            help="Who translates: a translation table (word by word), a file of translated texts, "
            "the folder of a Marian, M2M-100 or NLLB model, or a chat model's address.",
        ),
    ] = None,
    device: DeviceOption = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", help="Compare with this system only, not each with each."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of every random draw.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the mixed run here, in TREC format.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the report into this folder.")
    ] = None,
    table: Annotated[
        list[Path] | None,
        typer.Option(
            "--table",
            metavar="FILE",
            help="Write the table of a paper, systems by document languages: .md, .tex, .csv or "
            ".html; repeatable.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a corpus (indexed first where it is not yet), an index, or run files."""
    from xret.eval.assessment import evaluation_steps

    questions, documents = spelt_langs(lang, doc_lang, query_lang)
    steps = evaluation_steps(
        corpus,
        topics=topics,
        qrels=qrels,
        lang=questions,
        doc_lang=documents,
        split=split,
        index=index or (),
        encoder=encoder or (),
        runs=runs or (),
        doc_langs=doc_langs,
        measures=measures or (),
        depth=depth,
        exclude_self=exclude_self,
        mode=mode or (),
        rerank=rerank or (),
        calibrate=calibrate or (),
        psq=psq,
        translator=translator,
        device=device,
        baseline=baseline,
        seed=seed,
        output=output,
        report=report,
        table=table or (),
    )
    on_part = (lambda _: None) if as_json else print_system
    print_assessment(show_progress(steps, stoppable=True, on_part=on_part), as_json=as_json)
