"""Words cut once each: the same rows as by cutting every text whole."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from tiny_models import TEXTS
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from xret.retriever.encoders.wordpieces import split_words
from xret.retriever.trim import word_cuts
from xret.retriever.trim.piece_choice import PieceChoice, _Smaller
from xret.retriever.trim.served_texts import ServedTexts
from xret.retriever.trim.vocabulary import Vocabulary
from xret.retriever.trim.word_cuts import WordCuts
from xret.types import Document

PROMPTS = ("", "passage: ", "query:")
ODD = (
    "two  spaces and an end ",
    " a start\tand\na new line",
    "a \u0301 mark alone, \u00b4 b \u00a0 c\u200d d \u200bf",
    "the <mask> hides [MASK] and <unk> and [UNK] reefs<s>",
    "\u0e01\u0e33 \u0e33\u0e01 \uff76 \uff9e\uff76 \u0d4e \u0d15",
    "\u6f22\u5b57\u3002\u304b\u306a \ud55c\uad6d \u2713 7% x_y \u2581a \u2581",
    "\u0643\u062a\u0627\u0628\u060c \u0648\u0627\u0644\u0644 \u0639\u0631\u0628\u064a\u0629",
    "qqq\u2603zz \u2603 abcq",
)


def texts(n: int) -> list[str]:
    """Lines of known and unknown words, with odd places between them."""
    draw = random.Random(0)
    words = [word for text in TEXTS.values() for word in text.split()]
    words += [*"\u2603\u0436", "", "", "\u0301", "\t", "caf\u00e9,", "(7)", "don't", "<mask>"]
    lines = [" ".join(draw.choices(words, k=draw.randrange(1, 12))) for _ in range(n)]
    return [line for line in (*ODD, *TEXTS.values(), *lines) if line.strip()]


def unigram(*, scheme: str = "always", normalizer: object = None) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer or normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    trainer = trainers.UnigramTrainer(
        vocab_size=300,
        special_tokens=["<unk>", "<s>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator([*TEXTS.values()] * 3, trainer)
    tokenizer.add_special_tokens(["<mask>"])
    return tokenizer


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=220, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([*TEXTS.values()] * 3, trainer)
    return tokenizer


def byte_level(*, prefix: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([*TEXTS.values()] * 3, trainer)
    return tokenizer


def word_level() -> Tokenizer:
    words = sorted({word for text in TEXTS.values() for word in text.split()})
    rows = {word: row for row, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(rows, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def unsplit() -> Tokenizer:
    """Whole texts are one word, with pieces across spaces, as Llama's converted files have it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator([*TEXTS.values()] * 3, trainer)
    return tokenizer


APART = {
    "unigram": unigram,
    "unigram, first": lambda: unigram(scheme="first"),
    "unigram, never": lambda: unigram(scheme="never"),
    "spaces": lambda: unigram(normalizer=normalizers.Replace(Regex(" {2,}"), " ")),
    "wordpiece": wordpiece,
    "byte level": lambda: byte_level(prefix=False),
    "byte level, prefix": lambda: byte_level(prefix=True),
    "words": word_level,
}
TOGETHER = {
    "one word": unsplit,
    "an unknown pattern": lambda: unigram(
        normalizer=normalizers.Replace(Regex("reefs are"), "reefsare")
    ),
    "metaspace, unsplit": lambda: _unsplit_metaspace(),
}


def _unsplit_metaspace() -> Tokenizer:
    tokenizer = unigram()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    return tokenizer


def slow_counts(vocabulary: Vocabulary, lines: Sequence[str]) -> list[int]:
    """The oracle: every text behind every prompt, whole."""
    return sum(vocabulary.counts([prompt + line for line in lines]) for prompt in PROMPTS).tolist()


@pytest.mark.parametrize("kind", [*APART, *TOGETHER])
def test_every_row_is_counted_as_by_cutting_whole_texts(kind: str) -> None:
    vocabulary = Vocabulary((APART | TOGETHER)[kind]())
    cuts = WordCuts(vocabulary, PROMPTS)
    assert cuts.apart == (kind in APART)
    lines = texts(300)
    for start in (0, 100):  # the second time from memory
        some = lines[start:]
        counts = np.zeros(vocabulary.size, np.int64)
        used = cuts.used(some)
        used.add_to(counts)
        assert counts.tolist() == slow_counts(vocabulary, some)
        for place in (*range(len(ODD)), len(some) - 1):
            alone = np.flatnonzero(slow_counts(vocabulary, [some[place]])).tolist()
            rows = used.rows[used.offsets[place] : used.offsets[place + 1]]
            assert np.unique(rows).tolist() == alone, some[place]
    assert cuts.apart == (kind in APART)


