"""The embedded encoder and its tokens: what the vectors promise, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from xret.errors import ModelError
from xret.retriever.encoders.static import StaticEncoder, WordTable
from xret.retriever.encoders.wordpieces import WordPieces, normalize, split_words
from xret.retriever.models.registry import ENCODERS
from xret.types import Document, Query

FOLDER = ENCODERS["xret-static"].folder
TEXTS = [
    "The Dunlap broadsides were printed on the night of July 4, 1776.",
    "Die Flugblätter wurden in der Nacht des 4. Juli gedruckt.",
    "这些传单是在7月4日晚上印刷的。",
    "تمت طباعة النشرات ليلة الرابع من يوليو.",
    "पर्चे 4 जुलाई की रात को छापे गए थे।",
    "ใบปลิวถูกพิมพ์ในคืนวันที่ 4 กรกฎาคม",
    "이 전단지는 7월 4일 밤에 인쇄되었다.",
]


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.load(FOLDER)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "model"))


def documents(texts: list[str]) -> list[Document]:
    return [Document(str(number), text) for number, text in enumerate(texts)]


def score(encoder: StaticEncoder, query: str, text: str) -> float:
    vectors = encoder.encode_queries([Query("q", query)]).values
    return float((vectors @ encoder.encode_documents(documents([text])).values.T).max(1).sum())


def test_normalisation_unifies_spellings_of_one_word() -> None:
    assert normalize("ＡＢＣ ٣ ۴") == "abc 3 4"
    assert normalize("كِتَاب") == normalize("کتاب")
    assert normalize("שָׁלוֹם") == "שלום"
    assert split_words("والكتاب") == split_words("كتاب")


def test_words_of_unspaced_scripts_are_marked_runs() -> None:
    assert split_words("I love 東京 2024!") == ["i", "love", "▁東京", "2024"]


def test_document_vectors_have_unit_length_and_query_lengths_sum_to_one(
    encoder: StaticEncoder,
) -> None:
    values = encoder.encode_documents(documents(TEXTS)).values
    assert values.dtype == np.float32
    assert np.allclose(np.linalg.norm(values, axis=1), 1, atol=1e-5)
    for vectors in encoder.encode_queries([Query(text, text) for text in TEXTS]):
        assert np.linalg.norm(vectors, axis=1).sum() == pytest.approx(1, abs=1e-5)


def test_vectors_do_not_depend_on_the_batch(encoder: StaticEncoder) -> None:
    together = encoder.encode_documents(documents(TEXTS))
    backwards = encoder.encode_documents(documents(TEXTS[::-1]))
    fresh = StaticEncoder.load(FOLDER)
    for position, text in enumerate(TEXTS):
        alone = fresh.encode_documents(documents([text])).values
        assert np.array_equal(alone, together[position])
        assert np.array_equal(alone, backwards[len(TEXTS) - 1 - position])


def test_repeated_word_gives_one_document_vector(encoder: StaticEncoder) -> None:
    embeddings = encoder.encode_documents(documents(["rain", "rain rain rain"]))
    assert embeddings[0].shape == embeddings[1].shape == (1, encoder.spec.dim)
    assert np.allclose(embeddings[0], embeddings[1], atol=1e-6)


def test_title_is_read(encoder: StaticEncoder) -> None:
    titled = encoder.encode_documents([Document("1", "It fell all day.", title="Rain")])
    assert np.array_equal(
        titled.values, encoder.encode_documents(documents(["Rain\nIt fell all day."])).values
    )


@pytest.mark.parametrize("text", ["", "   ", "?!", "\u200b", "𒀀"])
def test_a_text_without_known_words_has_one_vector_that_is_zero(
    encoder: StaticEncoder, text: str
) -> None:
    query = encoder.encode_queries([Query("q", text)]).values
    document = encoder.encode_documents(documents([text])).values
    assert query.shape == document.shape == (1, encoder.spec.dim)
    assert not query.any() and not document.any()
    assert score(encoder, text, TEXTS[0]) == 0


def test_empty_batches_are_empty(encoder: StaticEncoder) -> None:
    assert encoder.encode_queries([]).values.shape == (0, encoder.spec.dim)
    assert encoder.encode_documents([]).offsets.tolist() == [0]


def test_long_documents_are_cut_at_a_word_and_counted(encoder: StaticEncoder) -> None:
    before = encoder.truncated
    long = " ".join(f"{number:05}" for number in range(2_000))
    embeddings = encoder.encode_documents(documents([long, "short"]))
    assert encoder.truncated == before + 1
    assert len(embeddings[0]) <= encoder.config.max_tokens
    counted = encoder.count_tokens([long, "short"])
    assert counted[0] > encoder.config.max_tokens > counted[1] > 0


@pytest.mark.parametrize("text", TEXTS[1:])
def test_question_prefers_the_translation_to_another_subject(
    encoder: StaticEncoder, text: str
) -> None:
    question = "When were the leaflets printed at night in July?"
    other = "The goalkeeper missed the second half of the football match."
    assert score(encoder, question, text) > score(encoder, question, other)


def test_dequantised_rows_follow_the_formula() -> None:
    levels = np.linspace(-2, 2, 16, dtype=np.float32)
    columns, scales = np.array([1, 2, 3, 4], np.float32), np.array([1, 0.5], np.float16)
    codes = np.array([[0x10, 0x32], [0xFE, 0x00]], np.uint8)
    table = WordTable(codes, levels, columns, scales, np.zeros(2, np.float16))
    expected = levels[[[0, 1, 2, 3], [14, 15, 0, 0]]] * columns * [[1], [0.5]]
    assert np.allclose(table.rows(np.array([0, 1])), expected)


def test_fingerprint_follows_the_content(copy: Path, encoder: StaticEncoder) -> None:
    assert StaticEncoder.load(copy).spec.fingerprint == encoder.spec.fingerprint
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    (copy / "config.json").write_text(json.dumps({**config, "query_power": 1.25}))
    assert StaticEncoder.load(copy).spec.fingerprint != encoder.spec.fingerprint


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_missing_or_broken_file_is_named(copy: Path, name: str) -> None:
    (copy / name).write_bytes(b"{broken")
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        StaticEncoder.load(copy)
    (copy / name).unlink()
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        StaticEncoder.load(copy)


@pytest.mark.parametrize(
    "change", [{"dim": 0}, {"dim": 3}, {"surprise": 1}, {"languages": None}, {"format": 99}]
)
def test_configuration_that_does_not_fit_is_refused(copy: Path, change: dict[str, object]) -> None:
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    (copy / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelError, match=r"config\.json"):
        StaticEncoder.load(copy)


def test_vocabulary_of_another_model_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    changed = {**config, "vocabulary_size": config["vocabulary_size"] - 1}
    (copy / "config.json").write_text(json.dumps(changed))
    with pytest.raises(ModelError, match="different models"):
        StaticEncoder.load(copy)


def test_tensor_of_another_shape_is_refused(copy: Path) -> None:
    tensors = load_file(copy / "model.safetensors")
    save_file({**tensors, "columns": tensors["columns"][:-2].copy()}, copy / "model.safetensors")
    with pytest.raises(ModelError, match="'columns' should be float32"):
        StaticEncoder.load(copy)


def test_forgetting_words_does_not_change_their_pieces() -> None:
    pieces = WordPieces.load(FOLDER / "tokenizer.json")
    before = [pieces.ids(text) for text in TEXTS]
    pieces._numbers_of_word |= {f"filler{n}": () for n in range(400_001)}
    pieces.forget()
    assert not pieces.pieces
    assert [pieces.ids(text) for text in TEXTS] == before
