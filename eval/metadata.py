"""What a run says of itself: ir_metadata 0.2 (Breuer, Keller and Schaer, SIGIR 2022).

YAML by the PRIMAD model: platform, research goal, implementation, method, actor, data, and
resources. It stands in a file beside the run, or in the run's first lines behind `# `,
between `ir_metadata.start` and `ir_metadata.end`. What we write is the plain part of YAML
that needs no library; what others wrote is read by PyYAML's safe loader.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xret.eval.environment import describe_environment
from xret.eval.evaluation import Environment
from xret.types import CALIBRATE, Calibrate, Mode

if TYPE_CHECKING:
    from xret.retriever.searcher import Searcher

__all__ = [
    "describe_retrieval",
    "parse_metadata",
    "read_side_file",
    "run_metadata",
    "side_file",
    "to_yaml",
    "write_side_file",
]

SCHEMA_VERSION = 0.2
START, END = "ir_metadata.start", "ir_metadata.end"
SIDE_ENDING = ".ir-metadata.yml"
MAX_BYTES = 1 << 20
MAX_VALUES = 10_000
"""Values in a stranger's metadata; YAML's references can make a few lines into billions."""

PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+ -]*[A-Za-z0-9_./@+-]|[A-Za-z_]")
NOT_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "none", "nan"})


def run_metadata(
    tag: str,
    *,
    retrieval: Mapping[str, Any],
    corpus: Mapping[str, Any],
    environment: Environment | None = None,
) -> dict[str, Any]:
    """The metadata of a run made here.

    retrieval: the one ranking stage (encoder, fingerprint, depth and so on). corpus: name,
    source and checksums of the test collection. The actor is for the user to write.
    """
    here = environment or describe_environment(seed=0)
    memory = here.memory_bytes
    return {
        "schema version": SCHEMA_VERSION,
        "run version": 1.0,
        "tag": tag,
        "platform": {
            "hardware": {
                "cpu": {
                    "model": here.processor,
                    "architecture": here.platform.rpartition(" ")[2],
                    "number of cores": here.cores,
                },
                "ram": None if memory is None else f"{memory / 2**30:.0f} GB",
            },
            "operating system": {"kernel": here.platform},
            "software": {
                "libraries": {
                    "python": [f"{name}=={found}" for name, found in here.libraries.items()]
                },
                "retrieval toolkit": [f"xret=={here.xret}"],
            },
        },
        "implementation": {
            "executable": {"cmd": here.command},
            "source": {"lang": ["python"]},
        },
        "method": {
            "automatic": True,
            "score ties": "ascending document id",
            "retrieval": [dict(retrieval)],
        },
        "data": {"test collection": dict(corpus)},
        "resources": {"started": here.started, "runtime": {"wallclock": f"{here.took_s:.3f} s"}},
    }


def describe_retrieval(
    searcher: Searcher,
    *,
    hits: int,
    doc_langs: Sequence[str] | None = None,
    mode: Mode | None = None,
    rerank: str | None = None,
    calibrate: Calibrate | None = None,
) -> dict[str, Any]:
    """The ranking stage of an index: which encoder by content, over which documents.

    doc_langs: the languages that were searched, None for all of them.
    """
    spec, info = searcher.encoder.spec, searcher.reader.info()
    stage = searcher.rerankers.stage(rerank, searcher.reader.settings)
    second = (
        {}
        if stage is None
        else {
            "reranker": stage.reranker.name,
            "reranker fingerprint": stage.reranker.fingerprint,
            "reranked": stage.depth,
        }
    )
    return {
        "method": f"xret {mode or ('dense' if spec.dim else 'lexical')} retrieval",
        "encoder": spec.name,
        "encoder fingerprint": spec.fingerprint,
        "index": searcher.name,
        "index commits": searcher.reader.version(),
        "documents": info.documents,
        "document languages": sorted(doc_langs or info.languages),
        "hits": hits,
        **second,
        "calibration between languages": calibrate or CALIBRATE,
    }


def side_file(run: Path) -> Path:
    """Where the metadata of a run file lies: beside it, under its name and an ending."""
    return run.with_name(run.name + SIDE_ENDING)


def write_side_file(run: Path, metadata: Mapping[str, Any]) -> Path:
    """Write the metadata beside the run file; returns where."""
    path = side_file(run)
    path.write_text(f"{START}\n{to_yaml(metadata)}{END}\n", encoding="utf-8", newline="\n")
    return path


def read_side_file(run: Path) -> dict[str, Any]:
    """The metadata beside a run file, {} where there is none that can be read."""
    path = side_file(run)
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        return {}
    return parse_metadata(path.read_text(encoding="utf-8", errors="replace"))


def parse_metadata(text: str) -> dict[str, Any]:
    """The metadata in a header or a side file, {} where there is none or it is no YAML.

    text: lines with or without a `#` before them. A run is no worse for metadata that
    nobody can read, so nothing is raised. What lies outside the two marks does not count.
    """
    body = _between_marks(text)
    if not body.strip() or len(body) > MAX_BYTES:
        return {}
    try:
        import yaml  # transformers brings it; without it a run is read and says nothing of itself
    except ImportError:
        return {}
    try:
        found = yaml.safe_load(body)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    budget = iter(range(MAX_VALUES))
    try:
        plain = _plain(found, budget)
    except (StopIteration, RecursionError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _between_marks(text: str) -> str:
    lines = [re.sub(r"^# ?", "", line) for line in text.splitlines()]
    stripped = [line.strip() for line in lines]
    if START not in stripped:
        return "" if any(line.startswith("#") for line in text.splitlines()) else text
    start = stripped.index(START) + 1
    end = stripped.index(END, start) if END in stripped[start:] else len(lines)
    return "\n".join(lines[start:end])


def _plain(value: Any, budget: Iterator[int]) -> Any:
    """The value in JSON's types. Raises StopIteration where there is too much of it."""
    next(budget)
    if isinstance(value, Mapping):
        return {str(_plain(k, budget)): _plain(inner, budget) for k, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner, budget) for inner in value]
    if isinstance(value, str):
        return value.encode(errors="replace").decode()  # no lone half of a character
    if (isinstance(value, int) and abs(value) < 2**53) or isinstance(value, bool | None):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def to_yaml(value: Mapping[str, Any]) -> str:
    """Block YAML of nested mappings, sequences and scalars; None is left out.

    >>> print(to_yaml({"tag": "run 1", "k": 10, "data": {"files": ["a: b", "c"]}}), end="")
    tag: run 1
    k: 10
    data:
      files:
      - "a: b"
      - c
    """
    return "".join(f"{line}\n" for line in _block(value))


def _block(value: Mapping[str, Any] | Sequence[Any]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping) and inner:
                yield f"{_scalar(str(key))}:"
                yield from (f"  {line}" for line in _block(inner))
            elif isinstance(inner, list | tuple) and inner:
                yield f"{_scalar(str(key))}:"
                yield from _block(inner)
            elif inner is not None:
                yield f"{_scalar(str(key))}: {_scalar(inner)}"
        return
    for inner in value:
        lines = list(_block(inner)) if isinstance(inner, Mapping | list | tuple) else []
        for position, line in enumerate(lines or [_scalar(inner)]):
            yield f"{'  ' if position else '- '}{line}"


def _scalar(value: Any) -> str:
    """A scalar of YAML: JSON, but for a text that cannot be mistaken for anything else."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in NOT_TEXT:
        return value
    if isinstance(value, Mapping | list | tuple):
        return "{}" if isinstance(value, Mapping) else "[]"
    return json.dumps(value, ensure_ascii=True)
