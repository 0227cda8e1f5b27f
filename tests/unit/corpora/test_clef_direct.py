"""CLEF's newspapers as DIRECT keeps them: a folder each, and a file of topics a language."""

from pathlib import Path

import pytest

from xret.errors import CorpusError
from xret.retriever.corpora.registry import open_corpus

TOPIC = """<topic><identifier>251-AH</identifier><title>{}</title>
<description>{}</description><narrative>No.</narrative></topic>"""
NEWS = {
    "LEMONDE1995/lm.xml": "<DOCNO>LEMONDE95-1</DOCNO><TITLE>Pain</TITLE><TEXT>Blé</TEXT>",
    "ATS1994/a.xml": "<DOCNO>ATS.940101.0001</DOCNO><TI>Sel</TI><LD>Mer</LD><TX>Lac</TX>",
    "PUBLICO1994/p.sgml": "<DOCNO>PUBLICO-1</DOCNO><DATE>1994</DATE><TEXT>Pão\nMar.</TEXT>",
    "MAGYAR2002/m.xml": "<docno>MH-1</docno><cim>Kenyér</cim><szoveg>Só</szoveg>",
    "SEGA2002/s.xml": "<DOCNO>SEGA-1</DOCNO><TITLE>Хляб</TITLE><TEXT>Сол</TEXT>",
}


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in NEWS.items():
        path = tmp_path / "DOCUMENTS" / name
        path.parent.mkdir(parents=True)
        latin = name.startswith(("LEMONDE", "PUBLICO"))
        path.write_text(f"<DOC>{text}</DOC>", encoding="iso-8859-1" if latin else "utf-8")
    for lang, words in (("hu", ("Gyógyászat", "Keressünk.")), ("bg", ("Медицина", "Намерете."))):
        path = tmp_path / f"topics/{lang}_topics.xml"
        path.parent.mkdir(exist_ok=True)
        xml = '<?xml version="1.0" encoding="UTF-8"?>\n<topics>'
        path.write_text(f"{xml}{TOPIC.format(*words)}</topics>", encoding="utf-8")
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/fr_qrels.txt").write_text(
        "251-AH 0 LEMONDE95-1 1\n251-AH 0 ATS.940101.0001 0\n"
    )
    monkeypatch.setenv("CLEF_DIRECT_HOME", str(tmp_path))
    return tmp_path


def read(lang: str) -> list[tuple[str, str, str]]:
    corpus = open_corpus("clef-direct", doc_langs=[lang])
    rejected: list[object] = []
    found = [(d.doc_id, d.title, d.text) for d in corpus.documents(on_reject=rejected.append)]
    assert not rejected
    return found


@pytest.mark.usefixtures("archive")
def test_each_newspaper_is_read_by_its_tags_and_in_its_encoding() -> None:
    assert read("fr") == [("LEMONDE95-1", "Pain", "Blé"), ("ATS.940101.0001", "Sel", "Mer Lac")]
    assert read("pt") == [("PUBLICO-1", "", "Pão Mar.")]
    assert read("bg") == [("SEGA-1", "Хляб", "Сол")]
    assert read("hu") == [("MH-1", "", "Kenyér Só")]


@pytest.mark.usefixtures("archive")
def test_topics_of_any_language_are_judged_by_the_documents_language() -> None:
    corpus = open_corpus("clef-direct", doc_langs=["fr"], query_langs=["hu", "bg"])
    assert {(q.query_id, q.text, q.lang) for q in corpus.queries()} == {
        ("251-AH:hu", "Gyógyászat Keressünk.", "hu"),
        ("251-AH:bg", "Медицина Намерете.", "bg"),
    }
    assert corpus.qrels()["251-AH:bg"] == {"LEMONDE95-1": 1, "ATS.940101.0001": 0}


def test_what_is_missing_is_named(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CorpusError, match="no folder called TT1994 or TT1995"):
        read("sv")
    with pytest.raises(CorpusError, match=r"has no hu_qrels\.txt"):
        open_corpus("clef-direct", doc_langs=["hu"], query_langs=["hu"]).qrels()
    monkeypatch.setenv("CLEF_DIRECT_HOME", str(archive / "none"))
    with pytest.raises(CorpusError, match=r"folder of your own.*set CLEF_DIRECT_HOME"):
        read("fr")
