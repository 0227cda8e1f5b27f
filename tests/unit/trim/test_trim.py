"""Trimmed models: fewer rows and adapters, and the vectors of the whole model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tiny_encoders import (
    tiny_bi_encoder,
    tiny_late,
    tiny_pylate,
    tiny_stanford,
    tiny_static,
    write_json,
)
from tiny_models import LANGUAGES, TEXTS, randomise, tiny_colbert_xm, tiny_dpr_xm
from tiny_word_models import SENTENCES, tiny_word_model
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import BertConfig, BertModel

from xret.errors import ConfigError, CorpusError, LanguageError, ModelError, UnknownModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.static import StaticConfig, StaticEncoder
from xret.retriever.models.compact import compacted, restored
from xret.retriever.models.hub import model_folder
from xret.retriever.models.registry import ENCODERS
from xret.retriever.modules.transforms import StaticTransforms
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.trim import folder as trimmed_folder
from xret.retriever.trim.piece_choice import PieceChoice
from xret.retriever.trim.report import TrimReport
from xret.retriever.trim.served_texts import ServedTexts
from xret.retriever.trim.settings import Change
from xret.retriever.trim.trim import ModelTrim
from xret.retriever.trim.vocabulary import Vocabulary
from xret.types import Document, Query

LAYOUTS = (
    tiny_bi_encoder,
    tiny_static,
    tiny_late,
    tiny_pylate,
    tiny_stanford,
    tiny_dpr_xm,
    tiny_colbert_xm,
)
SERVED = ("sw", "en")
LINES = [TEXTS[lang] for lang in SERVED]


def lines(texts: Iterable[str], lang: str = "und") -> Callable[[], list[Document]]:
    return lambda: [Document("", text, lang) for text in texts]


def trimmed(
    model: Path | str,
    output: Path,
    *,
    texts: Sequence[str] | None = LINES,
    langs: Sequence[str] = SERVED,
    min_count: int = 1,
) -> TrimReport:
    source = None if texts is None else lines(texts)
    trim = ModelTrim(str(model), output, langs=langs, texts=source, min_count=min_count)
    for _ in trim.run():
        pass
    assert trim.report is not None
    assert sorted(path.name for path in output.parent.glob(".*")) == []
    return trim.report


def assert_same_vectors(model: Path | str, output: Path, texts: Sequence[tuple[str, str]]) -> None:
    options = None if model == "xret-static" else EncoderOptions(backend="torch", device="cpu")
    whole = load_encoder(str(model), options=options)
    copy = load_encoder(str(output), options=options)
    for lang, text in texts:
        document, query = Document("", text, lang), Query("", text, lang)
        for one, other in (
            (whole.encode_documents([document]), copy.encode_documents([document])),
            (whole.encode_queries([query]), copy.encode_queries([query])),
        ):
            assert one.values.shape == other.values.shape, text
            assert np.abs(one.values - other.values).max() <= 1e-6, text


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_the_same_vectors_with_fewer_rows(
    layout: Callable[[Path], Path], tmp_path: Path
) -> None:
    model = layout(tmp_path / "model")
    report = trimmed(model, tmp_path / "small")
    assert report.pieces_after < report.pieces_before
    assert report.bytes_after < report.bytes_before
    assert report.identical == report.lines == 2 and report.largest_difference <= 1e-6
    on_disk = {
        p.relative_to(tmp_path / "small").as_posix(): p.stat().st_size
        for p in (tmp_path / "small").rglob("*")
        if p.is_file()
    }
    on_disk.pop("README.md")
    assert {file.name: file.after for file in report.files} == on_disk
    table = next(
        tensor
        for name, tensor in load_file(tmp_path / "small/model.safetensors").items()
        if name.endswith(("word_embeddings.weight", "embedding.weight"))
    )
    assert len(table) == report.pieces_after
    assert_same_vectors(model, tmp_path / "small", [(lang, TEXTS[lang]) for lang in SERVED])


@pytest.mark.slow
@pytest.mark.parametrize("layout", [tiny_bi_encoder, tiny_static, tiny_colbert_xm])
def test_without_texts_any_text_in_the_scripts_has_the_same_vectors(
    layout: Callable[[Path], Path], tmp_path: Path
) -> None:
    model = layout(tmp_path / "model")
    report = trimmed(model, tmp_path / "small", texts=None)
    assert report.chosen_by == "scripts" and report.scripts == ("Latn",)
    pieces = json.loads((tmp_path / "small" / "tokenizer.json").read_text())["model"]["vocab"]
    kept = {piece for piece, _ in pieces}
    assert not kept & set("珊瑚ажшпअ") and {"▁recifs"} | set("aé7,") > kept & set("aé7,")
    unseen = "Zoé vend 37 kilos de poissons frais; die fische wandern"
    assert_same_vectors(model, tmp_path / "small", [("sw", unseen), ("en", TEXTS["fr"])])


def test_the_shipped_encoder_for_two_languages_is_smaller_and_the_same(tmp_path: Path) -> None:
    texts = [*LINES, "Rais alitangaza mabadiliko ya katiba 2010", "naïve café µm Ω"]
    report = trimmed("xret-static", tmp_path / "small", texts=[*texts, *LINES * 6])
    assert report.pieces_before == 131_072 and report.bytes_after < 0.1 * report.bytes_before
    assert report.largest_difference == 0.0
    assert report.languages_after == ("en", "sw") and report.languages_dropped == 31 / 33
    config = StaticConfig.read(tmp_path / "small" / "config.json")
    assert config.vocabulary_size == report.pieces_after and config.languages == ("en", "sw")
    whole, copy = load_encoder("xret-static"), load_encoder(str(tmp_path / "small"))
    documents = [Document("", text, "sw") for text in texts]
    one, other = whole.encode_documents(documents), copy.encode_documents(documents)
    assert np.array_equal(one.values, other.values)
    assert np.array_equal(one.offsets, other.offsets)
    assert isinstance(copy, StaticEncoder) and copy.spec.languages == ("en", "sw")
    assert copy.count_tokens(["qwertyuiop Ąžuolas"]) > [0]  # letter by letter
    card = (tmp_path / "small" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# xret-static") and "## Trimmed" in card


@pytest.mark.slow
def test_only_the_adapters_of_the_languages_served_are_there(tmp_path: Path) -> None:
    model = tiny_dpr_xm(tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    assert config["default_language"] == "en_XX" and config["languages"] == list(LANGUAGES)
    report = trimmed(model, tmp_path / "small", langs=["sw", "fr"], texts=None)
    assert report.module == "X-MOD adapters"
    assert report.languages_before == ("en", "fr", "de", "zh", "ar", "sw")
    assert report.languages_after == ("fr", "sw") and report.languages_dropped == 4 / 6
    config = json.loads((tmp_path / "small" / "config.json").read_text())
    assert config["languages"] == ["fr_XX", "sw_KE"] and config["default_language"] is None
    names = load_file(tmp_path / "small" / "model.safetensors")
    owners = {name.split("adapter_modules.")[1][:5] for name in names if "adapter_modules" in name}
    assert owners == {"fr_XX", "sw_KE"}
    encoder = load_encoder(str(tmp_path / "small"))
    assert encoder.spec.languages == ("fr", "sw")
    assert_same_vectors(model, tmp_path / "small", [("sw", TEXTS["sw"]), ("fr", TEXTS["fr"])])
    trimmed(model, tmp_path / "one", langs=["sw"], texts=None)
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    assert config["default_language"] == "sw_KE"


@pytest.mark.parametrize("compact", [False, True])
def test_a_model_of_words_is_trimmed_with_its_emphasis(compact: bool, tmp_path: Path) -> None:
    model = tiny_word_model(tmp_path / "model", compact=compact)
    texts = [SENTENCES[lang] for lang in SERVED]
    report = trimmed(model, tmp_path / "small", texts=texts)
    assert report.languages_after == ("en", "sw") and report.largest_difference <= 1e-6
    emphasis = load_file(tmp_path / "small" / "1_WordPooling" / "model.safetensors")["emphasis"]
    weights = load_file(tmp_path / "small" / "model.safetensors")
    table = weights["embeddings.word_embeddings.weight"]
    assert len(emphasis) == len(table) == report.pieces_after < report.pieces_before
    assert table.dtype == (torch.int8 if compact else torch.float32)
    assert_same_vectors(model, tmp_path / "small", [(lang, SENTENCES[lang]) for lang in SERVED])


def test_compact_weights_and_those_of_word_pooling_are_cut_row_by_row(tmp_path: Path) -> None:
    order, rows = [0, 5_000, 17, 4_999], 5_001
    weights = {
        "embeddings.word_embeddings.weight": torch.randn(rows, 8),
        "lm_head.bias": torch.randn(rows),
        "lm_head.decoder.weight": torch.randn(rows, 8),
        "encoder.layer.0.dense.weight": torch.randn(8, 8),
    }
    source = tmp_path / "source"
    source.mkdir()
    save_file(compacted(weights), source / "model.safetensors")
    (source / "1_WordPooling").mkdir()
    emphasis = {"emphasis": torch.randn(rows), "context": torch.randn(8)}
    save_file(emphasis, source / "1_WordPooling" / "model.safetensors")
    write_json(source / "1_WordPooling" / "config.json", {"vocabulary_size": rows, "dim": 8})
    change = Change(order, rows, ["sw"])
    assert trimmed_folder.table_rows(source) == rows
    for name in trimmed_folder.model_entries(source):
        trimmed_folder.write_trimmed(source, tmp_path / "small", name, change)
    whole = restored(load_file(source / "model.safetensors"))
    small = restored(load_file(tmp_path / "small" / "model.safetensors"))
    for name, tensor in whole.items():
        assert torch.equal(small[name], tensor if "dense" in name else tensor[order]), name
    pooling = tmp_path / "small" / "1_WordPooling"
    assert torch.equal(
        load_file(pooling / "model.safetensors")["emphasis"], emphasis["emphasis"][order]
    )
    assert json.loads((pooling / "config.json").read_text())["vocabulary_size"] == 4


def test_a_model_in_several_files_stays_one(tmp_path: Path) -> None:
    model = tiny_dpr_xm(tmp_path / "model")
    weights = {
        name: tensor.clone() for name, tensor in load_file(model / "model.safetensors").items()
    }
    (model / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for file, inside in parts.items():
        part = {name: weights[name] for name in inside}
        save_file(part, model / file, metadata={"format": "pt"})
    where = {name: file for file, inside in parts.items() for name in inside}
    write_json(model / "model.safetensors.index.json", {"metadata": {}, "weight_map": where})
    trimmed(model, tmp_path / "small")
    index = json.loads((tmp_path / "small" / "model.safetensors.index.json").read_text())
    stored = {
        name: path.name
        for path in (tmp_path / "small").glob("*.safetensors")
        for name in load_file(path)
    }
    assert index["weight_map"] == stored and len(stored) < len(where)
    assert_same_vectors(model, tmp_path / "small", [("sw", TEXTS["sw"])])


# WordPiece


def tiny_bert(folder: Path, vocab: Sequence[str]) -> Path:
    """A sentence-transformers bi-encoder over BERT with that vocabulary."""
    folder.mkdir(parents=True)
    rows = {piece: row for row, piece in enumerate(vocab)}
    tokenizer = Tokenizer(models.WordPiece(rows, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", rows["[SEP]"]), ("[CLS]", rows["[CLS]"])
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "BertTokenizer",
            "model_max_length": 64,
            **dict(zip(names, special, strict=True)),
            "added_tokens_decoder": {
                str(rows[token]): {"content": token, "special": True} for token in special
            },
        },
    )
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=64,
        pad_token_id=rows["[PAD]"],
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    randomise(model)
    model.save_pretrained(folder)
    types = (("", "Transformer"), ("1_Pooling", "Pooling"))
    write_json(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(types)
        ],
    )
    (folder / "1_Pooling").mkdir()
    write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True},
    )
    return folder


def bert_pieces() -> list[str]:
    """Special tokens in the middle and at the end, as in no order that trimming would make."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = sorted({word for text in TEXTS.values() for word in text.lower().split()})
    pieces = ["[PAD]", *(f"[unused{n}]" for n in range(20)), "[UNK]", "[CLS]", "[SEP]"]
    pieces += [*letters, *(f"##{letter}" for letter in letters if letter != "q"), *"жш珊瑚.,"]
    pieces += ["reefs", "##ing", "warm", "##warm", "kor", "##allen", "abc", "ab", "##cd", "[MASK]"]
    return list(dict.fromkeys([*pieces, *words]))


