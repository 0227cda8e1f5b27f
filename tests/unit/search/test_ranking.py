"""Rankings: the same for any threads and batch, at the precision they state, by every way in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from xret.errors import ConfigError, DamagedIndexError
from xret.index.coding.clustering import train_codec
from xret.index.coding.codec import ResidualCodec
from xret.index.scoring.maxsim import maxsim_scores
from xret.index.search import seen_queries as seen_queries_module
from xret.index.search.dense.dense_candidates import DenseCandidates
from xret.index.search.dense.single_vectors import DenseIndex, has_single_vectors
from xret.index.search.ranking import Best, best_documents
from xret.index.search.reader import IndexReader
from xret.index.storage.segment import Segment, quantize
from xret.index.writing.writer import IndexWriter
from xret.types import Document, Embeddings, EncoderSpec, FloatArray, SearchParams

DIM = 24
SPEC = EncoderSpec("test", "0" * 32, DIM, ("en",), language_adapters=False)


def unit(values: FloatArray) -> FloatArray:
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def themed(rng: np.random.Generator, n: int) -> FloatArray:
    themes = np.random.default_rng(7).standard_normal((12, DIM))
    return unit(themes[rng.integers(0, 12, n)] + 0.8 * rng.standard_normal((n, DIM)))


def queries_of(n: int, *, seed: int = 1, single: bool = False) -> Embeddings:
    rng = np.random.default_rng(seed)
    lengths = np.ones(n, np.int64) if single else rng.integers(1, 20, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Embeddings(themed(rng, int(offsets[-1])), offsets)


@pytest.fixture(scope="module")
def codec() -> ResidualCodec:
    return train_codec(themed(np.random.default_rng(0), 600), bits=2, n_centroids=40)


def coded_segment(codec: ResidualCodec | None, *, number: int = 1, n: int = 700) -> Segment:
    rng = np.random.default_rng(number)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(2, 9, n))]).astype(np.int64)
    values = themed(rng, int(offsets[-1]))
    if codec is None:
        return Segment(number, 0, quantize(values), offsets)
    return Segment(number, 1, codec.encode(values, offsets), offsets)


def single_segments(
    *sizes: int, passages: int = 1, monkeypatch: pytest.MonkeyPatch | None = None
) -> list[Segment]:
    if monkeypatch is not None:
        monkeypatch.setattr("xret.index.search.dense.single_vectors.EXACT_PASSAGES", 300)
    segments = []
    for number, n in enumerate(sizes, 1):
        coded = quantize(themed(np.random.default_rng(number), n * passages))
        documents = None if passages == 1 else np.arange(0, n * passages + 1, passages)
        segments.append(Segment(number, 0, coded, np.arange(n * passages + 1), documents))
    return segments


def same(left: list[Best], right: list[Best]) -> bool:
    return all(
        np.array_equal(a.scores, b.scores) and np.array_equal(a.numbers, b.numbers)
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_threads_and_the_batch_do_not_change_a_ranking(
    coded: bool, exact: bool, codec: ResidualCodec
) -> None:
    segments = [coded_segment(codec if coded else None, number=i) for i in (1, 2)]
    keep = (None, np.arange(700) % 3 > 0)
    queries = queries_of(6)
    found = [
        best_documents(
            queries,
            segments,
            keep,
            10,
            codecs={1: codec},
            params=SearchParams(exact=exact, threads=threads),
        )
        for threads in (1, 2, 9)
    ]
    assert same(found[0], found[1]) and same(found[0], found[2])
    for position, best in enumerate(found[0]):
        rows = slice(*queries.offsets[position : position + 2])
        alone = Embeddings(queries.values[rows], np.array([0, rows.stop - rows.start]))
        params = SearchParams(exact=exact, threads=1)
        again = best_documents(alone, segments, keep, 10, codecs={1: codec}, params=params)
        assert same([best], again)


def test_scores_of_8_bits_are_those_of_exact_queries_to_a_ten_thousandth() -> None:
    segment, queries = coded_segment(None), queries_of(3)
    values = (
        segment.coded.codes.view(np.int8)
        * (segment.coded.scales.astype(np.uint32) << 16).view(np.float32)[:, None]
    )
    for position, best in enumerate(
        best_documents(queries, [segment], (None,), 10, codecs={}, params=SearchParams())
    ):
        query = queries.values[queries.offsets[position] : queries.offsets[position + 1]]
        wanted = maxsim_scores(query, values[:, :DIM], segment.offsets)
        numbers = best.numbers % (1 << 24)
        np.testing.assert_allclose(best.scores, wanted[numbers], atol=1e-4 * len(query))
        assert set(numbers.tolist()) == set(np.argsort(-wanted, kind="stable")[:10].tolist())


def test_segments_with_a_codec_are_ranked_by_8_bit_queries(
    codec: ResidualCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment, queries = coded_segment(codec), queries_of(3)
    values = codec.decode(segment.coded, segment.offsets)
    monkeypatch.setattr(seen_queries_module, "fine_scores", None)  # is not called
    params = SearchParams(exact=True)
    found = best_documents(queries, [segment], (None,), 10, codecs={1: codec}, params=params)
    for position, best in enumerate(found):
        query = queries.values[queries.offsets[position] : queries.offsets[position + 1]]
        wanted = maxsim_scores(query, values, segment.offsets)[best.numbers % (1 << 24)]
        np.testing.assert_allclose(best.scores, wanted, atol=0.02 * len(query))


# --- single vectors ---


@pytest.mark.parametrize("passages", [1, 3])
@pytest.mark.parametrize("tokens", [1, 4])
def test_candidates_of_single_vectors_rank_as_a_scan_does(
    passages: int, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = single_segments(900, 500, passages=passages, monkeypatch=monkeypatch)
    assert has_single_vectors(segments)
    vectors = [ranking_vectors(segment) for segment in segments]
    dense = DenseCandidates.build(vectors)
    keep = (np.arange(900) % 2 == 0, None)
    lengths = np.full(4, tokens)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    queries = Embeddings(themed(np.random.default_rng(5), 4 * tokens), offsets)
    params = SearchParams(n_candidates=110)
    scanned = best_documents(queries, segments, keep, 5, codecs={}, params=params)
    found = best_documents(queries, segments, keep, 5, codecs={}, params=params, dense=dense)
    assert same(scanned, found)
    assert all((best.numbers[best.numbers < 2 << 24] % 2 == 0).all() for best in found)


def ranking_vectors(segment: Segment):  # type: ignore[no-untyped-def]
    from xret.index.search.dense.single_vectors import _vectors

    return _vectors(segment)


def test_only_many_single_vectors_of_8_bits_get_candidates(codec: ResidualCodec) -> None:
    assert not has_single_vectors(single_segments(900))  # a scan takes less than a millisecond
    assert not has_single_vectors([coded_segment(None, n=20_000)])
    values = themed(np.random.default_rng(0), 20_000)
    assert not has_single_vectors([Segment(1, 1, codec.encode(values), np.arange(20_001))])


def test_a_commit_that_adds_extends_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    segments = single_segments(900, 500, 70, monkeypatch=monkeypatch)
    index = DenseIndex()
    assert index.of(segments[:2]) is None  # the first question
    assert index._pending is not None
    first = index._pending.wait()
    assert first is not None and index.of(segments[:2]) is first
    monkeypatch.setattr(DenseCandidates, "build", None)  # is not called again
    index.of(segments)
    assert index._pending is not None
    grown = index._pending.wait()
    assert grown is not None
    assert (first.n_passages, grown.n_passages) == (1400, 1470)
    query = segments[2].coded.codes.view(np.int8)[7:8].astype(np.float32)
    assert 1407 in grown.search(query, 10)[0]
    monkeypatch.undo()
    monkeypatch.setattr("xret.index.search.dense.single_vectors.EXACT_PASSAGES", 300)
    index.of(segments[1:])  # a compaction: other segments
    assert index._pending is not None and index._pending._known is None
    index.close()


@pytest.fixture
def index_of_singles(tmp_path: Path) -> Iterator[Path]:
    with IndexWriter.open(tmp_path / "i", SPEC) as writer:
        add_singles(writer, 0, 800)
    yield tmp_path / "i"


def add_singles(writer: IndexWriter, first: int, n: int) -> None:
    values = themed(np.random.default_rng(first), n)
    documents = [Document(f"d{first + i:05d}", f"text {i}", "en") for i in range(n)]
    writer.add(documents, Embeddings(values, np.arange(n + 1)))


def test_a_reader_answers_alike_with_and_without_candidates(
    index_of_singles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.search.dense.single_vectors.EXACT_PASSAGES", 300)
    queries = queries_of(5, single=True)
    with closing(IndexReader.open(index_of_singles)) as reader:
        exact = SearchParams(exact=True)
        for _ in range(3):
            wanted = reader.search(queries, 7, params=exact)
        assert reader._dense._pending is None  # exact search asks for none
        assert reader.search(queries, 7) == wanted
        pending = reader._dense._pending
        assert pending is not None and pending._worker is None
        assert pending.wait() is not None
        assert reader.search(queries, 7) == wanted
        gone = {ranked[0].doc_id for ranked in wanted}
        with IndexWriter.open(index_of_singles, SPEC) as writer:
            add_singles(writer, 800, 90)
            writer.delete(gone)
        reader.search(queries, 7)
        assert reader._dense._pending is not None
        made = reader._dense._pending.wait()
        assert made is not None and made.n_passages == 890
        found = reader.search(queries, 7)
        assert found == reader.search(queries, 7, params=exact)
        assert not gone & {hit.doc_id for ranked in found for hit in ranked}


@pytest.mark.parametrize(("preset", "codecs"), [("balanced", (0,)), ("compact", (1,))])
def test_single_vectors_keep_8_bits_unless_the_fewest_bytes_are_asked_for(
    preset: str, codecs: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.coding.recoding.CODEC_ROWS", 350)
    with IndexWriter.open(tmp_path / "i", SPEC, preset=preset) as writer:
        add_singles(writer, 0, 400)
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        assert reader.info().codecs == codecs


def test_ids_come_in_the_order_asked_for_and_a_lost_one_is_damage(index_of_singles: Path) -> None:
    with closing(IndexReader.open(index_of_singles)) as reader:
        numbers = [(1 << 24) + position for position in np.random.default_rng(0).permutation(700)]
        found = reader._catalog.documents.doc_ids(map(int, numbers))
        assert found == [f"d{number - (1 << 24):05d}" for number in numbers]
        with pytest.raises(DamagedIndexError, match="row number 5"):
            reader._catalog.documents.doc_ids([numbers[0], 5])


# --- a device ---


@pytest.mark.parametrize("coded", [False, True])
def test_a_device_ranks_as_the_kernels_do(coded: bool, codec: ResidualCodec) -> None:
    pytest.importorskip("torch")
    from xret.index.search.scanned import DeviceIndex

    segments = [coded_segment(codec if coded else None, number=i) for i in (1, 2)]
    device, codecs, queries = DeviceIndex("cpu"), {1: codec}, queries_of(3)
    assert device.of([], codecs) is None
    first = device.of(segments[:1], codecs)
    scan = device.of(segments, codecs)
    assert first is not None and scan is not None and scan is device.of(segments, codecs)
    assert scan.n_documents == 1400
    keep = (None, np.arange(700) % 3 > 0)
    exact = SearchParams(exact=True)
    wanted = best_documents(queries, segments, keep, 5, codecs=codecs, params=exact)
    for scanned in (scan, device.of(segments[1:], codecs)):
        which = slice(0 if scanned is scan else 1, None)
        found = best_documents(
            queries,
            segments[which],
            keep[which],
            5,
            codecs=codecs,
            params=SearchParams(),
            scan=scanned,
        )
        if scanned is scan:
            assert same(found, wanted)
        assert all((best.numbers >= segments[which][0].segment << 24).all() for best in found)


def test_a_reader_refuses_a_device_that_is_not_there(index_of_singles: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ConfigError, match="device must be cpu, cuda"):
        IndexReader.open(index_of_singles, device="tpu")
    with closing(IndexReader.open(index_of_singles, device="cpu")) as reader:
        assert len(reader.search(queries_of(1), 3)[0]) == 3


def test_a_reader_searches_on_its_device(
    index_of_singles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from xret.index.search import reader as reader_module
    from xret.index.search.scanned import DeviceIndex

    queries = queries_of(4)
    with closing(IndexReader.open(index_of_singles)) as reader:
        wanted = reader.search(queries, 6)
    device = DeviceIndex("cpu")
    monkeypatch.setattr(reader_module, "device_index", lambda _: device)
    with closing(IndexReader.open(index_of_singles, device="cuda")) as reader:
        assert reader.search(queries, 6) == wanted
        assert device._scan is not None and device._scan.n_documents == 800
