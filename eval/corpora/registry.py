"""Corpora by name: a table from a name to what is known of it before it is read."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from xret.errors import CorpusError, UnknownCorpusError
from xret.eval.corpora.local import LocalCorpus

__all__ = ["CORPORA", "RegisteredCorpus", "open_corpus"]


@dataclass(frozen=True, slots=True)
class RegisteredCorpus:
    """A row of the registry."""

    folder: Path
    languages: tuple[str, ...]
    documents: int
    licence: str
    source: str


CORPORA: dict[str, RegisteredCorpus] = {
    "demo": RegisteredCorpus(
        folder=Path(__file__).parent / "demo",
        languages=("en", "fr", "es", "ar", "zh", "hi", "sw", "de"),
        documents=400,
        licence="Apache-2.0",
        source="written for xret and shipped with it",
    ),
}


def open_corpus(corpus: str) -> LocalCorpus:
    """The corpus of that registered name, or the one in that file or folder.

    Raises UnknownCorpusError with the nearest names, CorpusError for a path to nothing.
    """
    if corpus in CORPORA:
        return LocalCorpus(CORPORA[corpus].folder)
    path = Path(corpus)
    if path.exists():
        return LocalCorpus(path)
    if path.suffix or path.is_absolute() or corpus.startswith("."):
        raise CorpusError(f"no such file or folder: {corpus}")
    close = difflib.get_close_matches(corpus, CORPORA, n=3, cutoff=0.4)
    advice = f"did you mean {', '.join(close)}?" if close else f"known: {', '.join(CORPORA)}"
    raise UnknownCorpusError(f"no corpus is called {corpus!r} and there is no such file; {advice}")