def test_wordpiece_keeps_special_tokens_in_their_places(tmp_path: Path) -> None:
    model = tiny_bert(tmp_path / "model", bert_pieces())
    report = trimmed(model, tmp_path / "small", texts=[*LINES, "warming reefs, abcq"])
    content = json.loads((tmp_path / "small" / "tokenizer.json").read_text())
    vocab = content["model"]["vocab"]
    assert list(vocab.values()) == list(range(report.pieces_after))
    assert vocab["[PAD]"] == 0 and "珊" not in vocab and "##allen" not in vocab
    assert vocab["[CLS]"] == 22 and content["post_processor"]["cls"] == ["[CLS]", 22]
    assert {token["content"]: token["id"] for token in content["added_tokens"]} == {
        piece: vocab[piece] for piece in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    }
    settings = json.loads((tmp_path / "small" / "tokenizer_config.json").read_text())
    assert settings["added_tokens_decoder"][str(vocab["[MASK]"])]["content"] == "[MASK]"
    assert "vocab.txt" in report.left_out and not (tmp_path / "small" / "vocab.txt").exists()
    assert_same_vectors(model, tmp_path / "small", [("en", "warming abcq reefs")])


def test_what_the_settings_name_is_kept(tmp_path: Path) -> None:
    model = tiny_bert(tmp_path / "model", bert_pieces())
    write_json(model / "artifact.metadata", {"query_token_id": "[unused7]"})
    write_json(
        model / "config_sentence_transformers.json",
        {"prompts": {"query": "warm kor"}, "skiplist_words": ["##ing"]},
    )
    trimmed(model, tmp_path / "small", texts=["samaki"])
    vocab = json.loads((tmp_path / "small" / "tokenizer.json").read_text())["model"]["vocab"]
    assert {"[unused7]", "warm", "kor", "##ing"} <= vocab.keys()
    assert not {"[unused8]", "##allen", "reefs"} & vocab.keys()


