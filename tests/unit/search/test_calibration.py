"""Calibration between languages: its formula, its background, and every way through the index."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from xret import compact
from xret.index.coding.clustering import train_codec
from xret.index.coding.codec import ResidualCodec
from xret.index.search import listed, seen_queries
from xret.index.search.calibrating import Calibrator
from xret.index.search.calibration import Calibration, background_scale
from xret.index.search.commit import Commit
from xret.index.search.dense.dense_candidates import DenseCandidates
from xret.index.search.dense.dense_vectors import Int8Vectors
from xret.index.search.filters import Condition
from xret.index.search.languages import CommitLanguages, LanguageGroups, owners_of
from xret.index.search.listed import ListIndex
from xret.index.search.pseudo_questions import learn_offsets
from xret.index.search.ranking import best_documents
from xret.index.search.reader import IndexReader
from xret.index.search.seen_queries import KeptTables, SeenQueries, background_scores
from xret.index.storage.segment import Segment, quantize
from xret.index.writing.writer import IndexWriter
from xret.types import Document, Embeddings, EncoderSpec, FloatArray, Hit, SearchParams

DIM = 24
SPEC = EncoderSpec("test", "0" * 32, DIM, ("en",), language_adapters=False)
LANGS = ("de", "en", "sw")
OWN = np.eye(DIM, dtype="f4")[:3]
"""A direction for each language, in which its texts and questions lean."""

THEMES = np.random.default_rng(7).standard_normal((12, DIM)).astype("f4")


def texts(
    rng: np.random.Generator, lang: int, n: int, *, single: bool = False
) -> tuple[FloatArray, list[int]]:
    """Vectors of n texts that share a theme or a little noise, and lean towards their language."""
    sizes = [1] * n if single else rng.integers(2, 7, n).tolist()
    themes = np.repeat(rng.integers(0, 12, n), sizes)
    values = THEMES[themes] + 0.9 * rng.standard_normal((sum(sizes), DIM)) + 2.5 * OWN[lang]
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype("f4"), sizes


def embeddings(parts: list[tuple[FloatArray, list[int]]]) -> Embeddings:
    sizes = [size for _, of_part in parts for size in of_part]
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Embeddings(np.concatenate([values for values, _ in parts]), offsets)


def written(
    folder: Path, counts: dict[str, int], *, single: bool = False, seed: int = 0
) -> dict[str, str]:
    """An index with so many documents of each language; their languages by id."""
    rng = np.random.default_rng(seed)
    documents, parts = [], []
    for lang, n in counts.items():
        parts.append(texts(rng, LANGS.index(lang), n, single=single))
        documents += [Document(f"{lang}{i:04d}", f"text {i} of {lang}", lang) for i in range(n)]
    with IndexWriter.open(folder, SPEC) as writer:
        writer.add(documents, embeddings(parts))
    return {document.doc_id: document.lang for document in documents}


def questions(n: int, lang: int = 1, *, single: bool = False) -> Embeddings:
    return embeddings([texts(np.random.default_rng(99), lang, n, single=single)])


def calibrated(hits: list[Hit], lang_of: dict[str, str]) -> dict[str, list[str]]:
    return {lang: [h.doc_id for h in hits if lang_of[h.doc_id] == lang] for lang in LANGS}


# --- the formula ---


def test_scale_is_the_mean_and_the_upper_fourth_moment_of_each_language() -> None:
    rng = np.random.default_rng(1)
    scores, owners = rng.normal(5, 2, 3 * 256), np.repeat([0, 1, 2], 256)
    scale = background_scale(scores, owners, 3)
    for number in range(3):
        own = scores[owners == number].tolist()
        mean = sum(own) / len(own)
        fourth = sum(max(x - mean, 0) ** 4 for x in own) / len(own)
        assert scale.means[number] == pytest.approx(mean)
        assert scale.spreads[number] == pytest.approx((fourth * 2 / 3) ** 0.25)
    assert scale.spreads == pytest.approx([2] * 3, rel=0.15)  # of normal scores, the deviation
    order = rng.permutation(len(scores))
    again = background_scale(scores[order], owners[order], 3)
    assert again.means.tolist() == scale.means.tolist()
    assert again.spreads.tolist() == scale.spreads.tolist()


def test_a_language_without_documents_borrows_all_and_one_with_few_some() -> None:
    rng = np.random.default_rng(2)
    many = rng.normal(4, 1, 256)
    few = np.full(4, 40.0)
    scores = np.concatenate([many, few])
    scale = background_scale(scores, np.array([0] * 256 + [1] * 4), 3)
    assert scale.means[2] == pytest.approx((scale.means[0] + scale.means[1]) / 2, abs=20)
    assert scale.means[0] == pytest.approx(many.mean())
    assert many.mean() < scale.means[1] < 40
    assert (scale.spreads > 0).all()


def test_scores_that_are_all_equal_stay_finite() -> None:
    scale = background_scale(np.ones(20), np.repeat([0, 1], 10), 2)
    assert scale.of(np.ones(2, np.float32), np.array([0, 1])).tolist() == [0, 0]


def test_scores_of_one_language_keep_their_order_to_the_last_bit() -> None:
    scores = np.nextafter(np.float32(7.3), np.float32(8), dtype=np.float32)
    close = np.array([np.float32(7.3), scores], np.float32)
    scale = background_scale(np.array([1.0, 9.0, 3.0, 4.0]), np.array([0, 0, 1, 1]), 2)
    low, high = scale.of(close, np.array([0, 0]))
    assert low < high


# --- every way through an index ---


@pytest.fixture(scope="module")
def codec() -> ResidualCodec:
    values, _ = texts(np.random.default_rng(0), 0, 200)
    return train_codec(values, bits=2, n_centroids=40)


def language_segments(codec: ResidualCodec | None, *, single: bool = False) -> list[Segment]:
    segments = []
    for number in (1, 2):
        rng = np.random.default_rng(number)
        packed = embeddings([texts(rng, lang, 120, single=single) for lang in range(3)])
        coded = (
            quantize(packed.values)
            if codec is None
            else codec.encode(packed.values, packed.offsets)
        )
        segments.append(Segment(number, 0 if codec is None else 1, coded, packed.offsets))
    return segments


def groups_of(segments: list[Segment]) -> LanguageGroups:
    numbers = np.repeat(np.arange(3, dtype=np.uint16), 120)
    background = np.arange(0, 360, 2)
    ranks = np.concatenate([np.arange(60)] * 3)
    n = len(segments)
    return LanguageGroups(LANGS, (numbers,) * n, (background,) * n, (ranks,) * n)


def calibration_of(groups: LanguageGroups, n_queries: int, keep: list[object]) -> Calibration:
    background = groups.background
    masks = [
        tuple(
            numbers == lang if mask is None else (numbers == lang) & mask
            for numbers, mask in zip(groups.numbers, keep, strict=True)
        )
        for lang in range(3)
    ]
    owners = owners_of(groups, background)
    return Calibration(groups, background, owners, [None] * n_queries, False, masks)


def oracle(
    queries: Embeddings,
    segments: list[Segment],
    keep: tuple[object, ...],
    calibration: Calibration,
    codecs: dict[int, ResidualCodec],
) -> list[list[tuple[int, float]]]:
    """All documents by exact scores, each calibrated by itself; the ten best."""
    found = []
    for position in range(len(queries)):
        alone = Embeddings(queries[position], np.array([0, len(queries[position])]))
        seen = SeenQueries(alone, codecs, 1)
        (scores,) = background_scores(seen, segments, calibration.background)
        scale = calibration.scale(position, scores)
        (every,) = best_documents(
            alone, segments, keep, 10_000, codecs=codecs, params=SearchParams(exact=True)
        )
        pairs = []
        for number, score in zip(every.numbers.tolist(), every.scores.tolist(), strict=True):
            segment, at = divmod(number, 1 << 24)
            lang = int(calibration.groups.numbers[segment - 1][at])
            pairs.append((number, (score - scale.means[lang]) / scale.spreads[lang]))
        found.append(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:10])
    return found


WAYS = ["scan", "exact", "codec", "dense", "device", "device codec", "lists of codec"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("masked", [False, True])
def test_each_way_ranks_by_calibrated_scores_as_if_all_were_scored(
    way: str, masked: bool, codec: ResidualCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    single, coded = way == "dense", "codec" in way
    segments = language_segments(codec if coded else None, single=single)
    queries = questions(3, single=single)
    keep = (np.arange(360) % 3 > 0 if masked else None, None)
    codecs = {1: codec} if coded else {}
    calibration = calibration_of(groups_of(segments), 3, [*keep])
    dense = scan = lists = None
    if "lists" in way:
        monkeypatch.setattr(listed, "LISTED_ROWS", 0)
        lists = ListIndex().of(segments, codecs)
        assert lists is not None
    if way == "dense":
        vectors = [Int8Vectors(s.coded.codes.view(np.int8), s.coded.scales) for s in segments]
        pytest.importorskip("faiss")
        dense = DenseCandidates.build(vectors)
    if "device" in way:
        pytest.importorskip("torch")
        from xret.index.search.scanned import DeviceIndex

        scan = DeviceIndex("cpu").of(segments, codecs)
    found = best_documents(
        queries,
        segments,
        keep,
        10,
        codecs=codecs,
        params=SearchParams(exact=way == "exact", n_candidates=60),
        dense=dense,
        scan=scan,
        calibration=calibration,
        lists=lists,
    )
    wanted = oracle(queries, segments, keep, calibration, codecs)
    for best, ranked in zip(found, wanted, strict=True):
        order = np.lexsort((best.numbers, -best.scores))
        assert best.numbers[order].tolist() == [number for number, _ in ranked]
        assert best.scores[order].tolist() == [score for _, score in ranked]
        assert best.raw is not None and best.raw.dtype == np.float32


def test_kept_tables_change_no_ranking(
    codec: ResidualCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same queries over one half of the documents after the other, then another codec."""
    segments, queries = language_segments(codec), questions(3)
    halves = [(np.arange(360) % 2 == half, None) for half in (0, 1)]
    made = []
    whole = seen_queries.centroid_tables
    monkeypatch.setattr(
        seen_queries, "centroid_tables", lambda *own, **how: made.append(1) or whole(*own, **how)
    )

    def ranked(codecs: dict[int, ResidualCodec], kept: KeptTables | None) -> list[list[object]]:
        found = [
            best_documents(
                queries,
                segments,
                keep,
                10,
                codecs=codecs,
                params=SearchParams(n_candidates=60),
                kept=kept,
            )
            for keep in halves
        ]
        return [[best.numbers.tolist(), best.scores.tolist()] for half in found for best in half]

    codecs, kept = {1: codec}, KeptTables()
    wanted = ranked(codecs, None)
    assert (ranked(codecs, kept), len(made)) == (wanted, 9)  # 6 without, 3 with
    assert (ranked(dict(codecs), kept), len(made)) == (wanted, 12)  # those of another commit
    monkeypatch.setattr(seen_queries, "KEPT_BYTES", 0)
    assert (ranked(codecs, KeptTables()), len(made)) == (wanted, 18)  # no room


