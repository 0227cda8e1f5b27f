"""Documents indexed as the words that would ask for them."""

import math
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from tiny_translation import write_tiny_table

from xret.errors import ConfigError, UnusableIndexError
from xret.index.search.calibration import background_scale
from xret.index.words.expected import UNIT
from xret.retriever.encoders.words_only import WordsOnly
from xret.retriever.searcher import Searcher
from xret.retriever.translation.psq import ExpectedTerms, expected_query
from xret.retriever.upkeep import compact_steps
from xret.server.indexes.documents import index_detail
from xret.types import Document, finished

DOCUMENTS = [
    Document("1", "Die Bank am Fluss", "de"),
    Document("2", "Fluss, Fluss, Fluss", "de"),
    Document("3", "река", "ru"),
    Document("4", "The Obama bench 1945", "en"),
    Document("5", "Obamas Mondlandschaft 1945", "de"),
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    write_tiny_table(tmp_path / "table")
    return tmp_path / "table"


def psq_index(folder: Path, table: Path, documents: list[Document] = DOCUMENTS) -> Searcher:
    build(documents, folder, WordsOnly(), psq=str(table))
    return Searcher.open(folder)


def test_expected_frequencies_are_sums_of_probabilities(table: Path) -> None:
    terms = ExpectedTerms(write_tiny_table(table)).of(DOCUMENTS[0])
    assert terms["river"] == UNIT
    assert terms["bank"] == round(0.6 * UNIT)
    assert terms["bench"] == round(0.4 * UNIT)
    assert "die" not in terms and "am" in terms


def test_unknown_words_and_numbers_are_read_as_english(table: Path) -> None:
    expected = ExpectedTerms(write_tiny_table(table))
    assert expected.of(DOCUMENTS[4]).keys() == {"obama", "moon", "landscap", "1945"}
    assert expected.of(DOCUMENTS[3])["bench"] == UNIT
    finnish = expected.of(Document("x", "obama fi", "fi"))
    assert finnish == {"obama": UNIT, "obam": UNIT, "fi": UNIT}  # as both languages write it


def test_an_english_question_finds_documents_in_other_languages(
    tmp_path: Path, table: Path
) -> None:
    with psq_index(tmp_path / "index", table) as searcher:
        hits = searcher.search("river", lang="en", k=5)
    assert [hit.id for hit in hits] == ["2", "3", "1"]
    with psq_index(tmp_path / "index", table) as searcher:
        (hit,) = searcher.search("river", lang="en", doc_langs=["ru"])
        lengths = [3.0, 4.0, 1.0, 4.0, 4.0]  # `die` is nothing; of the others each word is one
        share = int(0.8 * 255) / 255 * UNIT
        mean = sum([round(3 * UNIT), 3 * UNIT, UNIT, 4 * UNIT, 4 * UNIT]) / 5
        count, having = round(share) / UNIT, 2 + round(share) / UNIT
        idf = math.log1p((5 - having + 0.5) / (having + 0.5))
        norm = 0.9 * (0.6 + 0.4 * (lengths[2] * UNIT) / mean)
    assert hit.score == pytest.approx(idf * count / (count + norm), rel=2e-2)


def test_documents_added_later_are_translated_by_the_same_table(
    tmp_path: Path, table: Path
) -> None:
    whole = psq_index(tmp_path / "whole", table)
    parts = psq_index(tmp_path / "parts", table, DOCUMENTS[:2])
    parts.add(DOCUMENTS[2:])
    expected = [(hit.id, hit.score) for hit in whole.search("river bench", lang="en")]
    assert [(hit.id, hit.score) for hit in parts.search("river bench", lang="en")] == expected
    assert len(expected) == 4
    whole.close()
    parts.close()


def test_deleted_documents_count_no_more_and_compaction_changes_nothing(
    tmp_path: Path, table: Path
) -> None:
    with psq_index(tmp_path / "few", table, [DOCUMENTS[0], DOCUMENTS[3]]) as few:
        expected = [(hit.id, hit.score) for hit in few.search("bench bank", lang="en")]
    with psq_index(tmp_path / "index", table) as searcher:
        with searcher.writer() as writer:
            writer.delete(["2", "3", "5"])
        found = [(hit.id, hit.score) for hit in searcher.search("bench bank", lang="en")]
        assert found == expected
    finished(compact_steps)(tmp_path / "index")
    with Searcher.open(tmp_path / "index") as searcher:
        found = [(hit.id, hit.score) for hit in searcher.search("bench bank", lang="en")]
    assert found == expected


def test_a_question_in_another_language_is_translated(tmp_path: Path, table: Path) -> None:
    with psq_index(tmp_path / "index", table) as searcher:
        hits = searcher.search("Fluss", lang="de", k=5)
        asked = [(hit.id, hit.score) for hit in searcher.search("river", lang="en", k=5)]
        other = searcher.search("Obama", lang="fi")
    assert [(hit.id, hit.score) for hit in hits] == asked
    assert {hit.id for hit in other} == {"4", "5"}


def test_a_word_of_several_meanings_asks_for_each_as_far_as_it_is_likely(table: Path) -> None:
    opened = write_tiny_table(table)
    assert expected_query("Bank", "de", opened) == pytest.approx(
        {"bank": int(0.6 * 255) / 255, "bench": int(0.4 * 255) / 255}, abs=0.01
    )
    assert expected_query("die Bank", "de", opened) == expected_query("Bank", "de", opened)
    assert expected_query("am", "de", opened) == {"am": 1.0}


def test_a_lost_table_is_missed_only_by_questions_that_need_it(tmp_path: Path, table: Path) -> None:
    from xret.retriever.opening.encoder import load_encoder

    build(DOCUMENTS, tmp_path / "index", load_encoder("xret-static"), psq=str(table))
    (table / "table.safetensors").unlink()
    with Searcher.open(tmp_path / "index") as searcher:
        assert searcher.answer("river", lang="en").warnings == []
        answer = searcher.answer("Fluss", lang="de")
        dense = searcher.answer("Fluss", lang="de", mode="dense")
        with pytest.raises(UnusableIndexError, match="cannot be translated"):
            searcher.search("Fluss", lang="de", mode="hybrid")
    assert [hit.id for hit in answer.hits] == [hit.id for hit in dense.hits]
    assert any("vectors alone" in warning for warning in answer.warnings)


def test_explanations_name_the_words_that_were_asked(tmp_path: Path, table: Path) -> None:
    with psq_index(tmp_path / "index", table) as searcher:
        explained = searcher.explain("1", "river", lang="en")
    (explanation,) = explained.explanations
    assert explanation.indexed_score and explanation.indexed_score > 0


def test_another_table_is_refused_when_documents_are_added(tmp_path: Path, table: Path) -> None:
    with psq_index(tmp_path / "index", table, DOCUMENTS[:1]) as searcher:
        assert searcher.search("river", lang="en")
        content = (table / "table.safetensors").read_bytes()
        (table / "table.safetensors").write_bytes(content.replace(b"river", b"rival"))
        with pytest.raises(UnusableIndexError, match="put the former one back"):
            searcher.add(DOCUMENTS[1:])


def test_an_index_with_its_own_words_is_not_translated_later(tmp_path: Path, table: Path) -> None:
    build(DOCUMENTS[:1], tmp_path / "index", WordsOnly())
    with pytest.raises(ConfigError, match="leave --psq away"):
        build(DOCUMENTS, tmp_path / "index", WordsOnly(), psq=str(table))
    with pytest.raises(ConfigError, match="--no-lexical"):
        build(DOCUMENTS, tmp_path / "other", WordsOnly(), psq=str(table), lexical=False)


def test_hybrid_search_joins_vectors_and_translated_words(tmp_path: Path, table: Path) -> None:
    from xret.retriever.opening.encoder import load_encoder

    build(DOCUMENTS, tmp_path / "index", load_encoder("xret-static"), psq=str(table))
    with Searcher.open(tmp_path / "index") as searcher:
        words = searcher.search("bench", lang="en", mode="lexical")
        joined = searcher.search("bench", lang="en", mode="hybrid")
        dense = searcher.search("bench", lang="en", mode="dense")
    assert {hit.id for hit in words} == {"1", "4"}
    assert {hit.id for hit in joined} == {hit.id for hit in dense}
    assert {hit.id for hit in joined[:2]} == {"1", "4"}


def test_vectors_and_translated_words_together_are_the_usual_mode(
    tmp_path: Path, table: Path
) -> None:
    from xret.retriever.opening.encoder import load_encoder

    own = Document("6", "Pankki on joella", "fi")
    build([*DOCUMENTS, own], tmp_path / "index", load_encoder("xret-static"), psq=str(table))
    with Searcher.open(tmp_path / "index") as searcher:
        usual = searcher.search("bench", lang="en")
        assert index_detail("index", searcher).modes == ["hybrid", "dense", "lexical"]
        joined = searcher.search("bench", lang="en", mode="hybrid")
        dense = searcher.search("bench", lang="en", mode="dense")
    assert [hit.id for hit in usual] == [hit.id for hit in joined]
    # The table has no Finnish: such a document keeps the place that its vectors gave it.
    place = [hit.id for hit in dense].index("6")
    assert [hit.id for hit in usual].index("6") == place


def mixed_documents() -> list[Document]:
    german = [Document(f"de{i}", "Fluss " * (i % 4) + f"Bank w{i}", "de") for i in range(12)]
    russian = [Document(f"ru{i}", "река " * (i % 3) + f"x{i}", "ru") for i in range(9)]
    english = [Document(f"en{i}", "river bank " * (1 + i % 3) + f"y{i}", "en") for i in range(15)]
    return [*german, *russian, *english]


def test_lists_by_translated_words_are_calibrated_between_languages(
    tmp_path: Path, table: Path
) -> None:
    documents = mixed_documents()
    lang_of = {document.doc_id: document.lang for document in documents}
    with psq_index(tmp_path / "index", table, documents) as searcher:
        raw = {
            hit.id: hit.score for hit in searcher.search("river", lang="en", k=50, calibrate="off")
        }
        hits = searcher.search("river", lang="en", k=50)
        german = [
            searcher.search("river", lang="en", k=50, doc_langs=["de"], calibrate=how)
            for how in ("off", "z")
        ]
        later = searcher.search("river", lang="en", k=50, filter="lang:de,ru")
    langs = sorted(set(lang_of.values()))
    scores = np.array([raw.get(name, 0.0) for name in lang_of])
    owners = np.array([langs.index(lang) for lang in lang_of.values()])
    scale = background_scale(scores, owners, len(langs))
    for hit in hits:
        place = langs.index(lang_of[hit.id])
        expected = (raw[hit.id] - scale.means[place]) / scale.spreads[place]
        assert hit.score == pytest.approx(expected, abs=1e-4)  # raw scores have six digits
        assert hit.raw_score == pytest.approx(raw[hit.id])
    assert {hit.id for hit in hits} == raw.keys()
    # A list of one language is as it was, bit for bit; a filter chooses, and leaves the order.
    assert [(h.id, h.score) for h in german[0]] == [(h.id, h.score) for h in german[1]]
    for lang in ("de", "ru"):
        own = [[hit.id for hit in found if lang_of[hit.id] == lang] for found in (hits, later)]
        assert own[0] == own[1]


def test_calibrated_words_are_the_same_in_any_number_of_segments(
    tmp_path: Path, table: Path
) -> None:
    documents = mixed_documents()
    with psq_index(tmp_path / "whole", table, documents) as whole:
        expected = [(hit.id, hit.score) for hit in whole.search("river bench", lang="en", k=50)]
    parts = psq_index(tmp_path / "parts", table, documents[:7])
    parts.add(documents[7:20])
    parts.add(documents[20:])
    assert [(hit.id, hit.score) for hit in parts.search("river bench", lang="en", k=50)] == expected
    parts.close()