def test_a_word_that_was_unknown_stays_unknown() -> None:
    vocabulary = {piece: row for row, piece in enumerate(bert_pieces())}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    whole = Vocabulary(tokenizer)
    assert whole.cut(["abcd"]) == [[vocabulary["abc"], vocabulary["##d"]]]
    assert whole.cut(["abcdq"]) == [[vocabulary["[UNK]"]]]  # there is no ##q
    used = set(np.flatnonzero(whole.counts(["abcdq"])).tolist())
    assert used == {vocabulary[piece] for piece in ("abc", "##d", "[UNK]")}
    lone = {vocabulary[piece] for piece in ("[UNK]", "ab", "##cd", "a", "b")}
    small = whole.smaller(whole.order(used | lone))
    assert small.cut(["abcdq"]) == [[small.rows["[UNK]"]]]


# Unigram and BPE


def choose(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Vocabulary, Vocabulary]:
    """The whole vocabulary and that chosen by English texts."""
    whole = Vocabulary(tokenizer)
    choice = PieceChoice(whole, ["en"], {"Latn"}, whole.needed({"Latn"}))
    for _ in choice.by_texts(ServedTexts(lines(texts), ["en"]), min_count=1):
        pass
    assert choice.identical == choice.lines == len(texts)
    return whole, whole.smaller(choice.order)


