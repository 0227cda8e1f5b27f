"""Training the embedded encoder on a few dozen pairs: it learns, resumes and repeats."""

from __future__ import annotations

import dataclasses
import gzip
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, pre_tokenizers

from xret.errors import CorpusError, ModelError, TrainingError
from xret.retriever.encoders.static import StaticEncoder
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.common.held_out import HeldOut
from xret.retriever.training.common.losses import maxsim_matrix
from xret.retriever.training.common.parallel import PairReader
from xret.retriever.training.static.pieces import WORD_START, Pieces
from xret.retriever.training.static.quantize import principal_axes, quantize_rows
from xret.retriever.training.static.settings import StaticTraining
from xret.retriever.training.static.static import train_static
from xret.retriever.training.static.student import StaticStudent
from xret.types import Document, Query

SUBJECTS = {
    "the cat": "die katze",
    "a dog": "ein hund",
    "my mother": "meine mutter",
    "the child": "das kind",
    "a bird": "ein vogel",
    "the king": "der könig",
}
ACTIONS = {
    "sleeps in the house": "schläft im haus",
    "runs in the garden": "läuft im garten",
    "reads a book": "liest ein buch",
    "drinks cold water": "trinkt kaltes wasser",
    "sings a song": "singt ein lied",
    "eats fresh bread": "isst frisches brot",
}
PAIRS = [
    (f"{subject} {action}", f"{subjekt} {handlung}")
    for subject, subjekt in SUBJECTS.items()
    for action, handlung in ACTIONS.items()
]
SETTINGS = StaticTraining(
    languages=("de",),
    dim=16,
    vocabulary_size=300,
    pooled_steps=60,
    pooled_batch=24,
    maxsim_steps=40,
    maxsim_batch=16,
    checkpoint_steps=20,
    threads=1,
)


