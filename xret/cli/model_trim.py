"""`xret model trim`: a model for the languages that are served, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xret.cli.model import FolderArgument, app
from xret.cli.options import AsJson
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.retriever.trim.report import TrimReport
    from xret.types import Document

__all__ = ["trim_model"]


@app.command("trim")
def trim_model(
    model: FolderArgument,
    lang: Annotated[
        list[str], typer.Option("--lang", help="A language that is served; repeatable.")
    ],
    output: Annotated[
        Path, typer.Option("--output", help="Folder of the trimmed model: new, or empty.")
    ],
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text",
            metavar="FILE",
            help="Texts whose pieces are kept: plain lines, .jsonl with text and title, .tsv, "
            ".parquet, .gz and .zst of these, or the name of a corpus; repeatable. Without, all "
            "pieces in the scripts of the languages are kept.",
        ),
    ] = None,
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="Keep pieces that occur so often.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Copy a model with only the vocabulary and the adapters of the languages served."""
    from xret.errors import ConfigError
    from xret.retriever.languages.codes import language_code

    if min_count > 1 and not text:
        raise ConfigError("--min-count counts the pieces of texts; give --text as well")
    langs = [language_code(spelling) for spelling in lang]
    from xret.retriever.trim.trim import ModelTrim  # heavy: after the words are checked

    bad: set[str] = set()
    texts = (lambda: _documents(text, langs, bad)) if text else None
    trim = ModelTrim(model, output, langs=langs, texts=texts, min_count=min_count)
    show_progress(trim.run())
    if bad:
        message(f"{len(bad)} records could not be read and were left out: {min(bad)}")
    assert trim.report is not None  # noqa: S101
    if as_json:
        print_json(_described(trim.report))
        return
    print_table(("", "before", "after", "saved"), _rows(trim.report))
    _say(trim.report, min_count)


def _documents(sources: Iterable[str], langs: Sequence[str], bad: set[str]) -> Iterator[Document]:
    """Every text of the files and corpora; places of records that cannot be read go to `bad`."""
    from xret.retriever.corpora.records import kind_of

    for source in sources:
        path = Path(source)
        if not path.is_file():
            yield from _corpus(source, langs, bad)
        elif kind_of(path) in (None, "txt"):
            yield from _lines(path)
        else:
            yield from _records(path, bad)


def _corpus(source: str, langs: Sequence[str], bad: set[str]) -> Iterator[Document]:
    """A folder of files, or a collection by its name, in the languages served."""
    from xret.retriever.corpora.registry import has_own_index, open_corpus

    chosen = langs if has_own_index(source) else ()
    corpus = open_corpus(source, doc_langs=chosen)
    yield from corpus.documents(on_reject=lambda record: bad.add(record.place))


def _lines(path: Path) -> Iterator[Document]:
    from xret.retriever.corpora.lines import read_lines
    from xret.types import UNDETERMINED, Document

    for number, line in read_lines(path):
        yield Document(f"{path}:{number}", line, UNDETERMINED)


def _records(path: Path, bad: set[str]) -> Iterator[Document]:
    """Records with a text; ids, which an index would need, may be missing."""
    from xret.retriever.corpora.records import TEXT_FIELDS, BadRecord, read_records
    from xret.retriever.languages.codes import language_code
    from xret.types import UNDETERMINED, Document

    for record in read_records(path):
        if isinstance(record, BadRecord):
            bad.add(record.place)
            continue
        said: dict[str, Any] = {name: record.fields.get(name) for name in (*TEXT_FIELDS, "title")}
        text = next((said[name] for name in TEXT_FIELDS if isinstance(said[name], str)), "")
        title = said["title"] if isinstance(said["title"], str) else ""
        if not text and not title:
            bad.add(record.place)
            continue
        lang = record.fields.get("lang") or record.fields.get("language")
        code = language_code(lang) if isinstance(lang, str) else UNDETERMINED
        yield Document(record.place, text, code, title)


def _described(report: TrimReport) -> dict[str, Any]:
    """The report as JSON values, with what is worked out of its fields."""
    from dataclasses import asdict

    files = [{**asdict(file), "saved": file.before - file.after} for file in report.files]
    held_out = None
    if report.held_out is not None:
        held_out = {**asdict(report.held_out), "share": report.held_out.share}
    return {
        **asdict(report),
        "files": files,
        "held_out": held_out,
        "bytes_before": report.bytes_before,
        "bytes_after": report.bytes_after,
        "bytes_saved": report.bytes_before - report.bytes_after,
        "languages_dropped": report.languages_dropped,
    }


def _rows(report: TrimReport) -> list[tuple[str, ...]]:
    rows = [("pieces", report.pieces_before, report.pieces_after)]
    if report.languages_before is not None and report.languages_after is not None:
        counts = len(report.languages_before), len(report.languages_after)
        rows.append((report.module or "languages", *counts))
    rows += [
        (file.name, file.before, file.after) for file in report.files if file.before != file.after
    ]
    rows.append(("all files, bytes", report.bytes_before, report.bytes_after))
    return [
        (
            name,
            f"{before:,}",
            f"{after:,}",
            f"{before - after:,} ({1 - after / before:.1%})" if before else f"{before - after:,}",
        )
        for name, before, after in rows
    ]


def _say(report: TrimReport, min_count: int) -> None:
    """What the numbers mean, on stderr."""
    if report.chosen_by == "scripts":
        message(
            f"every piece in {', '.join(report.scripts)} is kept: texts in these scripts are cut "
            "as before"
        )
    else:
        held_out = "too few lines to estimate how texts yet unseen are cut"
        if report.held_out is not None:
            held_out = (
                f"of every tenth line, had it not been read, {report.held_out.share:.1%} "
                f"({report.held_out.identical:,} of {report.held_out.lines:,}) would be"
            )
        message(
            f"{report.identical:,} of {report.lines:,} lines are cut into the same pieces as "
            f"before; {held_out}. Other texts may be cut otherwise: give more text, or leave "
            "--text out"
        )
        if min_count > 1 and report.identical < report.lines:
            message(f"lines with pieces that occur under {min_count} times have other vectors")
    if report.skipped:
        message(f"{report.skipped:,} texts in other languages were not read")
    for name, why in report.left_out.items():
        message(f"not copied: {name}: {why}")
    message(
        f"{report.compared} texts encoded by both models: numbers differ by at most "
        f"{report.largest_difference:.1e}. Trimmed model: {report.output}"
    )