def test_unigram_keeps_the_score_by_which_unknown_characters_are_scored() -> None:
    pieces = [("<unk>", 0.0), ("▁", -1.0), ("ab", -3.0), ("a", -6.0), ("zzz", -40.0), ("☃b", -34.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    whole, small = choose(tokenizer, ["ab"])
    assert "zzz" in small.rows
    dropped = whole.order(set(range(6)) - {4})
    spelled = [[whole.pieces[row] for row in ids] for ids in whole.cut(["a☃b"])]
    broken = whole.smaller(dropped)
    assert (
        spelled
        == [["a", "☃b"]]
        != [[broken.pieces[r] for r in ids] for ids in broken.cut(["a☃b", "☃☃b"])]
    )


def test_a_vocabulary_is_filled_up_by_the_likeliest_pieces() -> None:
    pieces = [("<unk>", 0.0), ("▁", -1.0), *((f"{a}{b}", -9.0) for a in "cd" for b in "xyz")]
    pieces += [("ab", -3.0), ("қала", -5.0), ("тау", -6.0), ("a", -8.0), ("zzz", -40.0)]
    whole = Vocabulary(Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False)))

    def kept(n: int) -> list[str]:
        choice = PieceChoice(whole, ["en"], {"Latn"}, whole.needed({"Latn"}))
        texts = ServedTexts(lines(["ab"]), ["en"])
        for _ in choice.by_texts(texts, min_count=1, pieces=n):
            pass
        return [whole.pieces[row] for row in choice.order]

    plain = kept(0)
    assert kept(len(plain)) == kept(1) == plain and "қала" not in plain
    assert set(kept(len(plain) + 1)) == {*plain, "қала"}
    assert set(kept(len(plain) + 2)) == {*plain, "қала", "тау"}
    assert len(kept(100)) == len(pieces)  # there are no more


