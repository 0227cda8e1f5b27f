"""Where and with what something was measured, so that somebody else can repeat it."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from xret.eval.evaluation import CorpusFacts, Environment
from xret.types import Query

if TYPE_CHECKING:
    from xret.retriever.corpora.collection import Corpus
    from xret.retriever.corpora.qrels import Qrels

__all__ = ["corpus_facts", "describe_environment", "file_checksum"]

LIBRARIES = (
    "numpy",
    "tokenizers",
    "onnxruntime",
    "torch",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "ir-measures",
    "pytrec-eval-terrier",
    "ir-datasets",
)
"""Those whose version can change a figure; the ones not installed are left out."""


def describe_environment(*, seed: int, took_s: float = 0.0) -> Environment:
    """This machine, these versions and this command, at this moment.

    took_s: how long the work has taken; it is taken off the time it began. Nothing is said of
    the user or the machine's name; folders of the command are kept as they were typed.
    """
    began = datetime.now(UTC).timestamp() - took_s
    return Environment(
        xret=_version("xret") or "0",
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=_processor(),
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        libraries={name: found for name in LIBRARIES if (found := _version(name))},
        command=shlex.join(["xret", *sys.argv[1:]]),
        seed=seed,
        started=datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        took_s=round(took_s, 3),
    )


def corpus_facts(
    name: str,
    *,
    source: Corpus | None = None,
    queries: Sequence[Query] = (),
    qrels: Qrels | None = None,
    languages: Mapping[str, int] | None = None,
    files: Sequence[Path] = (),
) -> CorpusFacts:
    """What is known of a test collection.

    source: the opened corpus, which may be of a registered collection or files of the user.
    languages: documents by language. files: what else was read, to be told by its checksum.
    """
    judgements: Counter[int] = Counter(
        grade for grades in (qrels or {}).values() for grade in grades.values()
    )
    collection = getattr(source, "collection", None)
    counted = dict(languages or {})
    return CorpusFacts(
        name=name,
        documents=sum(counted.values()) or None,
        languages=counted,
        queries=len(queries),
        judged=sum(query.query_id in (qrels or {}) for query in queries),
        judgements=dict(sorted(judgements.items())),
        revision=getattr(collection, "revision", None) or "",
        source=getattr(collection, "source", ""),
        licence=getattr(collection, "licence", "") or getattr(source, "licence", ""),
        citation=getattr(collection, "citation", ""),
        template=getattr(collection, "template", "title and text"),
        checksums={shown: file_checksum(path) for shown, path in _named(files)},
    )


def _named(files: Sequence[Path]) -> list[tuple[str, Path]]:
    """Files by name, by their whole path where two are called alike."""
    there = [path for path in dict.fromkeys(files) if path.is_file()]
    alike = Counter(path.name for path in there)
    return [(path.name if alike[path.name] == 1 else str(path), path) for path in there]


def file_checksum(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """The name of the processor where the system says it, else its architecture."""
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
