"""Builds: languages, duplicates, adding to an index, and going on after a break."""

import dataclasses
import datetime
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder

from xret.errors import (
    ConfigError,
    CorpusError,
    DamagedIndexError,
    DuplicateIdError,
    EncoderMismatchError,
    IndexLockedError,
    IndexNotFoundError,
    UnknownModelError,
    UnusableIndexError,
)
from xret.index.search.faults import find_faults
from xret.index.search.reader import IndexReader
from xret.index.writing.writer import IndexWriter
from xret.retriever.build import IndexBuild
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import Document, Embeddings, EncoderSpec


def documents(n: int) -> list[Document]:
    return [Document(f"d{i}", f"word{i} word{i % 7} river", "en") for i in range(n)]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "write.lock"
    }


class OtherEncoder(HashingEncoder):
    """The same name and dimension, other content."""

    @property
    def spec(self) -> EncoderSpec:
        return dataclasses.replace(super().spec, fingerprint="other")


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


def until(documents: list[Document], n: int) -> Iterator[Document]:
    yield from documents[:n]
    raise Killed


@pytest.mark.parametrize("cut", [0, 1, 255, 256, 700, 999])
def test_an_interrupted_build_ends_byte_for_byte_like_an_unbroken_one(
    cut: int, tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 300)
    build(documents(1000), tmp_path / "whole", encoder)
    broken = IndexBuild(until(documents(1000), cut), tmp_path / "broken", encoder)
    with pytest.raises(Killed):
        list(broken.run())
    again = build(documents(1000), tmp_path / "broken", encoder)
    assert again.summary.added + again.summary.unchanged == 1000
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "whole")


@pytest.mark.parametrize("cut", [0, 299, 300, 650, 999])
def test_an_interrupted_build_trains_the_same_codec_as_an_unbroken_one(
    cut: int, tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 300)
    monkeypatch.setattr("xret.index.coding.recoding.CODEC_ROWS", 1500)
    monkeypatch.setattr("xret.index.coding.recoding.BLOCK_ROWS", 128)
    build(documents(1000), tmp_path / "whole", encoder)
    broken = IndexBuild(until(documents(1000), cut), tmp_path / "broken", encoder)
    with pytest.raises(Killed):
        list(broken.run())
    build(documents(1000), tmp_path / "broken", encoder)
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "whole")
    with closing(IndexReader.open(tmp_path / "whole")) as reader:
        assert reader.info().codecs == (1,)


class NeighbourEncoder(HashingEncoder):
    """Far worse than a transformer: every vector depends on all texts that are encoded with it.

    The batch numbered `kill_at` is never encoded.
    """

    def __init__(self, *, kill_at: int = -1) -> None:
        super().__init__()
        self.n_batches, self.kill_at = 0, kill_at

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        if self.n_batches == self.kill_at:
            raise Killed
        self.n_batches += 1
        embeddings = super().encode_documents(documents)
        weights = np.arange(1, len(embeddings.values) + 1, dtype=np.float32)
        values = embeddings.values + weights @ embeddings.values / weights.sum()
        return Embeddings(values / np.linalg.norm(values, axis=1)[:, None], embeddings.offsets)