def test_a_line_behind_several_prompts_counts_once() -> None:
    pieces = [("<unk>", 0.0), ("▁", -1.0), ("ab", -3.0), ("cd", -3.0), ("▁query", -4.0)]
    pieces += [("▁passage", -4.0), ("zzz", -40.0)]
    whole = Vocabulary(Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False)))
    prompts = ("", "▁query", "▁passage")
    choice = PieceChoice(whole, ["en"], {"Latn"}, whole.needed({"Latn"}, said=prompts), (), prompts)
    for _ in choice.by_texts(ServedTexts(lines(["ab", "cd", "cd"]), ["en"]), min_count=2):
        pass
    kept = {whole.pieces[row] for row in choice.order}
    assert "cd" in kept and "ab" not in kept


def test_only_pieces_with_a_probability_fill_a_vocabulary_up() -> None:
    whole = Vocabulary(byte_level_bpe(["abab"]))
    choice = PieceChoice(whole, ["en"], {"Latn"}, whole.needed({"Latn"}))
    with pytest.raises(ModelError, match="leave --pieces out"):
        list(choice.by_texts(ServedTexts(lines(["ab"]), ["en"]), min_count=1, pieces=9))


def byte_level_bpe(texts: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        list(texts) * 3,
        trainers.BpeTrainer(
            vocab_size=700,
            special_tokens=["<pad>", "</s>"],
            min_frequency=2,
            initial_alphabet=alphabet,
            show_progress=False,
        ),
    )
    return tokenizer


def test_bpe_keeps_what_its_merges_are_made_of() -> None:
    tokenizer = byte_level_bpe(list(TEXTS.values()))
    texts = ["the reefs are warming", "samaki wanaondoka 7 ☃", "ελ ж"]
    whole, small = choose(tokenizer, texts)
    assert 262 < small.size < whole.size
    for merge in small.content["model"]["merges"]:
        assert {*merge, "".join(merge)} <= small.rows.keys()
    for text in (*texts, "珊瑚 réchauffent", "\t\u0000"):  # any text can still be read
        assert small._tokenizer.decode(small.cut([text])[0]) == tokenizer.decode(
            whole.cut([text])[0]
        )


def test_bpe_without_a_part_of_a_piece_would_cut_otherwise() -> None:
    whole, small = choose(byte_level_bpe(list(TEXTS.values())), ["the reefs"])
    used = set(np.flatnonzero(whole.counts(["the reefs"])).tolist())
    assert whole.closed(used) > used
    alone = whole.smaller(whole.order(used | set(range(258))))
    assert len(alone.cut(["the reefs"])[0]) > len(small.cut(["the reefs"])[0])


