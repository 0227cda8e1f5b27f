"""Words of Chinese and Japanese with their pinyin and romaji, and which follow which."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

from script_tables.texts import RANGES, lexicon, lines
from xret.retriever.scripts.latin import plain
from xret.retriever.scripts.lattice import pinyin_letters, romaji_letters

Words = dict[str, float]
Pairs = Counter[tuple[str, str]]

JAPANESE_LINES = 60_000
LONGEST_LINE = 300
LEXICON_COUNT = 0.3
DICTIONARY_SHARE = 0.5
"""How much jieba's own frequencies count beside those of the training text."""

_KANA = """アa イi ウu エe オo カka キki クku ケke コko サsa シshi
スsu セse ソso タta チchi ツtsu テte トto ナna ニni ヌnu ネne
ノno ハha ヒhi フfu ヘhe ホho マma ミmi ムmu メme モmo ラra
リri ルru レre ロro ガga ギgi グgu ゲge ゴgo ザza ジji ズzu
ゼze ゾzo ダda ヂji ヅzu デde ドdo バba ビbi ブbu ベbe ボbo
パpa ピpi プpu ペpe ポpo ヤya ユyu ヨyo ワwa ヲwo ンn ヴvu
ァa ィi ゥu ェe ォo ヱe ヰi"""
KANA = {entry[0]: entry[1:] for entry in _KANA.split()}
_SMALL = dict(zip("ャュョ", "auo", strict=True))


def chinese(data: Path) -> tuple[Words, dict[str, list[str]], Pairs]:
    """Words with counts, their spellings, and pairs of words; `""` is a beginning and an end."""
    import jieba
    from pypinyin import lazy_pinyin

    jieba.setLogLevel(60)
    used: Counter[str] = Counter()
    pairs: Pairs = Counter()
    runs = re.compile(f"[{RANGES['Hani']}]+")
    for text in lines(data / "train")["zh"]:
        for run in runs.findall(text):
            _count([*jieba.cut(run, HMM=False)], used, pairs)
    counts = {word: float(n) for word, n in used.items()}
    whole, of_dictionary = used.total(), sum(jieba.dt.FREQ.values())
    for word, n in jieba.dt.FREQ.items():
        if n and len(word) <= 6 and runs.fullmatch(word):
            counts[word] = counts.get(word, 0) + DICTIONARY_SHARE * whole * n / of_dictionary
    for word in lexicon(data / "lexicon")["zh"]:
        if len(word) <= 6:
            counts[word] = counts.get(word, 0) + LEXICON_COUNT
    spelt = {word: [pinyin_letters(plain("".join(lazy_pinyin(word))))] for word in counts}
    return counts, spelt, pairs


def japanese(data: Path) -> tuple[Words, dict[str, list[str]], Pairs]:
    import fugashi

    tagger: Any = fugashi.Tagger()
    used: Counter[str] = Counter()
    pairs: Pairs = Counter()
    spelt: dict[str, list[str]] = {}
    runs = re.compile(f"[{RANGES['Jpan']}ー]+")
    texts = [text for text in lines(data / "train")["ja"] if len(text) < LONGEST_LINE]
    random.Random(3).shuffle(texts)
    for text in texts[:JAPANESE_LINES]:
        for run in runs.findall(text):
            tokens = tagger(run)
            _count([token.surface for token in tokens], used, pairs)
            for token in tokens:
                spelt.setdefault(token.surface, _said(token))
    counts = {word: float(n) for word, n in used.items()}
    for word in lexicon(data / "lexicon")["ja"]:
        if 2 <= len(word) <= 8 and word not in counts:
            parts = [_said(token) for token in tagger(word)]
            if all(parts):
                counts[word] = LEXICON_COUNT
                spelt[word] = [romaji_letters("".join(part[0] for part in parts))]
    return {word: n for word, n in counts.items() if spelt.get(word)}, spelt, pairs


def _count(words: list[str], used: Counter[str], pairs: Pairs) -> None:
    used.update(words)
    pairs.update(zip(["", *words], [*words, ""], strict=True))


def _said(token: Any) -> list[str]:
    """How a word is spelt and how it is said, in plain romaji."""
    kana = [getattr(token.feature, name, None) for name in ("kana", "pron")]
    known = {one for one in kana if one and one != "*"}
    if not known and re.fullmatch("[\u3040-\u30ffー]+", token.surface):
        known = {"".join(chr(ord(c) + 96) if c < "\u30a0" else c for c in token.surface)}
    return sorted({spelling for one in known if (spelling := romaji_letters(romaji(one)))})


def romaji(kana: str) -> str:
    """Katakana in Hepburn's letters."""
    written, doubled, at = "", False, 0
    while at < len(kana):
        letter, after = kana[at], kana[at + 1 : at + 2]
        at += 1
        if letter == "ッ":
            doubled = True
            continue
        sound = KANA.get(letter, "")
        if letter == "ー":
            sound = written[-1:]
        elif after in _SMALL and sound.endswith("i"):
            stem = sound[:-1] if sound in ("shi", "chi", "ji") else f"{sound[:-1]}y"
            sound, at = stem + _SMALL[after], at + 1
        elif after and after in "ァィェォ" and sound[-1:] in ("u", "i", "o"):
            sound, at = (sound[:-1] or "w") + KANA[after], at + 1
        if doubled and sound:
            sound, doubled = ("t" if sound.startswith("ch") else sound[0]) + sound, False
        written += sound
    return written