@pytest.mark.parametrize("duplicates", ["error", "skip", "replace"])
@pytest.mark.parametrize("segment_rows", [20, 70])
def test_an_interrupted_build_encodes_every_batch_whole(
    segment_rows: int, duplicates: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", segment_rows)
    monkeypatch.setattr("xret.retriever.build.BATCH", 16)
    corpus = documents(100)
    if duplicates == "replace":  # what goes back to its first version waits for the end
        other = [dataclasses.replace(one, text=f"{one.text} gold") for one in corpus[:24]]
        corpus = [*corpus[:40], *other, *corpus[40:], *corpus[:24]]
    whole = NeighbourEncoder()
    build(corpus[:9], tmp_path / "whole", whole)
    build(corpus, tmp_path / "whole", whole, duplicates=duplicates)
    assert whole.n_batches >= 8
    for n in range(1, whole.n_batches):
        folder, killed = tmp_path / f"broken-{n}", NeighbourEncoder(kill_at=n)
        build(corpus[:9], folder, killed)
        with pytest.raises(Killed):
            build(corpus, folder, killed, duplicates=duplicates)
        build(corpus, folder, NeighbourEncoder(), duplicates=duplicates)
        assert files_of(folder) == files_of(tmp_path / "whole"), n


@pytest.mark.parametrize("n", [20, 50])
def test_a_transformer_build_killed_and_run_again_ends_like_an_unbroken_one(
    n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tiny_models import tiny_colbert_xm

    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 70)
    monkeypatch.setattr("xret.retriever.build.BATCH", 16)
    draw, words = random.Random(0), ["coral", "reefs", "are", "warming", "samaki", "wanaondoka"]
    texts = [" ".join(draw.choices(words, k=draw.randint(1, 30))) for _ in range(60)]
    corpus = [Document(f"d{i}", text, ("en", "sw")[i % 2]) for i, text in enumerate(texts)]
    model = load_encoder(str(tiny_colbert_xm(tmp_path / "colbert-xm")))
    build(corpus, tmp_path / "whole", model)
    with pytest.raises(Killed):
        build(until(corpus, n), tmp_path / "broken", model)  # type: ignore[arg-type]
    build(corpus, tmp_path / "broken", model)
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "whole")


@pytest.mark.parametrize("preset", ["exact", "compact"])
def test_another_preset_than_the_index_has_is_refused(
    preset: str, tmp_path: Path, encoder: HashingEncoder
) -> None:
    build(documents(3), tmp_path / "i", encoder)
    build(documents(4), tmp_path / "i", encoder, preset="balanced")
    with pytest.raises(UnusableIndexError, match=f"has the preset balanced, not {preset}"):
        build(documents(5), tmp_path / "i", encoder, preset=preset)
    with pytest.raises(ConfigError, match="exact, balanced, compact"):
        build(documents(5), tmp_path / "j", encoder, preset="small")


def test_a_second_run_finds_nothing_to_do(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(30), tmp_path / "i", encoder)
    before = files_of(tmp_path / "i")
    again = build(documents(30), tmp_path / "i", encoder)
    assert (again.summary.added, again.summary.unchanged) == (0, 30)
    assert files_of(tmp_path / "i") == before


def test_new_documents_are_added_to_an_index(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(10), tmp_path / "i", encoder)
    more = build(documents(15), tmp_path / "i", encoder)
    assert (more.summary.added, more.summary.unchanged) == (5, 10)


def test_stopping_commits_what_was_read(tmp_path: Path, encoder: HashingEncoder) -> None:
    stopped = IndexBuild(documents(1000), tmp_path / "i", encoder)
    for _ in stopped.run():
        stopped.stop()
    reader = IndexReader.open(tmp_path / "i")
    assert reader.info().documents == stopped.summary.added == 256
    reader.close()


def test_an_id_met_twice_is_an_error(tmp_path: Path, encoder: HashingEncoder) -> None:
    twice = [Document("a", "word1", "en"), Document("a", "other text", "en")]
    for _ in range(2):
        with pytest.raises(DuplicateIdError, match="'a' appears twice"):
            build(twice, tmp_path / "i", encoder)


def test_an_id_met_twice_far_apart_is_an_error(tmp_path: Path, encoder: HashingEncoder) -> None:
    with pytest.raises(DuplicateIdError, match="'d3' appears twice"):
        build([*documents(600), Document("d3", "other", "en")], tmp_path / "i", encoder)


