"""Which encoder an index is added to with, and what can be done with one whose encoder is gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import Xret, write_corpus
from conftest import build
from encoders import HashingEncoder

import xret as library
from xret.errors import EncoderMismatchError, UnknownModelError
from xret.retriever.models.registry import ENCODERS
from xret.types import Document


@pytest.fixture
def late(tmp_path: Path) -> Path:
    from tiny_encoders import tiny_late

    return tiny_late(tmp_path / "late")


def write_more(tmp_path: Path) -> None:
    line = {"_id": "new", "text": "a lake has no tide", "lang": "en"}
    (tmp_path / "more.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")


def test_an_index_is_added_to_with_its_own_encoder_and_options(
    xret: Xret, tmp_path: Path, late: Path
) -> None:
    write_corpus(tmp_path / "c.jsonl", 3)
    write_more(tmp_path)
    begun = xret(
        "index", "--corpus", "c.jsonl", "--output", "i", "--encoder", "late", "--single-vector"
    )
    assert begun.returncode == 0, begun.stderr
    more = xret("index", "--corpus", "more.jsonl", "--output", "i", "--json")
    assert more.returncode == 0, more.stderr
    assert json.loads(more.stdout)["added"] == 1
    info = library.info(tmp_path / "i")
    assert (info["documents"], info["vectors"]) == (4, 4)
    # The same where it is named again, without its options; and no vector is another than
    # that of an index built in one go.
    again = xret("index", "--corpus", "more.jsonl", "--output", "i", "--encoder", "late", "--json")
    assert json.loads(again.stdout)["unchanged"] == 1, again.stderr
    both = (tmp_path / "c.jsonl").read_text("utf-8") + (tmp_path / "more.jsonl").read_text("utf-8")
    (tmp_path / "both.jsonl").write_text(both, encoding="utf-8")
    library.build(
        tmp_path / "both.jsonl", tmp_path / "whole", encoder=str(late), single_vector=True
    )
    scores = [
        [(hit.doc_id, hit.score) for hit in library.open(tmp_path / name).search("lake", lang="en")]
        for name in ("i", "whole")
    ]
    assert scores[0] == scores[1]


def test_an_index_is_added_to_with_the_pooling_that_it_was_built_with(
    xret: Xret, tmp_path: Path
) -> None:
    from tiny_encoders import tiny_token_vectors

    tiny_token_vectors(tmp_path / "model", pool_factor=3)
    write_corpus(tmp_path / "c.jsonl", 3)
    write_more(tmp_path)
    sizes = {}
    for name, named in {"own": (), "three": ("--pool", "3"), "all": ("--pool", "1")}.items():
        begun = xret(
            *("index", "--corpus", "c.jsonl", "--output", name, "--encoder", "model", *named)
        )
        assert begun.returncode == 0, begun.stderr
        more = xret("index", "--corpus", "more.jsonl", "--output", name)
        assert more.returncode == 0, more.stderr
        sizes[name] = library.info(tmp_path / name)["vectors"]
        hits = library.open(tmp_path / name).search("lake", lang="en")
        assert "new" in {hit.doc_id for hit in hits}
    assert sizes["own"] == sizes["three"] < sizes["all"] / 2
    other = xret("index", "--corpus", "more.jsonl", "--output", "own", "--pool", "2")
    assert other.returncode == 2
    assert "was built by encoder" in other.stderr


def test_a_new_index_has_the_preset_that_suits_its_encoder(xret: Xret, tmp_path: Path) -> None:
    from tiny_encoders import tiny_token_vectors

    tiny_token_vectors(tmp_path / "model", preset="compact")
    write_corpus(tmp_path / "c.jsonl", 3)
    write_more(tmp_path)
    for name, named in {"own": (), "named": ("--preset", "balanced")}.items():
        begun = xret(
            *("index", "--corpus", "c.jsonl", "--output", name, "--encoder", "model", *named)
        )
        assert begun.returncode == 0, begun.stderr
        more = xret("index", "--corpus", "more.jsonl", "--output", name)
        assert more.returncode == 0, more.stderr
    assert library.info(tmp_path / "own")["preset"] == "compact"
    assert library.info(tmp_path / "named")["preset"] == "balanced"


def test_another_encoder_or_another_option_is_refused(
    xret: Xret, tmp_path: Path, late: Path
) -> None:
    write_corpus(tmp_path / "c.jsonl", 3)
    write_more(tmp_path)
    library.build(tmp_path / "c.jsonl", tmp_path / "i", encoder=str(late))
    to_it = ("index", "--corpus", "more.jsonl", "--output", "i")
    other = xret(*to_it, "--encoder", "xret-static")
    assert other.returncode == 2
    assert "was built by encoder" in other.stderr
    single = xret(*to_it, "--single-vector")
    assert single.returncode == 2
    assert "was built by encoder" in single.stderr
    assert library.info(tmp_path / "i")["documents"] == 3


def test_a_search_by_words_needs_no_encoder(xret: Xret, tmp_path: Path) -> None:
    model = shutil.copytree(ENCODERS["xret-static"].folder, tmp_path / "model")
    write_corpus(tmp_path / "c.jsonl", 3)
    library.build(tmp_path / "c.jsonl", tmp_path / "i", encoder=str(model))
    before = xret("search", "i", "river", "--mode", "lexical", "--json")
    model.rename(tmp_path / "elsewhere")
    after = xret("search", "i", "river", "--mode", "lexical", "--json")
    assert after.returncode == 0, after.stderr
    assert json.loads(after.stdout)["hits"] == json.loads(before.stdout)["hits"] != []
    for mode in ((), ("--mode", "dense"), ("--mode", "hybrid")):
        dense = xret("search", "i", "river", *mode)
        assert dense.returncode == 2
        assert f"there is no model at {model}" in dense.stderr
    with library.open(tmp_path / "i") as opened:
        assert opened.search("river", lang="en", mode="lexical")
        for _ in range(2):
            with pytest.raises(UnknownModelError, match="there is no model at"):
                opened.search("river", lang="en")
        with pytest.raises(UnknownModelError, match="there is no model at"):
            opened.add([])
    moved = xret("search", "i", "river", "--encoder", "elsewhere")
    assert moved.returncode == 0, moved.stderr


def test_another_encoder_is_refused_where_vectors_are_first_needed(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    build([Document("a", "river", "en")], tmp_path / "i", encoder)
    with library.open(tmp_path / "i", encoder="xret-static", mode="lexical") as opened:
        assert opened.search("river", lang="en", mode="lexical")
        with pytest.raises(EncoderMismatchError, match="built by encoder"):
            opened.search("river", lang="en")
    with pytest.raises(EncoderMismatchError, match="built by encoder"):
        library.open(tmp_path / "i", encoder="xret-static")


def test_without_words_a_missing_encoder_is_told_at_once(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    build([Document("a", "river", "en")], tmp_path / "i", encoder, lexical=False)
    with pytest.raises(UnknownModelError, match="hashing"):
        library.open(tmp_path / "i")