def test_candidates_leave_no_language_out(codec: ResidualCodec) -> None:
    segments = language_segments(codec)
    calibration = calibration_of(groups_of(segments), 4, [None, None])
    few = SearchParams(n_candidates=12)
    counts = []
    for chosen in (None, calibration):
        found = best_documents(
            questions(4),
            segments,
            (None, None),
            9,
            codecs={1: codec},
            params=few,
            calibration=chosen,
        )
        langs = [best.numbers % (1 << 24) // 120 for best in found]
        counts.append(np.mean([np.count_nonzero(row == 1) / len(row) for row in langs]))
    assert counts[0] > counts[1] + 0.15  # of the question's own language


# --- a reader ---


def test_a_mixed_list_is_calibrated_and_each_language_keeps_its_order(tmp_path: Path) -> None:
    lang_of = written(tmp_path / "i", {"en": 300, "de": 300, "sw": 30})
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        raw = reader.search(questions(5), 1000)
        for how in ("z", "fixed"):
            found = reader.search(questions(5), 1000, calibrate=how, query_langs=["en"] * 5)
            for before, after in zip(raw, found, strict=True):
                assert calibrated(before, lang_of) == calibrated(after, lang_of)
                own = [
                    sum(lang_of[hit.doc_id] == "en" for hit in hits[:20])
                    for hits in (before, after)
                ]
                assert own[0] >= own[1] + 3
        assert reader.search(questions(5), 1000, calibrate="off", query_langs=["en"] * 5) == raw


def test_a_list_of_one_language_is_left_alone(tmp_path: Path) -> None:
    written(tmp_path / "i", {"en": 80, "de": 80})
    english = Condition("lang", "=", "en")
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        raw = reader.find(questions(2), 50, filter=english)
        request = raw.rankings
        found = reader.search(
            questions(2), 50, filter=english, calibrate="z", query_langs=["en"] * 2
        )
        assert found == request
        assert raw.raw == [[None] * 50] * 2


def test_the_answer_does_not_depend_on_segments_order_or_other_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"en": 90, "de": 70, "sw": 9}
    written(tmp_path / "one", counts)
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 60)
    written(tmp_path / "many", dict(reversed(counts.items())), seed=0)
    with closing(IndexReader.open(tmp_path / "one")) as reader:
        asked = {"calibrate": "z", "query_langs": ["en"] * 4}
        found = reader.search(questions(4), 30, **asked)  # type: ignore[arg-type]
        first = Embeddings(questions(4)[0], np.array([0, len(questions(4)[0])]))
        alone = reader.search(first, 30, calibrate="z", query_langs=["en"])
        assert alone[0] == found[0]
    rng = np.random.default_rng(0)  # the same documents, in other segments and another order
    parts = {lang: texts(rng, LANGS.index(lang), n) for lang, n in counts.items()}
    with IndexWriter.open(tmp_path / "other", SPEC) as writer:
        for lang in reversed(counts):
            documents = [
                Document(f"{lang}{i:04d}", f"text {i} of {lang}", lang) for i in range(counts[lang])
            ]
            writer.add(documents, embeddings([parts[lang]]))
    with closing(IndexReader.open(tmp_path / "other")) as reader:
        assert reader.search(questions(4), 30, **asked) == found  # type: ignore[arg-type]


