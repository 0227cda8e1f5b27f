"""Words as people see them, from a vocabulary's pieces."""

import pytest

from xret.retriever.text_words import main_script_of, owners, word_spans


def words(text: str, pieces: list[str]) -> list[str]:
    """Of a text that these pieces make up, but for what stands between them."""
    spans, end = [], 0
    for piece in pieces:
        start = text.index(piece, end)
        end = start + len(piece)
        spans.append((start, end))
    return [text[a:b] for a, b in word_spans(text, spans)]


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        ("The reefs aren't", ["The", "ree", "fs", "aren", "'", "t"], ["The", "reefs", "aren't"]),
        ("المناخ،", ["الم", "ناخ", "،"], ["المناخ", "،"]),
        ("气候变化影响", ["气", "候", "变化", "影响"], ["气", "候", "变化", "影响"]),
        ("สภาพอากาศ", ["สภาพ", "อากาศ"], ["สภาพ", "อากาศ"]),
        ("ที่นี่", ["ท", "ี่น", "ี่"], ["ที่นี่"]),
        ("หนี้", ["หน", "ี้"], ["หนี้"]),
        (
            "東京タワー2024年",
            ["東京", "タワー", "20", "24", "年"],
            ["東京", "タワー", "2024", "年"],
        ),
        ("기후 변화가", ["기", "후", "변화", "가"], ["기후", "변화가"]),
        ("L’été…", ["L", "’", "été", "…"], ["L’été", "…"]),
        ("किताबें", ["कित", "ाबें"], ["किताबें"]),
        ("read 'it'", ["read", "'", "it", "'"], ["read", "'", "it", "'"]),
        ("a b", [], ["a", "b"]),
        ("变化", [], ["变化"]),
        ("   ", [], []),
    ],
)
def test_pieces_become_words(text: str, pieces: list[str], expected: list[str]) -> None:
    assert words(text, pieces) == expected


def test_words_cover_all_but_white_space_and_do_not_overlap() -> None:
    text = "Ａ mixed 文章, с словами\u0301 и ١٢٣ — ok? ကမ္ဘာ 👩‍🚀\n"
    spans = word_spans(text, [(8, 9), (9, 10)])
    covered = [place for span in spans for place in range(*span)]
    assert covered == sorted(set(covered))
    assert "".join(text[i] for i in covered) == "".join(text.split())


def test_a_piece_belongs_to_the_word_that_most_of_it_is_of() -> None:
    spans = [(0, 3), (4, 9), (9, 11)]
    assert owners(spans, (3, 9)) == 1
    assert owners(spans, (8, 11)) == 2
    assert owners(spans, (0, 2)) == 0
    assert owners(spans, (3, 4)) is None
    assert owners([], (0, 1)) is None


def test_the_script_of_a_word_is_that_of_most_of_its_letters() -> None:
    assert [main_script_of(w) for w in ("reef", "气候", "مناخ", "2024", "iPhone手")] == [
        "Latn",
        "Hani",
        "Arab",
        "",
        "Latn",
    ]
