"""CLEF out of the licensed suite's folder, in both layouts that it is unpacked in."""

from pathlib import Path

import pytest

from xret.errors import CorpusError
from xret.retriever.corpora.registry import open_corpus

LATIMES = """<DOC>
<DOCNO> LA010194-0001 </DOCNO>
<DOCID> 000001 </DOCID>
<HEADLINE><P>RIVERS &amp; ROADS</P></HEADLINE>
<TEXT><P>A caf\xe9 by the river.</P>
<P>It rained.</P></TEXT>
</DOC>
<DOC><DOCNO>LA010194-0002</DOCNO><TEXT><P>Gold.</P></TEXT></DOC>
"""
HERALD = """<DOC><DOCNO>GH950102-000000</DOCNO><DOCID>GH950102-000000</DOCID>
<HEADLINE>Snow</HEADLINE><TEXT>Snow fell.</TEXT></DOC>"""
SDA = """<DOC><DOCNO>SDA.940101.0001</DOCNO><KW>Politik</KW><TI>Titel</TI><LD>Anfang</LD>
<TX>Erster</TX><TX>Zweiter</TX></DOC>"""
DUTCH = """<DOC><DOCNO>AD19940103-0001</DOCNO><BODY><TI><P>Kop</P></TI><LE><P>Begin</P></LE>
<TE><P>Tekst</P></TE></BODY></DOC>"""
LE_MONDE = """<DOC><DOCNO>LEMONDE94-000001-19940101</DOCNO><DOCID>000001</DOCID>
<DATE>19940101</DATE><TITLE>Le pain</TITLE><SUBJECTS>Pain</SUBJECTS><TEXT>Un caf\xe9.</TEXT></DOC>
"""
ATS = """<DOC><DOCNO>ATS.{}.0001</DOCNO><TI>Neige</TI><LD>Berne</LD><TX>Il neige.</TX></DOC>"""
EFE = """<DOC><DOCNO>EFE{}-00001</DOCNO><DATE>{}</DATE><CATEGORY>POL</CATEGORY><TITLE>PAN</TITLE>
<TEXT>El a\xf1o.</TEXT></DOC>"""
TT = """<DOC><DOCNO>TT9495-940106-140733</DOCNO><DATE>940106</DATE><RUBRIK>Is</RUBRIK>
<BROD>Sn\xf6 &amp; is.</BROD></DOC>"""
TOPICS = """<top>
<num> C141 </num>
<EN-title> Letter Bomb </EN-title>
<EN-desc> Find documents on the explosion
of a letter bomb. </EN-desc>
<EN-narr> Not this. </EN-narr>
</top>
<top><num> C142 </num><EN-title> Christo </EN-title><EN-desc> Art. </EN-desc></top>
"""


def put(path: Path, text: str, encoding: str = "iso-8859-1") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    collections = tmp_path / "DocumentData/DataCollections"
    put(collections / "English_data/LATimes94/la010194", LATIMES)
    put(collections / "English_data/LATimes94/latimes.dtd", "<!ELEMENT DOC>")
    put(collections / "English_data/GlasgowHerald95/GH95/950102.sgml", HERALD)
    put(collections / "German_data/sda_german/sda.940101", SDA)
    for name in ("der_spiegel", "fr_rundschau", "sda95"):
        (collections / "German_data" / name).mkdir(parents=True)
    put(collections / "Dutch_data/algemeen_dagblad/ad940103.sgml", DUTCH)
    (collections / "Dutch_data/nrc_handelsblad").mkdir()
    put(tmp_path / "Topics/topics2003/Top-en03.txt", TOPICS)
    russian = "<top><num>C142</num><RU-title>Христо</RU-title><RU-desc>Искусство</RU-desc></top>"
    put(tmp_path / "Topics/topics2003/Top-ru03.txt", russian, "utf-8")
    put(tmp_path / "Topics/topics2000/TOP-E.txt", "<top><num>C001<E-title>Gold\n<E-desc>It.</top>")
    judged = "141 0 LA010194-0001 1\n141 0 GH950102-000000 0\n142 0 LA010194-0002 1\n"
    put(tmp_path / "RelAssess/2003rels/qrels_english", judged)
    put(tmp_path / "RelAssess/2000rels/biling_qrels", "1 0 LA010194-0002 1\n")
    put(tmp_path / "RelAssess/2003rels/qrels_german", "141 0 SDA.940101.0001 1\n")
    put(tmp_path / "RelAssess/2003rels/qrels_dutch", "141 0 AD19940103-0001 1\n")
    monkeypatch.setenv("CLEF_HOME", str(tmp_path))
    return tmp_path


def documents(lang: str, split: str = "2003") -> list[tuple[str, str, str]]:
    corpus = open_corpus("clef", doc_langs=[lang], split=split)
    rejected: list[object] = []
    found = [(d.doc_id, d.title, d.text) for d in corpus.documents(on_reject=rejected.append)]
    assert not rejected
    return found


@pytest.mark.usefixtures("suite")
def test_newspapers_of_a_campaign_are_read_in_their_encoding() -> None:
    latimes = [
        ("LA010194-0001", "RIVERS & ROADS", "A café by the river. It rained."),
        ("LA010194-0002", "", "Gold."),
    ]
    assert documents("en") == [*latimes, ("GH950102-000000", "Snow", "Snow fell.")]
    assert documents("en", "2001") == latimes
    assert documents("de") == [("SDA.940101.0001", "Titel", "Anfang Erster Zweiter Politik")]
    assert documents("nl") == [("AD19940103-0001", "Kop", "Begin Tekst")]