def test_prepared_texts_are_cut_as_their_encoder_cuts_them() -> None:
    vocabulary = Vocabulary(wordpiece(), prepare=lambda text: " ".join(split_words(text)))
    lines = texts(100)
    counts = np.zeros(vocabulary.size, np.int64)
    WordCuts(vocabulary, PROMPTS).used(lines).add_to(counts)
    assert counts.tolist() == slow_counts(vocabulary, lines)


def test_each_distinct_word_is_cut_once_and_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vocabulary = Vocabulary(unigram())
    cut: list[str] = []
    used = vocabulary.used
    monkeypatch.setattr(vocabulary, "used", lambda words: cut.extend(words) or used(words))
    cuts = WordCuts(vocabulary, ("",))
    for _ in range(3):
        cuts.used(["the reefs are the reefs", "reefs are the reefs"])
    assert sorted(cut) == [" are", " reefs", " the", "reefs", "the"]
    monkeypatch.setattr(word_cuts, "REMEMBERED", 1)
    counts = np.zeros(vocabulary.size, np.int64)
    for line in ("the reefs", "reefs, the reefs", "the reefs"):
        cuts.used([line]).add_to(counts)
        assert len(cuts.words(1)) <= 3
    lines = ["the reefs", "reefs, the reefs", "the reefs"]
    assert counts.tolist() == vocabulary.counts(lines).tolist()


# The choice that is made of them


def slow_choice(
    vocabulary: Vocabulary, lines: Sequence[str], always: set[int], min_count: int
) -> tuple[list[int], int, int, list[str]]:
    """Rows kept, lines cut as before, those of them that were held out, and the sample."""
    held = lines[9::10]
    counts = np.array(slow_counts(vocabulary, lines))
    others = counts - np.array(slow_counts(vocabulary, held)) if held else counts

    def kept(numbers: np.ndarray) -> list[int]:
        rows = set(np.flatnonzero(numbers > (min_count - 1) * len(PROMPTS)).tolist())
        return vocabulary.order(vocabulary.closed(always | rows))

    order = kept(counts)
    same = _Smaller(vocabulary, order, PROMPTS).same(lines)
    apart = sum(_Smaller(vocabulary, kept(others), PROMPTS).same(held))
    return order, sum(same), apart, [text for text, one in zip(lines, same, strict=True) if one]


@pytest.mark.parametrize("min_count", [1, 2, 40])
@pytest.mark.parametrize("kind", [*APART, *TOGETHER])
def test_the_choice_is_that_of_whole_texts(
    kind: str, min_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xret.retriever.trim.piece_choice.SAMPLE", 10_000)
    vocabulary = Vocabulary((APART | TOGETHER)[kind]())
    lines = [*texts(300), "zebra yak xylem", *texts(30)]
    lines[9] = "a word that only stands here: \u0436\u0430\u0431\u0430"
    always = vocabulary.needed({"Latn"})
    choice = PieceChoice(vocabulary, ["en"], {"Latn"}, always, prompts=PROMPTS)
    served = ServedTexts(lambda: [Document("", line, "en") for line in lines], ["en"])
    list(choice.by_texts(served, min_count=min_count))
    order, identical, apart, same = slow_choice(vocabulary, lines, always, min_count)
    assert choice.order == order and choice.identical == identical
    assert choice.held_out is not None and choice.held_out.identical == apart
    assert [document.text for document in choice.compared] == same


def test_lines_that_show_words_read_together_are_all_counted_again() -> None:
    words = ("[UNK]", "a", "the", "of", "reefs", "rare", "pair", "rare pair")
    rows = {word: row for row, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(rows, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("rare pair| "), "isolated")
    assert WordCuts(Vocabulary(tokenizer), PROMPTS).apart
    vocabulary = Vocabulary(tokenizer)
    lines = ["the reefs", *["a rare pair"] * 511, "rare pair of reefs"]
    always = vocabulary.needed({"Latn"})
    choice = PieceChoice(vocabulary, ["en"], {"Latn"}, always, prompts=PROMPTS)
    served = ServedTexts(lambda: [Document("", line, "en") for line in lines], ["en"])
    list(choice.by_texts(served, min_count=30))
    assert choice.order == slow_choice(vocabulary, lines, always, 30)[0]
    assert rows["rare pair"] in choice.order and rows["rare"] not in choice.order
    assert choice.lines == len(lines)
