"""A corpus in and an index out by one call, and what else the commands do, from Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import xret
from xret.errors import ConfigError, QueryError
from xret.retriever.corpus_build import build_steps
from xret.types import Progress, SearchParams, SearchRequest, Work, finish

TEXTS = {
    "moon.en": "The moon makes high water twice a day.",
    "moon.fr": "La lune fait monter la mer deux fois par jour.",
    "bees.en": "Fewer bees mean smaller harvests of fruit.",
    "salt.en": "Salt keeps food.",
}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "qrels").mkdir(parents=True)
    records = [{"_id": i, "text": text, "lang": i[-2:]} for i, text in TEXTS.items()]
    lines = [*map(json.dumps, records), "no record at all"]
    (folder / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    query = {"_id": "q", "text": "the moon and the sea", "lang": "en"}
    (folder / "queries.jsonl").write_text(json.dumps(query), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("q\tmoon.en\t1\nq\tmoon.fr\t1\n", encoding="utf-8")
    return folder


def test_an_index_is_built_by_one_call(corpus: Path, tmp_path: Path) -> None:
    report = xret.build(corpus, tmp_path / "index")
    assert (report.documents, report.added, report.rejected) == (4, 4, 1)
    assert report.languages == {"en": 3, "fr": 1}
    assert not report.stopped
    reject = json.loads((tmp_path / "index" / "rejects.jsonl").read_text(encoding="utf-8"))
    assert reject["place"].endswith("corpus.jsonl:5")
    assert xret.info(tmp_path / "index")["documents"] == 4
    assert xret.build(corpus, tmp_path / "index").unchanged == 4


def test_an_option_that_is_none_is_refused_by_name(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'lang_polizy'.*lang_policy"):
        xret.build(corpus, tmp_path / "index", lang_polizy="strict")


def test_a_build_that_is_sent_true_commits_what_it_read_and_stops(tmp_path: Path) -> None:
    lines = [json.dumps({"_id": str(n), "text": f"word {n}", "lang": "en"}) for n in range(600)]
    (tmp_path / "c.jsonl").write_text("\n".join(lines), encoding="utf-8")
    steps = build_steps(tmp_path / "c.jsonl", tmp_path / "index")
    assert next(step for step in steps if step.done).stoppable
    with pytest.raises(StopIteration) as end:
        steps.send(True)
    assert end.value.value.stopped
    assert xret.info(tmp_path / "index")["documents"] == end.value.value.added == 256


def test_documents_go_and_the_index_is_compacted_and_sound(corpus: Path, tmp_path: Path) -> None:
    xret.build(corpus, tmp_path / "index")
    deletion = xret.delete(tmp_path / "index", ["salt.en", "nothing"])
    assert (deletion.deleted, deletion.missing) == (1, 1)
    assert xret.compact(tmp_path / "index").removed == 1
    assert xret.verify(tmp_path / "index") == []
    with pytest.raises(ConfigError, match="in a list"):
        xret.delete(tmp_path / "index", "salt.en")


def test_queries_are_ranked_and_measured_by_one_call_each(corpus: Path, tmp_path: Path) -> None:
    run = xret.rank_run(corpus, tmp_path / "run.trec", hits=3)
    assert run.run.hits["q"][0].doc_id.startswith("moon")
    assert run.beside is not None
    assert run.output is not None
    assert run.output.read_text(encoding="utf-8").startswith("q Q0 moon")
    assessment = xret.evaluate(corpus, measures=["RR"], mode=["dense", "lexical"])
    assert [system.system[-7:] for system in assessment.systems] == ["c dense", "lexical"]
    whole = assessment.systems[0].results[-1]
    assert (whole.query_lang, whole.doc_lang, whole.measures) == (None, None, {"RR": 1.0})
    assert xret.rank_run(corpus, hits=3).output is None


def test_search_takes_what_the_command_takes(demo: xret.Searcher) -> None:
    asked = SearchRequest(
        "coral reefs", "en", 3, 1, ["fr", "en"], "date>=1900", "dense", SearchParams(exact=True)
    )
    by_name = demo.search(
        "coral reefs",
        lang="en",
        k=3,
        offset=1,
        doc_langs=["fr", "en"],
        filter="date>=1900",
        mode="dense",
        exact=True,
    )
    assert demo.search(asked) == by_name
    assert demo.answer("coral reefs", lang="en", k=4).hits[1:] == demo.search(
        "coral reefs", lang="en", k=3, offset=1
    )
    with pytest.raises(QueryError):
        demo.search("coral reefs", k=0)


def test_finish_gives_the_result_of_long_work() -> None:
    def work() -> Work[str]:
        yield Progress("work", 1, 2, "steps")
        return "result"

    assert finish(work()) == "result"


def test_parts_and_notes_come_with_the_steps(corpus: Path) -> None:
    def steps() -> Iterator[Progress]:
        from xret.eval.assessment import evaluation_steps

        yield from evaluation_steps(corpus, measures=["RR"], mode=["dense", "lexical"])

    seen = list(steps())
    assert "is not indexed yet" in next(step.note for step in seen if step.note)
    parts = [number for number, step in enumerate(seen) if step.part is not None]
    assert len(parts) == 2
    stages = {step.stage for step in seen[parts[0] + 1 : parts[1]]}
    assert stages == {"xret-static lexical (2 of 2)"}
