"""One run from several, files and indices: what `xret fuse` does, and `xret.fuse_runs`."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from xret.errors import ConfigError
from xret.eval.environment import describe_environment, file_checksum
from xret.eval.metadata import run_metadata, to_yaml, write_side_file
from xret.eval.ranked_run import RankedRun, rank_run_steps
from xret.eval.systems import check_output
from xret.eval.trec import read_run_file, write_run
from xret.retriever.fusion import Fusion, FusionMethod
from xret.types import Calibrate, Hit, Mode, Progress, Run, Work, finished

__all__ = ["fuse_runs", "fuse_runs_steps"]


def fuse_runs_steps(
    sources: Sequence[str | Path],
    output: str | Path | None = None,
    *,
    method: FusionMethod = "rrf",
    weights: Sequence[float] = (),
    hits: int = 1_000,
    topics: str | Path | None = None,
    lang: Sequence[str] = (),
    mode: Mode | None = None,
    calibrate: Calibrate | None = None,
    tag: str | None = None,
    metadata: Literal["file", "header", "none"] = "file",
) -> Work[RankedRun]:
    """Fuse the rankings of two or more sources, query by query; see `retriever.fusion`.

    sources: run files, and indices, which answer the topics. weights: one a source, in order;
    none for equal ones. hits: the depth, of what is asked of indices too. The queries are those
    of all sources; one that a source does not have is fused from the others.
    Raises ConfigError for what cannot be meant, RunError for a file that is no run, and what
    opening an index raises.
    """
    began = time.perf_counter()
    path = None if output is None else Path(output)
    fusion = _checked(sources, method, weights, path)
    runs: list[Mapping[str, Sequence[Hit]]] = []
    described: list[dict[str, Any]] = []
    for number, source in enumerate(sources, 1):
        if Path(source).is_file():
            file = read_run_file(Path(source))
            runs.append(file.run.hits)
            described.append({"run": Path(source).name, "sha256": file_checksum(Path(source))})
            for warning in file.warnings:
                yield Progress("fuse", number, len(sources), "rankings", note=warning)
        else:
            ranked = yield from rank_run_steps(
                _index(source, topics),
                topics=topics,
                hits=hits,
                lang=lang,
                mode=mode,
                calibrate=calibrate,
            )
            runs.append(ranked.run.hits)
            described.append(dict(ranked.metadata["method"]["retrieval"][0]))
        yield Progress("fuse", number, len(sources), "rankings")
    query_ids = dict.fromkeys(query_id for run in runs for query_id in run)
    name = "-".join((tag or f"fused-{method}").split())
    fused = Run(name, {q: fusion.fuse([run.get(q, ()) for run in runs], hits) for q in query_ids})
    retrieval = {"name": name, "method": f"fusion by {method}", "weights": [*weights], "hits": hits}
    yaml = run_metadata(
        name,
        retrieval={**retrieval, "of": described},
        corpus={} if topics is None else {"topics": Path(topics).name},
        environment=describe_environment(seed=0, took_s=time.perf_counter() - began),
    )
    beside = _written(fused, yaml, path, metadata)
    return RankedRun(fused, yaml, time.perf_counter() - began, path, beside)


fuse_runs = finished(fuse_runs_steps)


def _checked(
    sources: Sequence[str | Path], method: FusionMethod, weights: Sequence[float], path: Path | None
) -> Fusion:
    """What cannot be meant, before anything is read."""
    if isinstance(sources, str | Path) or len(sources) < 2:
        raise ConfigError("name two or more run files or indices to fuse")
    if weights and len(weights) != len(sources):
        raise ConfigError(
            f"{len(weights)} weights for {len(sources)} rankings; name one for each, in order"
        )
    if any(not math.isfinite(weight) or weight < 0 for weight in weights) or (
        weights and not any(weights)
    ):
        raise ConfigError(f"weights are 0 or more, and not all 0; found {[*weights]}")
    if path is not None:
        check_output(path)
    return Fusion(method, tuple(weights) or None)


def _index(source: str | Path, topics: str | Path | None) -> str:
    if topics is None:
        raise ConfigError(
            f"{source} is no run file; name one that is there, or for an index the questions "
            "with --topics"
        )
    return str(source)


def _written(run: Run, yaml: Mapping[str, Any], path: Path | None, metadata: str) -> Path | None:
    """Where the metadata is beside the run, None for nowhere."""
    if path is None:
        return None
    header = f"ir_metadata.start\n{to_yaml(yaml)}ir_metadata.end" if metadata == "header" else ""
    write_run(path, run, header=header)
    return write_side_file(path, yaml) if metadata == "file" else None
