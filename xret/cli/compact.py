"""`xret delete` and `xret compact`: documents out of an index, and their vectors after them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from xret.cli.options import AsJson, IndexArgument
from xret.cli.output import message, print_json, print_table, show_progress

__all__ = ["compact", "delete"]


def delete(
    index: IndexArgument,
    doc_ids: Annotated[
        list[str] | None, typer.Argument(metavar="DOC_ID", help="Ids of documents to delete.")
    ] = None,
    listed: Annotated[
        Path | None, typer.Option("--from", help="A file with one id a line; - for stdin.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Delete documents by their ids; their vectors stay on disk until `xret compact`."""
    from xret.config import find_index
    from xret.errors import ConfigError
    from xret.index.writing.writer import IndexWriter

    wanted = list(doc_ids or [])
    if listed is not None:
        wanted += _read_ids(listed)
    if not wanted:
        raise ConfigError("there is nothing to delete; name document ids, or a file with --from")
    with IndexWriter.open_existing(find_index(index)) as writer:
        count = writer.delete(wanted)
    missing = len(set(wanted)) - count
    if as_json:
        print_json({"deleted": count, "missing": missing})
        return
    typer.echo(f"{count:,} documents deleted")
    if missing:
        message(f"{missing:,} ids were not in the index")


def compact(index: IndexArgument, as_json: AsJson = False) -> None:
    """Rewrite an index without deleted documents, joining small segments.

    Searches go on meanwhile. Killed at any moment it has lost nothing; run it again to go on.
    """
    from xret.config import find_index
    from xret.index.search.reader import IndexReader
    from xret.index.storage.files import folder_bytes
    from xret.index.writing.compaction import Compaction

    folder = find_index(index)
    compaction = Compaction(folder)
    before = folder_bytes(folder)
    show_progress(compaction.run())
    reader = IndexReader.open(folder)
    found, done = reader.info(), compaction.summary
    reader.close()
    answer = {
        "documents": found.documents,
        "removed": done.removed,
        "rewritten_segments": done.rewritten,
        "segments": found.segments,
        "codec_trained": done.retrained,
        "bytes_before": before,
        "bytes": folder_bytes(folder),
    }
    if as_json:
        print_json(answer)
        return
    print_table(("", "value"), [(name, str(value)) for name, value in answer.items()])


def _read_ids(listed: Path) -> list[str]:
    """One id a line; empty lines are passed over."""
    from xret.errors import CorpusError

    try:
        content = sys.stdin.buffer.read() if str(listed) == "-" else listed.read_bytes()
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{listed} is not UTF-8 text; one document id a line is read") from error
    return [line for line in lines if line]
