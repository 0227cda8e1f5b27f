"""Word alignment against the plain loops, and tables trained from parallel text."""

import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma
from tiny_translation import write_parallel

from xret.errors import TrainingError
from xret.retriever.training.translation import alignment
from xret.retriever.training.translation.alignment import SentencePairs, aligned_words
from xret.retriever.training.translation.settings import TranslationTraining
from xret.retriever.training.translation.translation_table import train_translation_table
from xret.retriever.translation.table import TABLE_FILE, TranslationTable

Pairs = list[tuple[list[int], list[int]]]
TEXTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 4), min_size=1, max_size=4),
        st.lists(st.integers(0, 4), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=6,
)


def plain_direction(pairs: Pairs, weights: list[float], rounds: int) -> list[float]:
    """Believed links, text by text, left word by left word, of right words from left ones."""
    table = {(left, right): 1.0 for lefts, rights in pairs for left in lefts for right in rights}
    kinds = defaultdict(set)
    for left, right in table:
        kinds[left].add(right)
    table = {(left, right): 1 / len(kinds[left]) for left, right in table}
    none: dict[int, float] = defaultdict(float)
    for (_, rights), weight in zip(pairs, weights, strict=True):
        for right in rights:
            none[right] += weight / sum(
                w * len(r) for (_, r), w in zip(pairs, weights, strict=True)
            )
    for turn in range(rounds + 1):
        believed, counts, nothing = [], defaultdict(float), defaultdict(float)
        for (lefts, rights), weight in zip(pairs, weights, strict=True):
            n, m = len(lefts), len(rights)
            near = [
                [math.exp(-4 * abs((i + 0.5) / n - (j + 0.5) / m)) for i in range(n)]
                for j in range(m)
            ]
            shares = [[0.0] * m for _ in range(n)]
            for j, right in enumerate(rights):
                odds = [
                    0.92 * near[j][i] / sum(near[j]) * table[left, right]
                    for i, left in enumerate(lefts)
                ]
                total = sum(odds) + 0.08 * none[right]
                nothing[right] += weight * 0.08 * none[right] / total
                for i, left in enumerate(lefts):
                    shares[i][j] = odds[i] / total
                    counts[left, right] += weight * shares[i][j]
            believed += [share for row in shares for share in row]
        if turn < rounds:
            whole = {left: sum(counts[left, right] for right in kinds[left]) for left in kinds}
            table = {
                (left, right): math.exp(
                    digamma(max(count + 0.01, 1e-10))
                    - digamma(whole[left] + 0.01 * len(kinds[left]))
                )
                for (left, right), count in counts.items()
            }
            none = {right: value / sum(nothing.values()) for right, value in nothing.items()}
    return believed


@settings(deadline=None, max_examples=40)
@given(TEXTS, st.integers(0, 3))
def test_links_are_those_of_the_plain_loops(pairs: Pairs, rounds: int) -> None:
    weights = [1.0 + 0.5 * (i % 3) for i in range(len(pairs))]
    links = aligned_words(SentencePairs.of(pairs, weights), iterations=rounds)
    forward = plain_direction(pairs, weights, rounds)
    turned = plain_direction([(right, left) for left, right in pairs], weights, rounds)
    expected: dict[tuple[int, int], float] = defaultdict(float)
    start = 0
    for (lefts, rights), weight in zip(pairs, weights, strict=True):
        n, m = len(lefts), len(rights)
        one = np.array(forward[start : start + n * m]).reshape(n, m)
        other = np.array(turned[start : start + n * m]).reshape(m, n).T
        start += n * m
        for i, left in enumerate(lefts):
            for j, right in enumerate(rights):
                expected[left, right] += weight * math.sqrt(one[i, j] * other[i, j])
    found = dict(
        zip(zip(links.left.tolist(), links.right.tolist(), strict=True), links.counts, strict=True)
    )
    assert found.keys() == expected.keys()
    for pair, count in expected.items():
        assert found[pair] == pytest.approx(count, rel=1e-4, abs=1e-6)


def test_blocks_of_links_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = np.random.default_rng(0)
    texts = [
        (drawing.integers(0, 9, 5).tolist(), drawing.integers(0, 9, 4).tolist()) for _ in range(30)
    ]
    pairs = SentencePairs.of(texts, [1.0] * 30)
    whole = aligned_words(pairs)
    monkeypatch.setattr(alignment, "BLOCK_LINKS", 7)
    np.testing.assert_array_equal(aligned_words(pairs).counts, whole.counts)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_parallel(tmp_path / "data")


def test_words_of_parallel_text_are_learnt(data: Path, tmp_path: Path) -> None:
    facts = train_translation_table(
        data, tmp_path / "table", settings=TranslationTraining(languages=("de",))
    )
    german = TranslationTable.open(tmp_path / "table").language("de")
    assert german is not None
    for word, english in {"fluss": "river", "hund": "dog", "wald": "forest"}.items():
        (first, share), *_ = german.translations(word) or [("", 0.0)]
        assert (first, share > 0.8) == (english, True)
    assert german.translations("gletsch") == (("glacier", 1.0),)
    assert german.translations("paris") is None, "a name that stays as it is needs no row"
    assert german.translations("die") == (), "stop words are asked by nobody"
    assert facts.sources == {"tico19_health": 49, "words": 2}
    card = (tmp_path / "table" / "README.md").read_text(encoding="utf-8")
    assert "| tico19_health | 49 | CC0 1.0 |" in card
    assert "not recorded for all of them" in card, "nobody knows the licence of `words`"


def test_evaluation_text_is_kept_out(data: Path, tmp_path: Path) -> None:
    (data / "eval" / "set").mkdir(parents=True)
    record = {"text": "the secret evaluation text", "lang": "en"}
    (data / "eval" / "set" / "queries.jsonl").write_text(json.dumps(record) + "\n")
    facts = train_translation_table(
        data, tmp_path / "table", settings=TranslationTraining(languages=("de",))
    )
    assert facts.overlapping == {"tico19_health": 1}
    german = TranslationTable.open(tmp_path / "table").language("de")
    assert german is not None and german.translations("geheim") is None


def test_equal_text_gives_equal_bytes(data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train_translation_table(
            data, tmp_path / name, settings=TranslationTraining(languages=("de",), sentences=20)
        )
    one, other = (tmp_path / name / TABLE_FILE for name in ("a", "b"))
    assert one.read_bytes() == other.read_bytes()


def test_sources_and_languages_can_be_left_out(data: Path, tmp_path: Path) -> None:
    settings = TranslationTraining(languages=("de",), leave_out=("words:de",))
    facts = train_translation_table(data, tmp_path / "table", settings=settings)
    assert facts.sources == {"tico19_health": 49}
    with pytest.raises(TrainingError, match="no pair of English with"):
        train_translation_table(
            data, tmp_path / "none", settings=TranslationTraining(languages=("de", "fr"))
        )
    assert not (tmp_path / "none").exists()