def test_a_bpe_model_has_the_same_vectors(tmp_path: Path) -> None:
    model = tiny_static(tmp_path / "model")
    tokenizer = byte_level_bpe(list(TEXTS.values()))
    tokenizer.save(str(model / "tokenizer.json"))
    weights = torch.randn(tokenizer.get_vocab_size(), 16)
    (model / "model.safetensors").unlink()
    save_file({"embedding.weight": weights}, model / "model.safetensors")
    report = trimmed(model, tmp_path / "small")
    assert report.pieces_after < report.pieces_before
    assert_same_vectors(model, tmp_path / "small", [("sw", TEXTS["sw"])])
    report = trimmed(model, tmp_path / "scripts", texts=None)
    assert_same_vectors(model, tmp_path / "scripts", [("en", TEXTS["fr"])])
    kept = json.loads((tmp_path / "scripts" / "tokenizer.json").read_text())["model"]["vocab"]
    assert any("Ã©" in piece for piece in kept)  # é, as bytes
    assert report.pieces_after < report.pieces_before  # no Arabic words


# What is measured


def test_held_out_lines_are_measured_by_a_vocabulary_that_never_saw_them(tmp_path: Path) -> None:
    texts = [LINES[i % 2] for i in range(40)]
    report = trimmed(tiny_static(tmp_path / "model"), tmp_path / "same", texts=texts)
    assert report.held_out is not None
    assert (report.held_out.lines, report.held_out.share) == (4, 1.0)
    for place in (9, 19):  # words of no other line
        texts[place] = TEXTS[("fr", "de")[place // 10]]
    report = trimmed(tmp_path / "model", tmp_path / "other", texts=texts)
    assert report.held_out is not None
    assert (report.held_out.lines, report.held_out.identical) == (4, 2)
    assert report.identical == report.lines == 40  # the model that is written has seen them
    few = trimmed(tmp_path / "model", tmp_path / "few")
    assert few.held_out is None


def test_rare_pieces_go_when_told_and_the_lines_are_counted(tmp_path: Path) -> None:
    model = tiny_static(tmp_path / "model")
    texts = [*LINES * 5, TEXTS["fr"]]
    report = trimmed(model, tmp_path / "small", texts=texts, min_count=3)
    assert (report.lines, report.identical) == (11, 10)
    assert_same_vectors(model, tmp_path / "small", [("sw", TEXTS["sw"])])
    with pytest.raises(CorpusError, match="lower --min-count"):
        trimmed(model, tmp_path / "none", texts=LINES, min_count=9)


def test_scripts_that_are_no_longer_read_are_told(tmp_path: Path) -> None:
    model = tiny_bi_encoder(tmp_path / "model")
    report = trimmed(model, tmp_path / "small")
    assert "Latn" not in report.scripts_unread and report.scripts_unread["Hani"] == 0
    assert report.languages_unread == ()
    card = (tmp_path / "small" / "README.md").read_text(encoding="utf-8")
    assert "No longer read" in card and "Hani" in card
    served = trimmed(model, tmp_path / "served", langs=["sw", "am"])
    assert served.languages_unread == ("am",)
    assert "cannot write am" in (tmp_path / "served" / "README.md").read_text(encoding="utf-8")


def test_texts_that_say_another_language_are_left_out(tmp_path: Path) -> None:
    documents = [Document("", TEXTS["fr"], "fr"), Document("", TEXTS["sw"], "sw", "samaki")]
    model = tiny_static(tmp_path / "model")
    trim = ModelTrim(str(model), tmp_path / "small", langs=["sw"], texts=lambda: documents)
    for _ in trim.run():
        pass
    assert trim.report is not None
    assert (trim.report.lines, trim.report.skipped) == (1, 1)
    kept = (tmp_path / "small" / "tokenizer.json").read_text(encoding="utf-8")
    assert "▁matumbawe" in kept and "▁poissons" not in kept


# Language modules beside the model


def add_lora(model: Path, lang: str, base: str, seed: int) -> None:
    folder = model / "adapters" / lang
    folder.mkdir(parents=True)
    write_json(folder / "adapter_config.json", {"peft_type": "LORA", "r": 2, "lora_alpha": 8})
    draw = torch.Generator().manual_seed(seed)
    layer = "base_model.model.encoder.layer.0.attention.self.query"
    save_file(
        {
            f"{layer}.lora_A.weight": torch.randn(2, 32, generator=draw),
            f"{layer}.lora_B.weight": torch.randn(32, 2, generator=draw),
        },
        folder / "adapter_model.safetensors",
    )
    write_json(folder / "xret.json", {"base": base})


def test_lora_adapters_are_bound_to_the_trimmed_model(tmp_path: Path) -> None:
    model = tiny_bi_encoder(tmp_path / "model")
    base = load_encoder(str(model)).spec.fingerprint
    for seed, lang in enumerate(("sw", "en", "fr")):
        add_lora(model, lang, base, seed)
    report = trimmed(model, tmp_path / "small")
    assert report.module == "LoRA adapters" and report.languages_after == ("en", "sw")
    assert sorted(path.name for path in (tmp_path / "small/adapters").iterdir()) == ["en", "sw"]
    assert next(f.after for f in report.files if f.name.startswith("adapters/fr/")) == 0
    bound = json.loads((tmp_path / "small/adapters/sw/xret.json").read_text())["base"]
    assert bound != base
    assert_same_vectors(model, tmp_path / "small", [(lang, TEXTS[lang]) for lang in SERVED])


def test_static_transforms_are_bound_to_the_trimmed_model(tmp_path: Path) -> None:
    model = tiny_bi_encoder(tmp_path / "model")
    base = load_encoder(str(model)).spec.fingerprint
    rng = np.random.default_rng(0)
    means = rng.standard_normal((3, 32)).astype(np.float32)
    matrices = rng.standard_normal((3, 32, 32)).astype(np.float32)
    StaticTransforms(["de", "en", "sw"], means, matrices, base=base).save(model / "transforms")
    report = trimmed(model, tmp_path / "small")
    assert report.languages_before == ("de", "en", "sw")
    assert report.languages_after == ("en", "sw")
    assert_same_vectors(model, tmp_path / "small", [(lang, TEXTS[lang]) for lang in SERVED])
    with pytest.raises(LanguageError, match="no de"):
        ModelTrim(str(tmp_path / "small"), tmp_path / "again", langs=["de"])


def test_prompts_that_only_the_registry_names_go_with_the_copy(tmp_path: Path) -> None:
    name = "multilingual-e5-small"
    folder = tiny_bi_encoder(model_folder(name))
    write_json(
        folder / "pin.json", {"name": name, "repo": ENCODERS[name].repo, "revision": "0" * 40}
    )
    report = trimmed(name, tmp_path / "small")
    assert "pin.json" in report.left_out
    assert_same_vectors(name, tmp_path / "small", [(lang, TEXTS[lang]) for lang in SERVED])


def test_exported_graphs_and_pickles_stay_behind(tmp_path: Path) -> None:
    model = tiny_bi_encoder(tmp_path / "model")
    (model / "onnx" / "fr").mkdir(parents=True)
    (model / "onnx" / "fr" / "model.onnx").write_bytes(b"graph")
    (model / "sentencepiece.bpe.model").write_bytes(b"pieces")
    (model / "optimizer.pt").write_bytes(b"state")
    report = trimmed(model, tmp_path / "small")
    assert set(report.left_out) == {"onnx", "sentencepiece.bpe.model", "optimizer.pt"}
    assert "export again" in report.left_out["onnx"]
    assert not {"onnx", "sentencepiece.bpe.model", "optimizer.pt"} & {
        path.name for path in (tmp_path / "small").iterdir()
    }


# What is refused, and that nothing is left then


def assert_nothing_left(folder: Path, output: Path) -> None:
    assert not output.exists() and not list(folder.glob(".*"))


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"langs": ["gl"]}, LanguageError, "no gl"),
        ({"langs": []}, LanguageError, "name the languages"),
        ({"langs": ["und"]}, LanguageError, "name the languages"),
        ({"langs": ["sw"], "model": "no-such-model"}, UnknownModelError, "no encoder is called"),
        ({"langs": ["sw"], "output": "model/inside"}, ConfigError, "lies inside"),
        ({"langs": ["sw"], "output": "model"}, ConfigError, "not empty"),
        ({"langs": ["sw"], "output": "model/config.json"}, ConfigError, "no folder"),
        ({"langs": ["sw"], "min_count": 0}, ConfigError, "min_count is 0"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_read(
    changes: dict[str, Any], error: type[Exception], said: str, tmp_path: Path
) -> None:
    model = tiny_dpr_xm(tmp_path / "model")
    given = {"model": str(model), "output": tmp_path / changes.pop("output", "small")} | changes
    with pytest.raises(error, match=said):
        ModelTrim(given.pop("model"), given.pop("output"), **given)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "empty"),
        ([TEXTS["sw"], *[TEXTS["de"]] * 30], r"German \(30\)"),  # one line is no language
        (["", "  "], "empty"),
        ([TEXTS["zh"]] * 3, "none of sw, en: the first lines seem to be in Chinese"),
        (
            ["Les poissons partent et les récifs de corail se réchauffent beaucoup trop vite"] * 3,
            r"French \(3\)",
        ),
        (["12 + 30 = 42"], "no language"),
    ],
)
def test_texts_that_cannot_be_the_right_ones_are_refused(
    texts: list[str], said: str, tmp_path: Path
) -> None:
    model = tiny_static(tmp_path / "model")
    with pytest.raises(CorpusError, match=said):
        trimmed(model, tmp_path / "small", texts=texts)
    assert_nothing_left(tmp_path, tmp_path / "small")