def write_tsv(path: Path, rows: list[tuple[str, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines("\t".join(row) + "\n" for row in rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    pairs = [("en", "de", english, german) for english, german in PAIRS]
    write_tsv(folder / "train" / "stories.tsv.gz", pairs)
    entries = [("de", "cat", "Katze"), ("de", "dog", "Hund"), ("de", "bread", "Brot")]
    write_tsv(folder / "lexicon" / "words.tsv.gz", entries)
    return folder


def train(data: Path, output: Path, settings: StaticTraining = SETTINGS) -> dict[str, np.ndarray]:
    for _ in train_static(data, output, settings=settings):
        pass
    return load_file(output / "model.safetensors")


def test_trained_encoder_finds_translations(data: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, pooled_steps=150)
    train(data, tmp_path / "model", settings)
    encoder = StaticEncoder.load(tmp_path / "model")
    documents = encoder.encode_documents(
        [Document(str(n), german, "de") for n, (_, german) in enumerate(PAIRS)]
    )
    queries = encoder.encode_queries(
        [Query(str(n), english, "en") for n, (english, _) in enumerate(PAIRS)]
    )
    right = 0
    for position, query in enumerate(queries):
        scores = [(query @ document.T).max(axis=1).sum() for document in documents]
        right += int(np.argmax(scores) == position)
    assert right >= 0.8 * len(PAIRS)


def test_progress_names_its_stages_and_ends_with_the_model(data: Path, tmp_path: Path) -> None:
    seen = list(train_static(data, tmp_path / "model", settings=SETTINGS))
    stages = list(dict.fromkeys(progress.stage for progress in seen))
    assert stages == ["files", "vocabulary", "pieces", "training", "written"]
    last = [progress for progress in seen if progress.stage == "training"][-1]
    assert (last.done, last.total) == (100, 100)
    assert "| stories | 36 | not recorded |" in (tmp_path / "model" / "README.md").read_text(
        encoding="utf-8"
    )


def test_loss_falls(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[float] = []
    original = StaticStudent.step

    def step(self: StaticStudent, number: int) -> float:
        losses.append(original(self, number))
        return losses[-1]

    monkeypatch.setattr(StaticStudent, "step", step)
    settings = dataclasses.replace(SETTINGS, maxsim_steps=0, lexicon_share=0.0)
    train(data, tmp_path / "model", settings)
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])


def test_two_runs_from_one_seed_agree_and_another_seed_differs(data: Path, tmp_path: Path) -> None:
    first = train(data, tmp_path / "first")
    second = train(data, tmp_path / "second")
    other = train(data, tmp_path / "other", dataclasses.replace(SETTINGS, seed=1))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["codes"], other["codes"])


@pytest.mark.parametrize("cut", [30, 70])
def test_cut_run_ends_with_the_weights_of_an_unbroken_one(
    data: Path, tmp_path: Path, cut: int
) -> None:
    whole = train(data, tmp_path / "whole")
    for progress in train_static(data, tmp_path / "cut", settings=SETTINGS):
        if progress.stage == "training" and progress.done == cut:
            break
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    resumed = train(data, tmp_path / "cut")
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)


def test_run_with_other_settings_is_not_taken_up(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "model")
    other = dataclasses.replace(SETTINGS, seed=5)
    with pytest.raises(TrainingError, match="other settings or data"):
        train(data, tmp_path / "model", other)
    for _ in train_static(data, tmp_path / "model", settings=other, resume=False):
        pass


def test_a_corrected_file_of_the_same_size_is_other_data(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "model")
    path = data / "lexicon" / "words.tsv.gz"
    size = path.stat().st_size
    content = bytearray(path.read_bytes())
    content[4] ^= 1  # gzip's time stamp: another file, of equal size and just as readable
    path.write_bytes(bytes(content))
    assert path.stat().st_size == size
    with pytest.raises(TrainingError, match="other settings or data"):
        train(data, tmp_path / "model")


def test_loss_that_is_no_number_stops_and_keeps_the_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = StaticStudent.step

    def step(self: StaticStudent, number: int) -> float:
        return float("nan") if number == 50 else original(self, number)

    monkeypatch.setattr(StaticStudent, "step", step)
    with pytest.raises(TrainingError, match="step 50 is nan"):
        train(data, tmp_path / "model")
    state = load_file(tmp_path / "model" / "work" / "state.safetensors")
    assert int(state["step"]) == 40
    assert np.isfinite(state["rows"]).all()


def test_missing_data_is_a_training_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no parallel text"):
        train(tmp_path / "nowhere", tmp_path / "model")


def test_unreadable_line_is_named_with_file_and_line(data: Path, tmp_path: Path) -> None:
    write_tsv(data / "train" / "zz.tsv.gz", [("en", "de", "one", "eins"), ("en", "de", "two")])
    with pytest.raises(CorpusError, match=r"zz\.tsv\.gz:2: .*found 3 columns instead of 4"):
        train(data, tmp_path / "model")
    (data / "train" / "zz.tsv.gz").write_bytes(b"not gzip")
    with pytest.raises(CorpusError, match=r"zz\.tsv\.gz:1: the file is cut or damaged"):
        train(data, tmp_path / "other")


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    """A tiny untrained BERT with a word-level tokenizer, as a teacher's folder."""
    transformers = pytest.importorskip("transformers")
    words = sorted({word for english, _ in PAIRS for word in english.split()})
    vocabulary = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    folder = tmp_path / "teacher"
    transformers.BertModel(config).save_pretrained(folder, safe_serialization=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_teacher_is_followed(data: Path, tmp_path: Path, teacher: Path) -> None:
    settings = dataclasses.replace(SETTINGS, teacher=teacher)
    taught = train(data, tmp_path / "taught", settings)
    alone = train(data, tmp_path / "alone")
    assert not np.array_equal(taught["codes"], alone["codes"])
    files = sorted((tmp_path / "taught" / "work").glob("teacher-*.safetensors"))
    assert load_file(files[0])["vectors"].shape[1] == 32


def test_missing_teacher_is_a_model_error(data: Path, tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, teacher=tmp_path / "no-teacher")
    with pytest.raises(ModelError, match="is no teacher"):
        train(data, tmp_path / "model", settings)


def test_evaluation_sentences_are_left_out(data: Path) -> None:
    english, _ = PAIRS[0]
    folder = data / "eval" / "some-set"
    folder.mkdir(parents=True)
    record = {"_id": "1", "text": english.upper() + "!", "lang": "eng_Latn"}
    (folder / "corpus.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    reader = PairReader(("de",), HeldOut.read(data / "eval", ("en", "de")))
    assert list(reader.read(data)) == ["stories.tsv.gz", "words.tsv.gz"]
    assert reader.text.overlapping == {"stories": 1}
    assert english not in reader.text.english


def test_shared_run_of_eight_words_overlaps() -> None:
    held_out = HeldOut()
    held_out.add("one two three four five six seven eight nine", "en")
    assert held_out.overlaps("he said two three four five six seven eight nine", "en")
    assert not held_out.overlaps("he said three four five six seven eight nine", "en")
    assert not held_out.overlaps("two three four five six seven eight nine ten", "de")


def test_shared_run_of_unspaced_characters_overlaps_wherever_it_stands() -> None:
    held_out = HeldOut()
    sentence = "这些传单是在七月四日晚上由约翰邓拉普的印刷店印刷的然后送出去"
    held_out.add(sentence, "zh")
    assert held_out.overlaps("前面有一些别的字" + sentence[:24], "zh")
    assert not held_out.overlaps("前面有一些别的字" + sentence[:12], "zh")


def test_held_out_languages_are_known_with_and_without_their_script(tmp_path: Path) -> None:
    record = {"_id": "1", "text": "이 전단지는 밤에 인쇄되었다", "lang": "kor_Hang"}
    (tmp_path / "corpus.jsonl").write_text(json.dumps(record), encoding="utf-8")
    assert HeldOut.read(tmp_path, ("en", "ko")).overlaps(str(record["text"]), "ko")


def test_times_of_a_resumed_stage_add_up_and_other_facts_are_replaced(tmp_path: Path) -> None:
    work = WorkFolder.open(tmp_path / "work", "run", resume=True)
    for loss in (5.0, 3.0):
        work.add_seconds("training_s", 2.5)
        work.note("loss", loss)
    assert work.notes() == {"training_s": 5.0, "loss": 3.0}


def test_maxsim_scores_follow_a_plain_loop_and_an_empty_query_scores_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, documents = (
        torch.randn(3, 8, generator=generator),
        torch.randn(6, 8, generator=generator),
    )
    owner, shares = torch.tensor([0, 0, 1]), torch.tensor([0.25, 0.75, 1.0])
    offsets = torch.tensor([0, 1, 4, 6])
    scores = maxsim_matrix(queries, shares, owner, documents, offsets, n_queries=3, longest=10)
    for document, (start, end) in enumerate(pairwise(offsets.tolist())):
        best = (queries @ documents[start:end].T).max(dim=1).values * shares
        expected = [best[0] + best[1], best[2], torch.tensor(0.0)]
        # Products are made in bfloat16, with eight bits of precision.
        assert torch.allclose(scores[:, document], torch.stack(expected), atol=0.1)


def test_without_words_keeps_whole_words_and_no_text_empty() -> None:
    word = WORD_START
    pieces = Pieces(np.array([word | 1, 2, word | 3, word | 4, 5], np.int32), np.array([0, 3, 5]))
    for seed in range(20):
        kept = pieces.without_words(np.random.default_rng(seed), share=0.5)
        texts = [kept.ids[a:b].tolist() for a, b in pairwise(kept.offsets)]
        assert texts[0] in ([1, 2, 3], [1, 2], [3])
        assert texts[1] == [4, 5]


def test_quantised_rows_are_near_and_axes_are_a_rotation() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 32)).astype(np.float32) * rng.uniform(0.1, 3, (500, 1))
    rows = rows.astype(np.float32)
    table = quantize_rows(rows)
    error = np.linalg.norm(table.rows() - rows) / np.linalg.norm(rows)
    assert table.codes.shape == (500, 16)
    assert error < 0.13
    axes = principal_axes(rows, np.ones(500, np.float32))
    assert np.allclose(axes.T @ axes, np.eye(32), atol=1e-5)
    variances = (rows @ axes).var(axis=0)
    assert variances[:16].sum() > variances[16:].sum()