def test_a_language_whose_folders_nobody_names_is_read_by_ids(suite: Path) -> None:
    french = suite / "DocumentData/DataCollections/French_data"
    put(french / "le_monde/lm94", LE_MONDE)
    for day in ("940101", "950101"):
        put(french / f"sda/ats.{day}", ATS.format(day))
    for day in ("19940101", "19950101"):
        put(french.parent / f"Spanish_data/efe/{day}.sgml", EFE.format(day, day))
    put(french.parent / "Swedish_data/tt/tt94", TT, "utf-8")
    monde = ("LEMONDE94-000001-19940101", "Le pain", "Un café.")
    agency = [(f"ATS.{day}.0001", "Neige", "Berne Il neige.") for day in ("940101", "950101")]
    assert documents("fr") == [monde, *agency]
    assert documents("fr", "2002") == [monde, agency[0]]
    assert documents("fr", "2000") == [monde]
    assert documents("es", "2002") == [("EFE19940101-00001", "PAN", "El año.")]
    assert [doc_id for doc_id, *_ in documents("es")] == [f"EFE199{n}0101-00001" for n in (4, 5)]
    assert documents("sv") == [("TT9495-940106-140733", "", "Is Snö & is.")]


@pytest.mark.usefixtures("suite")
def test_topics_are_joined_with_judgements_by_their_numbers() -> None:
    corpus = open_corpus("clef", doc_langs=["en"])
    assert [(q.query_id, q.text, q.lang) for q in corpus.queries()] == [
        ("141", "Letter Bomb Find documents on the explosion of a letter bomb.", "en"),
        ("142", "Christo Art.", "en"),
    ]
    assert corpus.qrels()["141"] == {"LA010194-0001": 1, "GH950102-000000": 0}
    russian = open_corpus("clef", doc_langs=["en"], query_langs=["ru"])
    assert [(q.query_id, q.text) for q in russian.queries()] == [("142", "Христо Искусство")]
    early = open_corpus("clef", doc_langs=["en"], split="2000")
    assert [(q.query_id, q.text) for q in early.queries()] == [("1", "Gold It.")]


def test_the_other_layout_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "DocumentData/english/latimes/la", LATIMES)
    put(tmp_path / "DocumentData/dutch/all/ad", DUTCH)
    put(tmp_path / "DocumentData/italian/all/wrong", HERALD)
    put(tmp_path / "Topics/2002/Top-en02.txt", TOPICS)
    put(tmp_path / "RelAssess/2002/qrels_english", "141 0 LA010194-0001 1\n")
    monkeypatch.setenv("CLEF_HOME", str(tmp_path))
    assert [doc_id for doc_id, *_ in documents("en", "2002")] == ["LA010194-0001", "LA010194-0002"]
    assert [doc_id for doc_id, *_ in documents("nl", "2002")] == ["AD19940103-0001"]
    corpus = open_corpus("clef", doc_langs=["en"], split="2002")
    assert [query.query_id for query in corpus.queries()] == ["141"]


@pytest.mark.usefixtures("suite")
def test_what_is_not_there_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError, match="no folder called la_stampa below italian"):
        documents("it")
    with pytest.raises(CorpusError, match="no folder called french"):
        documents("fr")
    with pytest.raises(CorpusError, match="clef 2001 has no documents in fi here"):
        open_corpus("clef", doc_langs=["fi"], split="2001")
    with pytest.raises(CorpusError, match=r"Topics has none of topics2001/Top-en01\.txt"):
        open_corpus("clef", doc_langs=["en"], query_langs=["en"], split="2001").qrels()
    monkeypatch.setenv("CLEF_HOME", str(tmp_path / "no"))
    with pytest.raises(CorpusError, match="has no folder DocumentData"):
        documents("en")
    monkeypatch.delenv("CLEF_HOME")
    with pytest.raises(CorpusError, match=r"licensed by ELRA.*set CLEF_HOME"):
        documents("en")


@pytest.mark.usefixtures("suite")
def test_milq_asks_mixed_queries_over_the_same_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "milq"
    monkeypatch.setenv("MILQ_HOME", str(folder))
    with pytest.raises(CorpusError, match="MILQ_HOME"):
        open_corpus("milq", doc_langs=["en"], query_langs=["sw"]).queries()
    put(folder / "clef/english_swahili_2000-2003_queries_title.tsv", "141\tletter\n", "utf-8")
    mixed = "1\tdhahabu of gold\n141\tbomu la letter\n142\tChristo sanaa\n"
    put(folder / "clef/english_swahili_2000-2003_queries_concat.tsv", mixed, "utf-8")
    corpus = open_corpus("milq", doc_langs=["en"], query_langs=["sw"])
    assert [(q.query_id, q.text, q.lang) for q in corpus.queries()] == [
        ("141", "bomu la letter", "sw"),
        ("142", "Christo sanaa", "sw"),
    ]
    assert corpus.qrels()["142"] == {"LA010194-0002": 1}
    early = open_corpus("milq", doc_langs=["en"], query_langs=["sw"], split="2000")
    assert [q.text for q in early.queries()] == ["dhahabu of gold"]
    with pytest.raises(CorpusError, match="no queries that mix English and so"):
        open_corpus("milq", doc_langs=["en"], query_langs=["so"]).queries()
    with pytest.raises(CorpusError, match="several mixtures"):
        open_corpus("milq", doc_langs=["en"], query_langs=["sw", "so"])
    with pytest.raises(CorpusError, match="no pair"):
        open_corpus("milq", doc_langs=["zh"], query_langs=["sw"])