@pytest.mark.parametrize("duplicates", ["error", "skip", "replace"])
@pytest.mark.parametrize("segment_rows", [9, 100, 10_000])
def test_an_identical_repeat_is_unchanged_near_and_far_on_every_run(
    duplicates: str,
    segment_rows: int,
    tmp_path: Path,
    encoder: HashingEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", segment_rows)
    corpus = [*documents(260)[:3], *documents(260), documents(260)[3]]
    first = build(corpus, tmp_path / "i", encoder, duplicates=duplicates)
    assert (first.summary.added, first.summary.unchanged) == (260, 4)
    before = files_of(tmp_path / "i")
    again = build(corpus, tmp_path / "i", encoder, duplicates=duplicates)
    assert (again.summary.added, again.summary.unchanged) == (0, 264)
    assert files_of(tmp_path / "i") == before


@pytest.mark.parametrize("apart", [0, 70])
@pytest.mark.parametrize("segment_rows", [9, 100, 10_000])
@pytest.mark.parametrize("versions", ["AB", "ABA", "ABCB"])
def test_replacing_with_the_same_corpus_again_changes_nothing(
    apart: int,
    segment_rows: int,
    versions: str,
    tmp_path: Path,
    encoder: HashingEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", segment_rows)
    monkeypatch.setattr("xret.retriever.build.BATCH", 64)
    between = documents(apart * len(versions))
    corpus: list[Document] = []
    for i, version in enumerate(versions):
        corpus += [Document("x", f"gold {version}", "en"), *between[i * apart : (i + 1) * apart]]
    build(corpus, tmp_path / "i", encoder, duplicates="replace")
    before = files_of(tmp_path / "i")
    for _ in range(2):
        again = build(corpus, tmp_path / "i", encoder, duplicates="replace")
        assert (again.summary.added, again.summary.replaced) == (0, 0)
        assert files_of(tmp_path / "i") == before
    reader = IndexReader.open(tmp_path / "i")
    assert [d.text for d in reader.documents(["x"])] == [f"gold {versions[-1]}"]
    reader.close()


@pytest.mark.parametrize("cut", [1, 100, 301, 420, 650, 900])
def test_an_interrupted_build_with_replacements_ends_like_an_unbroken_one(
    cut: int, tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 150)
    monkeypatch.setattr("xret.retriever.build.BATCH", 64)
    corpus = documents(900)
    for i, version in enumerate("ABCBA"):
        corpus.insert(i * 200, Document("x", f"gold {version}", "en"))
    build(corpus, tmp_path / "whole", encoder, duplicates="replace")
    broken = IndexBuild(until(corpus, cut), tmp_path / "broken", encoder, duplicates="replace")
    with pytest.raises(Killed):
        list(broken.run())
    build(corpus, tmp_path / "broken", encoder, duplicates="replace")
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "whole")


def test_a_version_replaced_in_the_segment_in_hand_is_remembered_like_a_committed_one(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment ends between the last two versions, which two batches in turn bring."""
    monkeypatch.setattr("xret.index.writing.writer.SEGMENT_ROWS", 327)
    monkeypatch.setattr("xret.retriever.build.BATCH", 64)
    corpus = documents(500)
    for position, version in ((0, "A"), (318, "B"), (335, "A")):
        corpus.insert(position, Document("x", f"gold {version}", "en"))
    build(corpus, tmp_path / "whole", encoder, duplicates="replace")
    broken = IndexBuild(until(corpus, 400), tmp_path / "broken", encoder, duplicates="replace")
    with pytest.raises(Killed):
        list(broken.run())
    build(corpus, tmp_path / "broken", encoder, duplicates="replace")
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "whole")


def test_going_back_to_an_earlier_version_is_a_replacement(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.retriever.build.MAX_DEFERRED", 2)
    for text in ("old", "new", "old"):
        corpus = [Document(str(i), f"{text} {i}", "en") for i in range(5)]
        done = build(corpus, tmp_path / "i", encoder, duplicates="replace")
        assert done.summary.added == 5
        reader = IndexReader.open(tmp_path / "i")
        assert reader.documents([str(i) for i in range(5)]) == corpus
        reader.close()


def test_changed_content_is_an_error_unless_told(tmp_path: Path, encoder: HashingEncoder) -> None:
    build([Document("a", "old", "en")], tmp_path / "i", encoder)
    changed = [Document("a", "new", "en")]
    with pytest.raises(DuplicateIdError, match=r"other content.*--duplicates"):
        build(changed, tmp_path / "i", encoder)
    assert build(changed, tmp_path / "i", encoder, duplicates="skip").summary.skipped == 1
    assert build(changed, tmp_path / "i", encoder, duplicates="replace").summary.replaced == 1
    reader = IndexReader.open(tmp_path / "i")
    assert [d.text for d in reader.documents(["a"])] == ["new"]
    reader.close()


def test_the_last_of_several_replacements_stays(tmp_path: Path, encoder: HashingEncoder) -> None:
    texts = ["one", "two", "three"]
    build([Document("a", t, "en") for t in texts], tmp_path / "i", encoder, duplicates="replace")
    reader = IndexReader.open(tmp_path / "i")
    assert reader.info().documents == 1
    assert [d.text for d in reader.documents(["a"])] == ["three"]
    reader.close()
    assert find_faults(tmp_path / "i") == []


def test_a_missing_language_is_identified_and_said_so(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    texts = {"given": "La marée monte.", "guessed": "Die Flut steigt zweimal am Tag.", "none": "42"}
    made = [Document("given", texts["given"], "fr")]
    made += [Document(name, texts[name], lang_source="unknown") for name in ("guessed", "none")]
    build(made, tmp_path / "i", encoder)
    reader = IndexReader.open(tmp_path / "i")
    found = {d.doc_id: (d.lang, d.lang_source) for d in reader.documents(list(texts))}
    reader.close()
    assert found == {
        "given": ("fr", "given"),
        "guessed": ("de", "identified"),
        "none": ("und", "unknown"),
    }


@pytest.mark.parametrize("document", [Document("", "x"), Document("a", "x\ud800")])
def test_a_document_that_cannot_be_stored_is_refused(
    document: Document, tmp_path: Path, encoder: HashingEncoder
) -> None:
    with pytest.raises(CorpusError, match=r"empty id|lone surrogate"):
        build([document], tmp_path / "i", encoder)


def test_metadata_of_any_type_is_kept(tmp_path: Path, encoder: HashingEncoder) -> None:
    meta = {"when": datetime.date(2020, 1, 2), "odd": "\ud800", "n": [1, {"a": None}]}
    build([Document("a", "gold", "en", meta=meta)], tmp_path / "i", encoder)
    reader = IndexReader.open(tmp_path / "i")
    assert reader.documents(["a"])[0].meta == {**meta, "when": "2020-01-02"}
    reader.close()
    assert find_faults(tmp_path / "i") == []


FIRST_COMMIT = """
import resource, signal, sys
from pathlib import Path
from xret.index.writing.writer import IndexWriter
from xret.types import EncoderSpec
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
IndexWriter.open(Path(sys.argv[1]), EncoderSpec("hashing", "hashing-1", 32, ("en",))).close()
"""
"""Killed by the system at the first write beyond so many bytes of any file."""


@pytest.mark.skipif(os.name == "nt", reason="no file size limit to be killed by")
def test_a_first_commit_killed_at_any_page_is_made_by_the_next_run(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    IndexWriter.open(tmp_path / "sound", encoder.spec).close()
    size = (tmp_path / "sound" / "catalog.sqlite").stat().st_size
    hot = 0
    for limit in range(0, size, 4096):
        folder = tmp_path / str(limit)
        command = [sys.executable, "-c", FIRST_COMMIT, str(folder), str(limit)]
        assert subprocess.run(command).returncode == -signal.SIGXFSZ
        catalog = folder / "catalog.sqlite"
        hot += catalog.stat().st_size > 0 and (folder / "catalog.sqlite-journal").exists()
        with pytest.raises(IndexNotFoundError, match="holds no index"):
            IndexReader.open(folder)
        build(documents(3), folder, encoder)
        assert find_faults(folder) == []
    assert hot > 3


def test_a_first_build_killed_before_its_first_commit_leaves_no_index(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    broken = IndexBuild(until(documents(300), 290), tmp_path / "i", encoder, preset="compact")
    with pytest.raises(Killed):
        list(broken.run())
    for look in (IndexReader.open, find_faults, IndexWriter.open_existing):
        with pytest.raises(IndexNotFoundError, match="first commit was never made"):
            look(tmp_path / "i")
    build(documents(300), tmp_path / "i", encoder, preset="compact")
    build(documents(300), tmp_path / "whole", encoder, preset="compact")
    assert files_of(tmp_path / "i") == files_of(tmp_path / "whole")


def test_what_a_first_build_left_does_not_bind_the_next(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    with pytest.raises(Killed):
        list(IndexBuild(until(documents(9), 9), tmp_path / "i", encoder).run())
    build(documents(9), tmp_path / "i", OtherEncoder(), preset="exact", lexical=False)
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        info = reader.info()
    assert (info.documents, info.preset, info.settings["lexical"]) == (9, "exact", "")
    with pytest.raises(EncoderMismatchError):
        build(documents(9), tmp_path / "i", encoder)


def test_an_empty_corpus_makes_an_index_that_answers_nothing(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    build([], tmp_path / "i", encoder)
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        assert reader.info().documents == 0
    before = files_of(tmp_path / "i")
    build([], tmp_path / "i", encoder)
    assert files_of(tmp_path / "i") == before


def test_an_emptied_catalog_does_not_cost_the_segments(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    build(documents(3), tmp_path / "i", encoder)
    before = files_of(tmp_path / "i" / "segments")
    (tmp_path / "i" / "catalog.sqlite").write_bytes(b"")
    with pytest.raises(DamagedIndexError, match="is empty, but the index has segments"):
        build(documents(3), tmp_path / "i", encoder)
    assert files_of(tmp_path / "i" / "segments") == before


def test_a_searcher_that_does_not_open_leaves_nothing_open(
    tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(documents(3), tmp_path / "i", encoder)
    closed = []
    monkeypatch.setattr(IndexReader, "close", lambda reader: closed.append(reader.folder))
    with pytest.raises(UnknownModelError):
        Searcher.open(tmp_path / "i", encoder="no-such-model")
    assert closed == [tmp_path / "i"]


def test_two_writers_are_refused(tmp_path: Path, encoder: HashingEncoder) -> None:
    with (
        IndexWriter.open(tmp_path / "i", encoder.spec),
        pytest.raises(IndexLockedError, match="another process"),
    ):
        build(documents(1), tmp_path / "i", encoder)


def test_another_encoder_is_refused_by_content(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(3), tmp_path / "i", encoder)
    with pytest.raises(EncoderMismatchError, match="built by encoder"):
        build(documents(3), tmp_path / "i", OtherEncoder())


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, encoder: HashingEncoder) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(UnusableIndexError, match="not empty"):
        build(documents(1), tmp_path, encoder)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_segments_that_no_commit_names_are_swept(tmp_path: Path, encoder: HashingEncoder) -> None:
    build(documents(3), tmp_path / "i", encoder)
    (tmp_path / "i" / "segments" / "000002").mkdir()
    (tmp_path / "i" / "segments" / "000002" / "codes.u8").write_bytes(b"torn")
    build(documents(5), tmp_path / "i", encoder)
    assert find_faults(tmp_path / "i") == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_vector_that_is_not_finite_is_refused(
    bad: float, tmp_path: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = HashingEncoder.encode_documents

    def spoiled(self: HashingEncoder, given: list[Document]) -> object:
        embeddings = real(self, given)
        embeddings.values[0] = bad
        return embeddings

    monkeypatch.setattr(HashingEncoder, "encode_documents", spoiled)
    with pytest.raises(ValueError, match="not finite"):
        build(documents(2), tmp_path / "i", encoder)