def test_a_language_that_the_identifier_never_saw_is_not_refused(tmp_path: Path) -> None:
    model = tiny_static(tmp_path / "model")
    text = "Ndi ngopfu nga maanda vhathu vhothe vha tea u vha na mbofholowo"  # Venda
    report = trimmed(model, tmp_path / "small", texts=[text], langs=["ve"])
    assert report.lines == 1


def test_models_that_cannot_be_trimmed_say_why(tmp_path: Path) -> None:
    model = tiny_bi_encoder(tmp_path / "model")
    (model / "masks").mkdir()
    with pytest.raises(ModelError, match="sparse masks"):
        trimmed(model, tmp_path / "small")
    (model / "masks").rmdir()
    (model / "more").mkdir()
    (model / "more" / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match=r"2 files tokenizer\.json"):
        trimmed(model, tmp_path / "small")
    (model / "more" / "tokenizer.json").unlink()
    weights = {n: w.clone() for n, w in load_file(model / "model.safetensors").items()}
    (model / "model.safetensors").unlink()
    rows = len(weights["embeddings.word_embeddings.weight"])
    odd = {**weights, "table_of_something": torch.zeros(rows, 2)}
    save_file(odd, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="table_of_something"):
        trimmed(model, tmp_path / "small")
    assert_nothing_left(tmp_path, tmp_path / "small")