# --- the background ---


def background_ids(folder: Path) -> set[str]:
    with closing(IndexReader.open(folder)) as reader:
        commit = reader._commit
        groups = CommitLanguages(reader._catalog.documents).of(
            commit.version, commit.segments, commit.alive
        )
        numbers = [
            (segment.segment << 24) + int(at)
            for segment, part in zip(commit.segments, groups.background, strict=True)
            for at in part
        ]
        return {*reader._catalog.documents.doc_ids(numbers)}


def test_the_background_survives_additions_deletions_and_compaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.search.languages.BACKGROUND", 20)
    written(tmp_path / "i", {"en": 100, "de": 10})
    before = background_ids(tmp_path / "i")
    assert len(before) == 30
    written(tmp_path / "i", {"sw": 5}, seed=3)
    assert background_ids(tmp_path / "i") >= before
    gone = sorted(before)[-6:]
    with IndexWriter.open(tmp_path / "i", SPEC) as writer:
        writer.delete(gone)
    after = background_ids(tmp_path / "i")
    assert after >= before - {*gone} and not after & {*gone}
    assert sum(doc_id.startswith("en") for doc_id in after) == 20  # others have moved up
    compact(tmp_path / "i")
    assert background_ids(tmp_path / "i") == after


def test_a_commit_is_seen_by_the_next_search(tmp_path: Path) -> None:
    written(tmp_path / "i", {"en": 40})
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        first = reader.search(questions(1), 9, calibrate="z", query_langs=["en"])
        assert first == reader.search(questions(1), 9)  # one language
        written(tmp_path / "i", {"de": 40}, seed=1)
        found = reader.search(questions(1), 9, calibrate="z", query_langs=["en"])
        assert found != reader.search(questions(1), 9)


def test_what_languages_differ_in_is_learnt_from_the_documents(tmp_path: Path) -> None:
    written(tmp_path / "i", {"en": 200, "de": 200, "sw": 200})
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        commit: Commit = reader._commit
        calibrator = Calibrator(reader._catalog.documents)
        assert calibrator.of(commit, commit.alive, query_langs=["en"], fixed=False) is not None
        groups = calibrator._languages.of(commit.version, commit.segments, commit.alive)
        known = learn_offsets(groups, commit.segments, {}, "en")
        assert known.shifts[1] > 0.4 and (known.shifts[[0, 2]] < 0).all()
        regional = learn_offsets(groups, commit.segments, {}, "en-GB")
        assert regional.shifts.tolist() == known.shifts.tolist()
        foreign = learn_offsets(groups, commit.segments, {}, "ja")
        assert np.abs(foreign.shifts).max() < 0.5
