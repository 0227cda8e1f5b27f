"""A MaxSim score as a sum over words, against the sum by hand."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from xret.errors import DimensionMismatchError
from xret.index.scoring.maxsim import maxsim_scores
from xret.retriever.encoder import PlacedVectors, PlacingEncoder
from xret.retriever.explanation import ExplainedText, Explanation, explain_maxsim
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, FloatArray, Query

ENGLISH, FRENCH = ExplainedText("en"), ExplainedText("fr", title="Mer", start=100)


@cache
def opened(name: str) -> object:
    return load_encoder(name)


def axes(*numbers: int, dim: int = 6) -> FloatArray:
    return np.eye(dim, dtype=np.float32)[list(numbers)]


def explained(query: PlacedVectors, document: PlacedVectors) -> Explanation:
    return explain_maxsim(query, document, asked=ENGLISH, answer=FRENCH)


def sums_agree(found: Explanation) -> None:
    for parts in (found.query, found.document, found.pairs):
        assert sum(part.contribution for part in parts) == pytest.approx(found.score, abs=1e-5)


def test_each_word_of_the_query_is_joined_to_the_nearest_of_the_document() -> None:
    vectors = axes(0, 1, 1) * np.array([[1.0], [0.5], [0.25]], np.float32)
    query = PlacedVectors("warm sea", vectors, [[(0, 4)], [(5, 7)], [(7, 8)]])
    text = "Mer\nmer chaude"
    document = PlacedVectors(text, axes(1, 0, 3), [[(4, 7)], [(8, 14)], []])
    found = explained(query, document)
    assert found.score == 1.75
    assert [(w.text, w.contribution) for w in found.query] == [("warm", 1.0), ("sea", 0.75)]
    words = [(w.text, w.part, w.start, w.end, w.contribution, w.read) for w in found.document]
    assert words == [
        ("Mer", "title", 0, 3, 0.0, False),
        ("mer", "text", 100, 103, 0.75, True),
        ("chaude", "text", 104, 110, 1.0, True),
        ("", "marks", 0, 0, 0.0, True),
    ]
    pairs = [(p.query, p.document, p.similarity, p.contribution) for p in found.pairs]
    assert pairs == [(0, 2, 1.0, 1.0), (1, 1, 1.0, 0.75)]
    assert found.similarities == [[0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]]
    assert found.aligned() == [2, 1]
    brief = found.brief()
    assert [w.text for w in brief.document] == ["mer", "chaude"] and not brief.similarities
    assert [(p.query, p.document) for p in brief.pairs] == [(0, 1), (1, 0)]
    sums_agree(brief)


def test_a_vector_of_a_word_that_is_there_twice_is_shared_by_both_places() -> None:
    query = PlacedVectors("sea, sea", axes(1), [[(0, 3), (5, 8)]])
    document = PlacedVectors("Mer\nmer, mer", axes(1), [[(4, 7), (9, 12)]])
    found = explained(query, document)
    assert [w.contribution for w in found.query] == [0.5, 0.0, 0.5]
    assert [w.contribution for w in found.document] == [0.0, 0.5, 0.0, 0.5]
    assert len(found.pairs) == 4 and {p.contribution for p in found.pairs} == {0.25}
    sums_agree(found)


def test_marks_carry_their_part_and_are_not_aligned() -> None:
    query = PlacedVectors("sea", axes(1, 2), [[(0, 3)], []])
    document = PlacedVectors("Mer\neau", axes(1, 3, 2), [[], [(4, 7)], []])
    found = explained(query, document)
    assert found.document[-1].part == "marks" and found.document[-1].contribution == 2.0
    assert found.query[-1].part == "marks" and found.query[-1].contribution == 1.0
    assert found.aligned()[0] == 1
    sums_agree(found)


def test_equally_near_vectors_the_first_counts_and_unlike_ones_count_against() -> None:
    query = PlacedVectors("a b", np.concatenate([axes(0), -axes(1)]), [[(0, 1)], [(2, 3)]])
    document = PlacedVectors(
        "x y", np.concatenate([axes(0), axes(0)]) + axes(1), [[(0, 1)], [(2, 3)]]
    )
    found = explain_maxsim(query, document, asked=ENGLISH, answer=ENGLISH)
    assert [w.contribution for w in found.document] == [0.0, 0.0]
    assert [(p.query, p.document, p.contribution) for p in found.pairs] == [
        (0, 0, 1.0),
        (1, 0, -1.0),
    ]
    sums_agree(found)


def test_other_dimensions_are_refused() -> None:
    wide = PlacedVectors("a", axes(0, dim=7), [[(0, 1)]])
    with pytest.raises(DimensionMismatchError, match="7 dimensions, the document 6"):
        explained(wide, PlacedVectors("a", axes(0), [[(0, 1)]]))


@pytest.mark.parametrize("name", ["xret-static", "xret-modular"])
@pytest.mark.parametrize(
    ("lang", "text", "gold"),
    [
        ("zh", "珊瑚礁正在变暖，鱼类离开了。", {"reefs": "礁", "fish": "鱼"}),
        ("ar", "الشعاب المرجانية تسخن والأسماك تغادر.", {"fish": "والأسماك"}),
        ("th", "แนวปะการังกำลังร้อนขึ้นและปลากำลังจากไป", {"fish": "ปลา"}),
        ("ru", "Коралловые рифы нагреваются, и рыба уходит.", {"Coral": "Коралловые"}),
        ("de", "Die Korallenriffe erwärmen sich und die Fische ziehen fort.", {"fish": "Fische"}),
    ],
)
def test_words_meet_their_translations_in_other_scripts(
    name: str, lang: str, text: str, gold: dict[str, str]
) -> None:
    encoder = opened(name)
    assert isinstance(encoder, PlacingEncoder)
    query = encoder.placed_query(Query("", "Coral reefs are warming and fish leave", "en"))
    document = encoder.placed_document(Document("1", text, lang))
    assert query is not None and document is not None
    found = explain_maxsim(query, document, asked=ENGLISH, answer=ExplainedText(lang))
    offsets = np.array([0, len(document.vectors)])
    exact = float(maxsim_scores(query.vectors, document.vectors, offsets)[0])
    assert found.score == pytest.approx(exact, abs=1e-5)
    sums_agree(found)
    aligned = dict(zip((word.text for word in found.query), found.aligned(), strict=True))
    for word, translation in gold.items() if name == "xret-modular" else ():
        place = aligned[word]
        assert place is not None and translation in found.document[place].text


@pytest.mark.parametrize("name", ["xret-static", "xret-modular"])
def test_no_heavy_library_is_needed_to_explain(name: str) -> None:
    program = (
        "import sys\n"
        "from xret.retriever.explaining import document_explained\n"
        "from xret.retriever.opening.encoder import load_encoder\n"
        "from xret.types import Document, Query\n"
        f"encoder = load_encoder({name!r})\n"
        "assert encoder.placed_query(Query('', 'coral', 'en')).places\n"
        "assert encoder.placed_document(Document('1', 'récifs', 'fr')).places\n"
        "print(sorted({'torch', 'transformers', 'onnxruntime', 'scipy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
