"""`xret index`: a corpus in, an index out."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from xret.cli.languages import documents_lang
from xret.cli.options import AsJson, DeviceOption, LangPolicyOption, PrecisionOption
from xret.cli.output import message, print_json, print_table, show_progress
from xret.retriever.models.registry import DEFAULT_ENCODER
from xret.retriever.translation.named import SHIPPED_TABLE

if TYPE_CHECKING:
    from xret.retriever.corpus_build import BuildReport

__all__ = ["index"]


def index(
    corpus: Annotated[
        str,
        typer.Option(
            "--corpus", help="Name of a corpus, a file (.jsonl .tsv .parquet .txt), a folder."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Folder of the index; named corpora have their own."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            help=f"Name of an encoder, or the folder of one; {DEFAULT_ENCODER} for a new index, "
            "and its own for one that is there.",
        ),
    ] = None,
    doc_lang: Annotated[
        str | None,
        typer.Option(
            "--doc-lang",
            help="Languages of a named corpus (with commas, or all); of a file, the language of "
            "documents that name none.",
        ),
    ] = None,
    lang: Annotated[str | None, typer.Option("--lang", hidden=True)] = None,
    lang_policy: LangPolicyOption = "nearest",
    precision: PrecisionOption = None,
    device: DeviceOption = None,
    single_vector: Annotated[
        bool, typer.Option("--single-vector", help="One vector a text, of an encoder of many.")
    ] = False,
    pool: Annotated[
        float | None,
        typer.Option(
            "--pool",
            help="Keep one in so many of a document's token vectors, like ones joined; 1 keeps "
            "all, and the encoder says how many by default.",
        ),
    ] = None,
    duplicates: Annotated[
        Literal["error", "skip", "replace"],
        typer.Option("--duplicates", help="What to do with a document id met twice."),
    ] = "error",
    preset: Annotated[
        Literal["exact", "balanced", "compact"] | None,
        typer.Option(
            "--preset", help="Exact scores, a balance (the default), or the fewest bytes."
        ),
    ] = None,
    lexical: Annotated[
        bool,
        typer.Option(
            "--lexical/--no-lexical", help="Whether a new index can be searched by words too."
        ),
    ] = True,
    psq: Annotated[
        str | None,
        typer.Option(
            "--psq",
            metavar="TABLE",
            help="The translation table of a new index's words, by which questions in one language "
            f"find them in others: {SHIPPED_TABLE} where there are vectors too, a folder by xret "
            "train translation-table, or off for words as they are.",
        ),
    ] = None,
    shared_words: Annotated[
        bool,
        typer.Option(
            "--shared-words",
            help="Read words that a language spells as English does in its own meaning (German "
            "Gift is poison), in a new index's documents and in questions whose language is given.",
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Index the I-th of N parts of the corpus, into a folder of its own inside "
            "--output, which is searched as one index.",
        ),
    ] = None,
    codec_of: Annotated[
        str | None,
        typer.Option(
            "--codec-of",
            metavar="INDEX",
            help="Code a new index's vectors by the trained codec of this index.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Encode on the Ray cluster at this address (auto: that of this machine).",
        ),
    ] = None,
    ray_workers: Annotated[
        int | None,
        typer.Option("--ray-workers", min=1, help="How many actors encode; one a CPU by default."),
    ] = None,
    on_error: Annotated[
        Literal["reject", "stop"],
        typer.Option("--on-error", help="What to do with a record that cannot be read."),
    ] = "reject",
    as_json: AsJson = False,
) -> None:
    """Build an index, or add what is new to one; run it again to go on after a break."""
    from xret.retriever.corpus_build import build_steps

    steps = build_steps(
        corpus,
        output,
        encoder=encoder,
        doc_lang=documents_lang(doc_lang, lang),
        duplicates=duplicates,
        on_error=on_error,
        preset=preset,
        lexical=lexical,
        psq=psq,
        shared_words=shared_words,
        shard=shard,
        codec_of=codec_of,
        ray=ray,
        ray_workers=ray_workers,
        lang_policy=lang_policy,
        precision=precision,
        device=device,
        single_vector=single_vector,
        pool_factor=pool,
    )
    report = show_progress(steps, stoppable=True)
    if report.stopped:
        again = shlex.join(["xret", *sys.argv[1:]])
        message(f"stopped and committed; to go on, run: {again}")
        raise typer.Exit(130)
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _print_report(report: BuildReport) -> None:
    from xret.retriever.models.measured import other_choice

    rows = [
        ("documents", f"{report.documents:,} ({_changes(report)})"),
        ("passages", f"{report.passages:,}"),
        ("languages", ", ".join(f"{lang} {n:,}" for lang, n in report.languages.items())),
        ("time", f"{report.seconds:.1f} s, {report.documents_per_s:,.0f} documents/s"),
        ("size", f"{report.bytes:,} bytes, {report.bytes_per_document:,} a document"),
        ("truncated", f"{report.truncated:,} texts"),
        ("peak memory", f"{report.peak_memory_bytes / 2**20:,.0f} MiB"),
        ("encoder", report.encoder),
        ("index", report.folder),
    ]
    print_table(("", "value"), rows)
    if report.rejected:
        message(f"{report.rejected:,} records refused: see {report.folder}/rejects.jsonl")
    if report.truncated:
        message(f"{report.truncated:,} texts were cut: see {report.folder}/truncated.jsonl")
    if report.unread:
        langs = ", ".join(f"{lang} {n:,}" for lang, n in report.unread.items())
        message(
            f"{sum(report.unread.values()):,} passages are in letters that the encoder cannot "
            f"read, and their vectors say little or nothing: {langs}; words find them "
            "(--mode lexical)"
        )
    other = other_choice(report.encoder) if report.added == report.documents else ""
    if other:
        message(other)
    message(f'next: xret search {report.index} "your question in any language"')


def _changes(report: BuildReport) -> str:
    names = ("added", "unchanged", "skipped", "replaced")
    counts = ((name, getattr(report, name)) for name in names)
    return ", ".join(f"{count:,} {name}" for name, count in counts if count or name == "added")