def test_other_vectors_are_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_late(tmp_path / "model")
    cut = trimmed_folder._cut

    def turned(name: str, tensor: torch.Tensor, *rest: Any) -> torch.Tensor:
        return cut(name, tensor, *rest).flip(0)

    monkeypatch.setattr(trimmed_folder, "_cut", turned)
    with pytest.raises(ModelError, match=r"would not give the same vectors.*differ by"):
        trimmed(model, tmp_path / "small")
    assert_nothing_left(tmp_path, tmp_path / "small")


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_static(tmp_path / "model")

    def full(_tensors: object, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(trimmed_folder, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        trimmed(model, tmp_path / "small")
    assert_nothing_left(tmp_path, tmp_path / "small")


def test_trimmed_twice_is_the_same_and_an_empty_folder_may_be_given(tmp_path: Path) -> None:
    model = tiny_colbert_xm(tmp_path / "model")
    (tmp_path / "two").mkdir()
    for name in ("one", "two"):
        trimmed(model, tmp_path / name)
    for path in sorted((tmp_path / "one").rglob("*")):
        if path.is_file():
            again = tmp_path / "two" / path.relative_to(tmp_path / "one")
            assert path.read_bytes() == again.read_bytes()
    report = trimmed(tmp_path / "one", tmp_path / "three")  # nothing more to take away
    assert report.pieces_after == report.pieces_before


def test_a_trimmed_model_has_no_cards_of_languages_that_it_lacks(tmp_path: Path) -> None:
    model = tiny_word_model(tmp_path / "words")
    (model / "adapter_cards").mkdir()
    for lang in ("sw", "fr"):
        (model / "adapter_cards" / f"{lang}.json").write_text("{}", encoding="utf-8")
    trimmed(model, tmp_path / "small")
    cards = (tmp_path / "small" / "adapter_cards").iterdir()
    assert [path.name for path in cards] == ["sw.json"]
