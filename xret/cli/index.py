"""`xret index`: a corpus in, an index out."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from xret.cli.options import (
    AsJson,
    EncoderOption,
    LangPolicyOption,
    PrecisionOption,
    encoder_name,
)
from xret.cli.output import message, print_json, print_table, show_progress

if TYPE_CHECKING:
    from xret.retriever.build import IndexBuild
    from xret.retriever.corpora.collection import Corpus
    from xret.retriever.corpora.records import BadRecord
    from xret.retriever.encoder import EncoderOptions

__all__ = ["build_index", "index"]


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
    encoder: EncoderOption = "xret-static",
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            help="Languages of a named corpus (with commas, or all); of a file, the language of "
            "documents that name none.",
        ),
    ] = None,
    lang_policy: LangPolicyOption = "nearest",
    precision: PrecisionOption = "fp32",
    single_vector: Annotated[
        bool, typer.Option("--single-vector", help="One vector a text, of an encoder of many.")
    ] = False,
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
    on_error: Annotated[
        Literal["reject", "stop"],
        typer.Option("--on-error", help="What to do with a record that cannot be read."),
    ] = "reject",
    as_json: AsJson = False,
) -> None:
    """Build an index, or add what is new to one; run it again to go on after a break."""
    from xret.retriever.encoder import EncoderOptions

    summary = build_index(
        corpus,
        output,
        encoder=encoder,
        lang=lang,
        duplicates=duplicates,
        on_error=on_error,
        preset=preset,
        lexical=lexical,
        options=EncoderOptions(
            lang_policy=lang_policy, precision=precision, single_vector=single_vector
        ),
    )
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary)


def build_index(
    corpus: str,
    output: Path | None,
    *,
    encoder: str,
    lang: str | None = None,
    duplicates: Literal["error", "skip", "replace"] = "error",
    on_error: Literal["reject", "stop"] = "reject",
    preset: str | None = None,
    lexical: bool = True,
    options: EncoderOptions | None = None,
    source: Corpus | None = None,
) -> dict[str, Any]:
    """Build with progress on stderr; returns what the build did, for printing.

    source: the corpus where it is opened already, with the languages chosen.
    """
    from xret.errors import CorpusError
    from xret.retriever.build import IndexBuild
    from xret.retriever.corpora.registry import has_own_index, open_corpus
    from xret.retriever.languages.codes import language_code
    from xret.retriever.opening.encoder import load_encoder

    named = has_own_index(corpus)
    source = source or open_corpus(corpus, doc_langs=[lang] if lang and named else ())
    folder = output or _own_folder(corpus, source.name)
    if named and source.licence:
        message(f"licence of {corpus}: {source.licence}")
    rejects = _Rejects(stop=on_error == "stop")
    unnamed = language_code(lang) if lang and not named else None
    documents = source.documents(on_reject=rejects.add, lang=unnamed)
    first = next(documents, None)
    if first is None:
        raise CorpusError(f"{corpus} holds no document that can be indexed{rejects.why()}")
    build = IndexBuild(
        chain([first], documents),
        folder,
        load_encoder(encoder_name(encoder), options=options),
        duplicates=duplicates,
        preset=preset,
        lexical=lexical,
    )
    with _stoppable(build):
        show_progress(build.run(total=source.count_records()))
    rejects.write(folder)
    if build.stopped:
        message(f"stopped and committed; to go on, run: {_command_line()}")
        raise typer.Exit(130)
    return _summary(build, folder, output, rejects)


def _own_folder(corpus: str, name: str | None) -> Path:
    """Where a named corpus is kept; two files of one name must not share an index."""
    from xret.config import index_folder
    from xret.errors import ConfigError

    if name is None:
        raise ConfigError(f"{corpus} is no registered corpus; name a folder with --output")
    return index_folder(name)


class _Rejects:
    """Records that could not be read, for rejects.jsonl and the summary.

    They wait in a file without a name: there may be millions, and there is no folder to put
    them in until the first document has been read.
    """

    def __init__(self, *, stop: bool) -> None:
        self._stop = stop
        self._first: BadRecord | None = None
        self._waiting: IO[bytes] | None = None
        self.count = 0

    def add(self, record: BadRecord) -> None:
        from xret.errors import CorpusError

        if self._stop:
            raise CorpusError(f"{record.place}: {record.reason}")
        if self._waiting is None:
            self._first = record
            self._waiting = tempfile.TemporaryFile()  # noqa: SIM115
        fields = {"place": record.place, "reason": record.reason}
        # A file's name in another encoding is no valid Unicode, and is written as an escape.
        line = json.dumps(fields, ensure_ascii=False).encode(errors="backslashreplace")
        self._waiting.write(line + b"\n")
        self.count += 1

    def why(self) -> str:
        first = self._first
        if first is None:
            return ""
        return f"; {self.count:,} records refused, the first: {first.place}: {first.reason}"

    def write(self, folder: Path) -> None:
        """Put them in place, whole or not at all. A run without any leaves an earlier list."""
        if self._waiting is None:
            return
        part = folder / "rejects.jsonl.part"
        with self._waiting as waiting, part.open("wb") as file:
            waiting.seek(0)
            shutil.copyfileobj(waiting, file)
        part.replace(folder / "rejects.jsonl")


@contextmanager
def _stoppable(build: IndexBuild) -> Iterator[None]:
    """The first Ctrl-C commits and stops, the second interrupts at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        message("stopping after this batch; press Ctrl-C again to stop at once")
        build.stop()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _summary(
    build: IndexBuild, folder: Path, output: Path | None, rejects: _Rejects
) -> dict[str, Any]:
    from xret.index.search.reader import IndexReader

    reader = IndexReader.open(folder)
    info, size_bytes = reader.info(), reader.size_bytes()
    reader.close()
    done = build.summary
    return {
        "index": folder.name if output is None else str(output),
        "folder": str(folder),
        "documents": info.documents,
        "passages": info.passages,
        "preset": info.preset,
        "languages": info.languages,
        "added": done.added,
        "unchanged": done.unchanged,
        "skipped": done.skipped,
        "replaced": done.replaced,
        "rejected": rejects.count,
        "truncated": done.truncated,
        "seconds": round(done.seconds, 3),
        "documents_per_s": round(done.added / done.seconds, 1) if done.seconds else 0.0,
        "bytes": size_bytes,
        "bytes_per_document": round(size_bytes / info.documents) if info.documents else 0,
        "peak_memory_bytes": _peak_memory_bytes(),
    }


