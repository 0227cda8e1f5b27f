"""Encoding on a cluster: the bytes of one process, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import xret
from xret.errors import ConfigError, MissingLibraryError
from xret.index.writing import writer
from xret.retriever import ray_encoder
from xret.retriever.corpus_build import build_steps
from xret.types import finish


def test_a_missing_library_is_told_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    corpus = tmp_path / "docs.jsonl"
    corpus.write_text(json.dumps({"_id": "a", "text": "a river", "lang": "en"}))
    with pytest.raises(MissingLibraryError, match=r"pip install 'xret\[distributed\]'"):
        xret.build(corpus, tmp_path / "index", ray="auto")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes on this machine, of one CPU each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six batches, among them repeated documents, a long one, and languages to identify."""
    path = tmp_path_factory.mktemp("corpus") / "docs.jsonl"
    lines = []
    for n in range(1500):
        text = f"River number {n} flows to the sea, past {n % 7} towns and {n % 11} bridges. "
        lines.append({"_id": f"d{n}", "text": text * (200 if n == 900 else 1)})
        if n % 500 == 0:
            lines.append(lines[-1])
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module", autouse=True)
def small_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "SEGMENT_ROWS", 1 << 12)
        yield


@pytest.fixture(scope="module")
def expected(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("one") / "index"
    xret.build(corpus, folder, encoder="xret-static")
    return content(folder)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_two_nodes_make_the_index_of_one_process_though_a_worker_dies(
    cluster: Any,
    corpus: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    started: list[ray_encoder.RayEncoder] = []
    start = ray_encoder.RayEncoder.start

    def noted(*given: Any, **named: Any) -> ray_encoder.RayEncoder:
        started.append(start(*given, **named))
        return started[0]

    monkeypatch.setattr(ray_encoder.RayEncoder, "start", noted)
    steps = build_steps(corpus, tmp_path / "index", ray=cluster.address)
    for _ in range(2):
        next(steps)
    workers = started[0].workers
    assert len(workers) == 2
    pids = ray.get([worker.pid.remote() for worker in workers])
    os.kill(pids[0], signal.SIGKILL)
    report = finish(steps)
    assert report.documents == 1500
    assert content(tmp_path / "index") == expected
    assert len(expected) > 30  # several segments


def test_a_build_that_was_broken_goes_on_by_segments(
    cluster: Any, corpus: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    steps = build_steps(corpus, tmp_path / "index", ray=cluster.address)
    for _ in range(4):
        next(steps)
    steps.close()
    before = xret.info(tmp_path / "index")["documents"]
    assert 0 < before < 1500
    report = xret.build(corpus, tmp_path / "index", ray=cluster.address, ray_workers=1)
    assert report.added == 1500 - before
    assert content(tmp_path / "index").keys() == expected.keys()
    documents = {name: one for name, one in expected.items() if name.startswith("segments")}
    found = content(tmp_path / "index")
    assert {name: found[name] for name in documents} == documents


def test_a_cluster_that_is_not_there_is_told(corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ConfigError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        xret.build(corpus, tmp_path / "index", ray="127.0.0.1:1")
