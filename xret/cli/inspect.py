"""`xret info` and `xret verify`: what an index holds, and whether it is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from xret.cli.options import AsJson, IndexArgument
from xret.cli.output import message, print_json, print_table

if TYPE_CHECKING:
    from xret.index.storage.stored import IndexInfo

__all__ = ["info", "verify"]


def info(index: IndexArgument, as_json: AsJson = False) -> None:
    """Documents, languages, encoder and size of an index."""
    from xret.config import find_index
    from xret.index.search.reader import IndexReader

    reader = IndexReader.open(find_index(index))
    found = reader.info()
    total = found.documents + found.deleted
    answer = {
        "documents": found.documents,
        "deleted": found.deleted,
        "deleted_share": round(found.deleted / total, 4) if total else 0.0,
        "passages": found.passages,
        "vectors": found.vectors,
        "bytes_per_vector": round(found.vectors_bytes / found.vectors, 1) if found.vectors else 0.0,
        "preset": found.preset,
        "codec": _codec(found),
        "languages": found.languages,
        "encoder": found.settings["encoder"],
        "fingerprint": found.settings["encoder_fingerprint"],
        "dim": reader.dim,
        "segments": found.segments,
        "bytes": reader.size_bytes(),
        "version": found.version,
    }
    if as_json:
        print_json(answer)
        return
    languages = ", ".join(f"{lang} {count:,}" for lang, count in found.languages.items())
    rows = [(name, str(value)) for name, value in {**answer, "languages": languages}.items()]
    print_table(("", "value"), rows)


def _codec(found: IndexInfo) -> str:
    """How the vectors are coded: 8 bits a dimension each, or by a trained codec."""
    if not any(found.codecs):
        return "8 bits"
    from xret.index.coding.recoding import preset_bits

    bits = preset_bits(found.preset)
    mixed = ", some vectors 8 bits" if 0 in found.codecs else ""
    return f"{bits} bit{'s' if bits > 1 else ''}{mixed}"


def verify(index: IndexArgument) -> None:
    """Check every file and every stored document; exit status 1 when one is damaged."""
    from xret.config import find_index
    from xret.index.search.faults import find_faults

    folder = find_index(index)
    faults = find_faults(folder)
    for fault in faults:
        message(f"xret: {fault}")
    if faults:
        raise typer.Exit(1)
    typer.echo(f"{folder} is sound")
