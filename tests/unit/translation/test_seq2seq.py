"""A local model of many languages as a translator: a tiny random one, by transformers."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
)

from xret.errors import MissingLibraryError, TranslationError
from xret.retriever.translation.opened import open_translator
from xret.retriever.translation.seq2seq import Seq2SeqTranslator

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "fra_Latn", "eng_Latn", "sea", "river", "mer", "fleuve"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-nllb"
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=["fra_Latn", "eng_Latn"],
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=len(WORDS),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=64,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
    )
    M2M100ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def test_texts_are_translated_in_order_and_alike_alone_or_together(folder: Path) -> None:
    model = Seq2SeqTranslator(folder)
    together = model.translate(["sea", "river sea river"], "en", "fr")
    alone = [model.translate([text], "en", "fr")[0] for text in ("sea", "river sea river")]
    assert together == alone and all(isinstance(text, str) for text in together)
    assert not any(token in text for text in together for token in ("fra_Latn", "</s>"))


def test_a_language_that_the_model_does_not_have_is_told(folder: Path) -> None:
    with pytest.raises(TranslationError, match="tiny-nllb has no token for sw"):
        Seq2SeqTranslator(folder).translate(["sea"], "en", "sw")


def test_another_weight_is_another_translator(folder: Path) -> None:
    first = open_translator(str(folder)).fingerprint
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert open_translator(str(folder)).fingerprint != first


def test_a_marian_model_of_several_targets_is_told_the_one_by_its_mark(
    folder: Path, tmp_path: Path
) -> None:
    words = ["<pad>", "</s>", "<unk>", "sea", "river", ">>fra<<", ">>cmn_Hans<<"]
    tokens = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokens, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(tmp_path)
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers"), 1)
    heads = dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    widths = dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 16)
    config = MarianConfig(
        vocab_size=len(words),
        **sizes,
        **heads,
        **widths,
        max_position_embeddings=32,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        forced_eos_token_id=1,
    )
    torch.manual_seed(0)
    MarianMTModel(config).save_pretrained(tmp_path)
    model = Seq2SeqTranslator(tmp_path)
    assert model._marked(["sea"], "fr") == [">>fra<< sea"]
    assert model._marked(["sea"], "zh") == [">>cmn_Hans<< sea"]
    assert len(model.translate(["sea", "river sea"], "en", "fr")) == 2
    with pytest.raises(TranslationError, match=r"not to sw; it has >>cmn_Hans<< >>fra<<"):
        model.translate(["sea"], "en", "sw")
    assert Seq2SeqTranslator(folder)._marked(["sea"], "fr") == ["sea"]


@pytest.mark.skipif(find_spec("sentencepiece") is not None, reason="the library is there")
def test_a_tokenizer_that_needs_a_library_says_which(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text('{"model_type": "marian"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "MarianTokenizer"}')
    with pytest.raises(MissingLibraryError, match="needs sentencepiece; install it with: pip"):
        Seq2SeqTranslator(tmp_path)
