"""Hard negatives: high in the ranking, no known answer, not nearly as good as the answer."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from xret.errors import ConfigError, TrainingError
from xret.index.scoring.maxsim import maxsim_scores
from xret.retriever.build import IndexBuild
from xret.retriever.corpora.rows import Example
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.retriever.training.recipes.mining import MiningRule, NegativeMiner
from xret.retriever.training.recipes.records import ExampleReader
from xret.types import Document, Query

PASSAGES = {
    "reef": ("coral reefs are bleached by warm sea water", "en"),
    "reef-fr": ("les récifs de corail blanchissent dans une mer chaude", "fr"),
    "reef2": ("warm water bleaches the coral of the reefs", "en"),
    "fish": ("fish leave the warm sea near the coast", "en"),
    "ocean": ("the ocean takes up heat from the air", "en"),
    "bread": ("bread is baked from flour, water and yeast", "en"),
    "law": ("the court decided the case in favour of the tenant", "en"),
    "music": ("an orchestra tunes its instruments before the concert", "en"),
}
EXAMPLES = [
    Example(
        "why are coral reefs bleached",
        PASSAGES["reef"][0],
        query_lang="en",
        positive_lang="en",
        text_id="7",
    ),
    Example("how is bread made", PASSAGES["bread"][0], query_lang="en", positive_lang="en"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mined") / "index"
    documents = [Document(key, text, lang) for key, (text, lang) in PASSAGES.items()]
    documents.append(Document("copy", f"  {PASSAGES['bread'][0].upper()} ", "en"))
    for _ in IndexBuild(documents, folder, load_encoder("xret-static"), preset="exact").run():
        pass
    return folder


@pytest.fixture
def searcher(index: Path) -> Iterator[Searcher]:
    with Searcher.open(index) as opened:
        yield opened


def mined(searcher: Searcher, output: Path, **rule: Any) -> list[dict[str, Any]]:
    miner = NegativeMiner(searcher, MiningRule(**{"depth": 9, "n_negatives": 4, **rule}))
    assert [progress.done for progress in miner.run(EXAMPLES, output)] == [len(EXAMPLES)]
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def test_negatives_are_the_highest_that_score_below_the_answers_share(
    searcher: Searcher, tmp_path: Path
) -> None:
    encoder = load_encoder("xret-static")
    for margin in (0.0, 0.3):
        lines = mined(searcher, tmp_path / "out.jsonl", margin=margin)
        for example, line in zip(EXAMPLES, lines, strict=True):
            query = encoder.encode_queries([Query("", example.query, "en")])[0]
            answer = encoder.encode_documents([Document("", example.positive, "en")])
            limit = (1 - margin) * maxsim_scores(query, answer.values, answer.offsets)[0]
            (hits,) = searcher.rank([Query("", example.query, "en")], 9, calibrate="off")
            found = [
                PASSAGES[hit.doc_id] for hit in hits if hit.doc_id != "copy" and hit.score <= limit
            ]
            texts = {text: lang for text, lang in found if text != example.positive}
            expected = list(texts)[:4]
            assert line["negatives"] == expected
            assert line["negative_langs"] == [texts[text] for text in expected]


def test_wider_margin_leaves_out_what_may_answer_too(searcher: Searcher, tmp_path: Path) -> None:
    near = mined(searcher, tmp_path / "a", margin=0.0)[0]["negatives"]
    assert PASSAGES["reef2"][0] in near
    far = mined(searcher, tmp_path / "b", margin=0.5)[0]["negatives"]
    assert PASSAGES["reef2"][0] not in far


def test_known_answers_are_no_negatives_even_as_copies(searcher: Searcher, tmp_path: Path) -> None:
    for line in mined(searcher, tmp_path / "out", margin=0.0, n_negatives=9):
        plain = {" ".join(text.casefold().split()) for text in line["negatives"]}
        assert " ".join(line["positive"].casefold().split()) not in plain


def test_what_is_written_is_read_as_training_text(searcher: Searcher, tmp_path: Path) -> None:
    lines = mined(searcher, tmp_path / "out.jsonl")
    reader = ExampleReader()
    list(reader.read([tmp_path / "out.jsonl"]))
    assert [one.query for one in reader.examples] == [one.query for one in EXAMPLES]
    assert [list(one.negatives) for one in reader.examples] == [o["negatives"] for o in lines]
    assert reader.examples[0].text_id == "7"
    assert reader.examples[0].positive_lang == "en"


def test_full_disk_leaves_the_file_that_was_there(
    searcher: Searcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.jsonl"
    output.write_text("before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingError, match="no space left"):
        mined(searcher, output)
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert output.read_text() == "before"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"depth": 3, "n_negatives": 4}, "4 negatives of 3"),
        ({"n_negatives": 0}, "0 negatives"),
        ({"margin": 1.0}, "--margin is 1.0"),
        ({"margin": float("nan")}, "--margin is nan"),
    ],
)
def test_rules_that_cannot_be_are_refused(rule: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MiningRule(**rule)
