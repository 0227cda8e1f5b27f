"""The systems of an evaluation as they are named: what cannot be meant is said at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from xret.errors import ConfigError, CorpusError
from xret.eval.systems import SystemNames, check_output
from xret.retriever.lexical.lucene import check_lucene
from xret.retriever.rerankers.reranker import RerankChoice
from xret.types import Calibrate, Mode

__all__ = ["BESIDE", "LUCENE", "check_system_names", "named_calibrations", "named_modes"]

LUCENE = "lucene"
PSQ = "psq"
TRANSLATED = ("query-translation", "document-translation")
BESIDE = (LUCENE, PSQ, *TRANSLATED)
"""Modes of an evaluation alone: systems beside the index, not ways to ask it."""


def named_modes(modes: Sequence[str]) -> list[Mode]:
    """The modes of an index among those named, each once."""
    known = {mode: mode for mode in get_args(Mode)}
    for mode in modes:
        if mode not in known and mode not in BESIDE:
            raise ConfigError(f"no mode {mode!r}; use {', '.join([*known, *BESIDE])}")
    return [known[mode] for mode in dict.fromkeys(modes) if mode not in BESIDE]


def named_calibrations(named: Sequence[str]) -> list[Calibrate]:
    """The ways to calibrate among those named, each once."""
    known = {how: how for how in get_args(Calibrate)}
    for how in named:
        if how not in known:
            raise ConfigError(f"scores are not calibrated by {how!r}; use {', '.join(known)}")
    return [known[how] for how in dict.fromkeys(named)]


def check_system_names(
    names: SystemNames,
    topics: Path | None,
    qrels: Path | None,
    output: Path | None,
    report: Path | None,
) -> None:
    """What cannot be meant, before anything is opened."""
    if names.target is None and not (names.runs or names.indexes):
        raise ConfigError("name a corpus or an index, or run files with --runs and --qrels")
    if topics is not None and qrels is None:
        raise CorpusError("--topics and --qrels go together; name both or neither")
    if qrels is not None and topics is None and (names.indexes or not names.runs):
        raise CorpusError("--topics and --qrels go together; name both or neither")
    if names.target is None and qrels is None:
        raise CorpusError("without a corpus there are no judgements; name them with --qrels")
    systems = max(1, len(names.indexes) + len(names.encoders)) * max(1, len(names.modes))
    systems *= max(1, len(names.calibrations)) * (1 + len(names.rerankers))
    for asked in names.rerankers:
        RerankChoice.parse(asked)
    if names.rerankers and names.runs and not (names.indexes or names.encoders):
        raise ConfigError("--rerank is for an index; with --runs name one with --index")
    if output and (names.runs or names.beside or systems > 1):
        raise ConfigError("--output writes the run of one index; for more, use xret run for each")
    if names.doc_langs is not None and not names.runs:
        raise ConfigError("--doc-langs names the documents' languages of --runs; there are none")
    if names.runs and not (names.indexes or names.encoders):
        for option in ("mode",) * bool(names.modes) + ("calibrate",) * bool(names.calibrations):
            raise ConfigError(f"--{option} is for an index; with --runs name one with --index")
    _check_beside(names, topics)
    if output:
        check_output(output)
    if report is not None and report.exists() and not report.is_dir():
        raise ConfigError(f"--report {report} is a file; name a folder, which may be new")


def _check_beside(names: SystemNames, topics: Path | None) -> None:
    translated = [mode for mode in names.beside if mode in TRANSLATED]
    if names.translator is not None and not translated:
        raise ConfigError(f"--translator is for --mode {' or '.join(TRANSLATED)}; name one")
    if translated and names.translator is None:
        raise ConfigError(f"--mode {translated[0]} needs a translator; name it with --translator")
    if names.psq is not None and PSQ not in names.beside:
        raise ConfigError("--psq names the table of --mode psq; name that mode too")
    for mode in names.beside:
        if names.target is None or topics is not None:
            raise ConfigError(
                f"--mode {mode} indexes the documents of a corpus; name a corpus, without --topics"
            )
    if LUCENE in names.beside:
        if not names.modes and (names.indexes or names.encoders):
            raise ConfigError(
                "--mode lucene uses no index or encoder; leave --index and --encoder out, or add "
                "--mode dense"
            )
        check_lucene()
