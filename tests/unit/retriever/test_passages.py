"""Long texts are split on sentence borders, and nothing of them is lost."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from xret.retriever.passages import Passage, PassageSplitter, sentence_ends

ALPHABET = "abcde  .!?\n,。！？ก ข।۔؟ត។雨日 \u0301é“”\U0001f600"


def tokenizer() -> Tokenizer:
    """Pieces of up to three characters, by byte where unknown: cutting changes the tokens."""
    characters = sorted(set(ALPHABET) - set(" \n"))
    pieces = [("<unk>", 0.0), ("▁", -3.0), *((c, -4.0) for c in characters)]
    pieces += [(a + b, -5.0) for a in "abcde雨日" for b in "abcde雨日"]
    pieces += [("▁" + c, -4.5) for c in characters] + [("abc", -5.5), ("▁the", -5.0)]
    pieces += [(f"<0x{byte:02X}>", -9.0) for byte in range(256)]
    made = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made


TOKENIZER = tokenizer()


def count(text: str) -> int:
    return len(TOKENIZER.encode(text, add_special_tokens=False).ids)


def check(text: str, passages: list[Passage], max_tokens: int) -> None:
    """They cover the text in order, each within the limit and further than the one before."""
    assert passages[0].start == 0 and passages[-1].end == len(text)
    for passage in passages:
        assert passage.tokens == count(text[passage.start : passage.end])
        assert passage.tokens <= max_tokens or passage.end - passage.start == 1
    for before, after in pairwise(passages):
        assert before.start < after.start <= before.end < after.end


@settings(max_examples=150, deadline=None)
@given(
    st.text(alphabet=ALPHABET, max_size=400) | st.text(max_size=200),
    st.integers(8, 40),
    st.integers(0, 20),
)
def test_passages_cover_the_text_and_keep_the_limit(text: str, most: int, overlap: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    splitter = PassageSplitter(TOKENIZER, max_tokens=most, overlap=min(overlap, most // 2))
    check(text, splitter.split(text), most)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("One. Two? Three! 3.14 is no end", ["One. ", "Two? ", "Three! "]),
        ("“Stop.” He did.", ["“Stop.” "]),
        ("雨が降る。「止む？」晴れ！", ["雨が降る。", "「止む？」"]),
        ("पहला वाक्य। दूसरा वाक्य॥", ["पहला वाक्य। "]),
        ("یہ جملہ ہے۔ کیا؟ ہاں", ["یہ جملہ ہے۔ ", "کیا؟ "]),
        ("ሰላም። እንዴት፧ ደህና", ["ሰላም። ", "እንዴት፧ "]),
        ("ខ្ញុំទៅ។ គាត់មក", ["ខ្ញុំទៅ។ "]),
        ("no stop\nnext line", ["no stop\n"]),
        ("ประโยคแรก ประโยคสอง", []),
    ],
)
def test_sentences_end_where_their_script_ends_them(text: str, ends: list[str]) -> None:
    cuts = [0, *sentence_ends(text)]
    assert [text[a:b] for a, b in pairwise(cuts)] == ends


def test_a_passage_ends_with_a_sentence_where_one_ends_within_the_limit() -> None:
    text = "abc abc abc. de de de de. abc de abc de. ab ab ab."
    splitter = PassageSplitter(TOKENIZER, max_tokens=16, overlap=0)
    found = [text[p.start : p.end] for p in splitter.split(text)]
    assert "".join(found) == text
    assert all(passage.rstrip().endswith(".") for passage in found)


def test_the_overlap_begins_with_a_whole_sentence() -> None:
    text = "abc abc. de de. abc de. ab ab. cd cd. ea ea. abc ab."
    passages = PassageSplitter(TOKENIZER, max_tokens=16, overlap=8).split(text)
    assert len(passages) > 2
    starts = {0, *sentence_ends(text)}
    assert all(passage.start in starts for passage in passages)
    assert any(after.start < before.end for before, after in pairwise(passages))


def test_text_without_stops_is_cut_at_its_spaces() -> None:
    text = "กข กข " * 40
    passages = PassageSplitter(TOKENIZER, max_tokens=16, overlap=0).split(text)
    assert len(passages) > 5
    assert all(text[p.end - 1] == " " for p in passages)


def test_a_million_characters_are_split_in_seconds() -> None:
    text = "abc de abc. " * 83_334
    passages = PassageSplitter(TOKENIZER, max_tokens=256, overlap=32).split(text)
    assert passages[-1].end == len(text) > 1_000_000


def test_an_overlap_of_more_than_half_is_refused() -> None:
    with pytest.raises(ValueError, match="repeat at most half"):
        PassageSplitter(TOKENIZER, max_tokens=16, overlap=9)