def _print_summary(summary: dict[str, Any]) -> None:
    rows = [
        ("documents", f"{summary['documents']:,} ({_changes(summary)})"),
        ("passages", f"{summary['passages']:,}"),
        ("languages", ", ".join(f"{lang} {n:,}" for lang, n in summary["languages"].items())),
        ("time", f"{summary['seconds']:.1f} s, {summary['documents_per_s']:,.0f} documents/s"),
        ("size", f"{summary['bytes']:,} bytes, {summary['bytes_per_document']:,} a document"),
        ("truncated", f"{summary['truncated']:,} texts"),
        ("peak memory", f"{summary['peak_memory_bytes'] / 2**20:,.0f} MiB"),
        ("index", summary["folder"]),
    ]
    print_table(("", "value"), rows)
    if summary["rejected"]:
        message(f"{summary['rejected']:,} records refused: see {summary['folder']}/rejects.jsonl")
    message(f'next: xret search {summary["index"]} "your question in any language"')


def _changes(summary: dict[str, Any]) -> str:
    counts = ((name, summary[name]) for name in ("added", "unchanged", "skipped", "replaced"))
    return ", ".join(f"{count:,} {name}" for name, count in counts if count or name == "added")


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _command_line() -> str:
    import shlex

    return shlex.join(["xret", *sys.argv[1:]])
