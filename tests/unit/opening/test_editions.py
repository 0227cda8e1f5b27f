"""A model in the package was put in the place of an earlier edition: the indices of that one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from conftest import build
from tiny_int8 import tiny_encoder
from tiny_word_models import SENTENCES, tiny_word_model

import xret
from xret.errors import EncoderMismatchError
from xret.retriever.models.registry import ENCODERS
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document

NAME = "xret-modular"
DOCUMENTS = [Document(lang, text, lang) for lang, text in SENTENCES.items() if lang != "zh-Hant"]
QUESTION = "coral reefs are warming"
TOLD = "built by the first edition of xret-modular"


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Indices `named`, `wordless` and `by-folder` by a word model, and another in its place."""
    folder = tiny_word_model(tmp_path / "first", compact=True)
    monkeypatch.setitem(ENCODERS, NAME, dataclasses.replace(ENCODERS[NAME], folder=folder))
    fingerprint = load_encoder(NAME).spec.fingerprint
    build(DOCUMENTS, tmp_path / "named", load_encoder(NAME))
    build(DOCUMENTS, tmp_path / "wordless", load_encoder(NAME), lexical=False)
    build(DOCUMENTS, tmp_path / "by-folder", load_encoder(str(folder)))
    second = tiny_encoder(tmp_path / "second", "xmod", head="tokens")
    row = dataclasses.replace(ENCODERS[NAME], folder=second, earlier={fingerprint: "first"})
    monkeypatch.setitem(ENCODERS, NAME, row)
    return folder


@pytest.mark.usefixtures("first")
def test_vectors_of_the_first_edition_are_never_scored_by_another(tmp_path: Path) -> None:
    with xret.open(tmp_path / "named") as index:
        assert index.search(QUESTION, lang="en", mode="lexical")[0].doc_id == "en"
        for mode in ("dense", "hybrid"):
            with pytest.raises(EncoderMismatchError, match=TOLD) as raised:
                index.search(QUESTION, lang="en", mode=mode)
        with pytest.raises(EncoderMismatchError, match=TOLD):
            index.add(DOCUMENTS)
    said = str(raised.value)
    for way_out in ("xret index --corpus CORPUS", "--encoder FOLDER", "--mode lexical"):
        assert way_out in said
    with pytest.raises(EncoderMismatchError, match=TOLD):
        xret.open(tmp_path / "named", encoder=NAME)
    with pytest.raises(EncoderMismatchError, match=TOLD) as raised:
        xret.open(tmp_path / "wordless")
    assert "lexical" not in str(raised.value)


def test_the_first_edition_s_folder_searches_it_where_it_is_at_hand(
    first: Path, tmp_path: Path
) -> None:
    by_name = xret.open(tmp_path / "named", encoder=str(first))
    recorded = xret.open(tmp_path / "by-folder")
    with by_name, recorded:
        hits = [
            [(hit.doc_id, hit.score) for hit in index.search(QUESTION, lang="en")]
            for index in (by_name, recorded)
        ]
    assert hits[0] == hits[1]
    assert {doc_id for doc_id, _ in hits[0]} == {"en", "fr", "sw"}


def test_a_build_that_would_add_to_it_is_refused_and_its_folder_adds(
    first: Path, tmp_path: Path
) -> None:
    (tmp_path / "more.tsv").write_text("new\ta lake has no tide\n", encoding="utf-8")
    for encoder in (None, NAME):
        with pytest.raises(EncoderMismatchError, match=TOLD):
            xret.build(tmp_path / "more.tsv", tmp_path / "named", encoder=encoder, doc_lang="en")
    report = xret.build(
        tmp_path / "more.tsv", tmp_path / "named", encoder=str(first), doc_lang="en"
    )
    assert (report.documents, report.added) == (4, 1)
