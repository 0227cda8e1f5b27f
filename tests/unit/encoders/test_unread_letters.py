"""Letters that a vocabulary cannot write, as its tokenizer tells."""

import pytest
from tiny_models import TEXTS
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from xret.retriever.encoders.unread_letters import LetterReader, UnreadLetters

AMHARIC = "\u1230\u120b\u121d \u12d3\u1208\u121d"


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([TEXTS["en"], TEXTS["fr"]] * 3, trainer)
    return tokenizer


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=150, special_tokens=["[UNK]"], show_progress=False
    )
    tokenizer.train_from_iterator([TEXTS["en"], TEXTS["fr"]] * 3, trainer)
    return tokenizer


@pytest.mark.parametrize("make", [unigram, wordpiece])
def test_a_script_without_pieces_is_not_read(make: object) -> None:
    reader = LetterReader(make())  # type: ignore[operator]
    unread = reader.unread(AMHARIC + ", 12!")
    assert unread.wholly and unread.mostly and unread.scripts == {"Ethi": 6}
    assert unread.described() == "6 of 6 letters (Ethi)"
    for text in (TEXTS["en"], TEXTS["fr"]):
        assert not reader.unread(text).mostly and not reader.unread(text).wholly
    for text in ("12 \u2192 7!", ""):
        assert reader.unread(text) == UnreadLetters(silent=True)
    assert reader.unread("\u2192").described() == "a single word"


def test_a_text_of_two_scripts_is_judged_by_most_of_it() -> None:
    reader = LetterReader(unigram())
    mostly = reader.unread(f"the {AMHARIC}")
    assert mostly.mostly and not mostly.wholly and mostly.letters == 9
    assert not reader.unread(f"the reefs are warm {AMHARIC}").mostly


def test_bytes_read_every_letter() -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([TEXTS["en"]], trainer)
    assert LetterReader(tokenizer).unread(AMHARIC) == UnreadLetters()


def test_pieces_of_several_letters_read_what_single_ones_do_not() -> None:
    pieces = [("<unk>", 0.0), ("\u2581", -1.0), ("\u1230\u120b\u121d", -2.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    assert not LetterReader(tokenizer).unread("\u1230\u120b\u121d").mostly
    assert LetterReader(tokenizer).unread("\u12d3\u1208").wholly
