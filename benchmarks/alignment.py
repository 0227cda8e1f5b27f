"""Words that an explanation puts together, against dictionaries, on parallel sentences.

    python benchmarks/alignment.py --data ../shared/data
    python benchmarks/alignment.py xret-static --data ../shared/data --langs de,zh
    python benchmarks/alignment.py --index demo

A word of an English FLORES-200 sentence is judged where it stands there once, where a bilingual
word list has translations of it, and where these stand in exactly one place of the sentence's
translation; words spelt alike in both and words that only ask are left out. It is right where the
word that `Explanation.aligned` names overlaps that place. "from English" asks with the English
sentence, "to English" with the other. Beside it two that know no words: the word at the same
part of the sentence, and any word. The second mean is of languages that the encoder was trained on.

--index: of an index of the demo corpus, how far its scores are from those that explanations of its
first hits add up to.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import statistics
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from encoder_quality import lines_of

import xret
from xret.retriever.encoder import Encoder, PlacingEncoder
from xret.retriever.explanation import ExplainedText, ExplainedWord, Explanation, explain_maxsim
from xret.retriever.languages.codes import language_code
from xret.retriever.lexical.stopwords import STOP_WORDS
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Query

LEXICONS = ("omw_wiktionary_wordnet.tsv.gz", "wiktionary_en_glosses.tsv.gz")
_ALL = (
    "deu_Latn fra_Latn spa_Latn ita_Latn ron_Latn pol_Latn ces_Latn rus_Cyrl ukr_Cyrl bul_Cyrl"
    " ell_Grek tur_Latn fin_Latn hun_Latn eus_Latn arb_Arab heb_Hebr pes_Arab urd_Arab hin_Deva"
    " ben_Beng tam_Taml hye_Armn kat_Geor kor_Hang jpn_Jpan zho_Hans tha_Thai vie_Latn ind_Latn"
    " swh_Latn yor_Latn"
)
VARIETIES = _ALL.split(" ")
UNSPACED = {"Jpan", "Hans", "Hant", "Thai"}
ENGLISH = "eng_Latn"
MIN_PAIRS = 20
"""Languages with fewer judged words get no line."""

Span = tuple[int, int]


@dataclass(frozen=True)
class GoldPair:
    """A word of an English sentence and its translation's place in the other sentence."""

    english: Span
    other: Span


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["xret-static", "xret-modular"])
    parser.add_argument("--data", type=Path, help="folder with eval/ and lexicon/")
    parser.add_argument("--index", help="name or folder of an index of the demo corpus")
    parser.add_argument("--langs", help="only these, as BCP 47 codes with commas between")
    parser.add_argument("--sentences", type=int, default=200, help="per language")
    asked = parser.parse_args()
    if asked.index:
        print_differences(asked.index)
    if not asked.data:
        return
    wanted = asked.langs.split(",") if asked.langs else None
    varieties = [v for v in VARIETIES if wanted is None or language_code(v) in wanted]
    texts = sentences(asked.data / "eval" / "flores200-sent" / "corpus.jsonl.gz", varieties)
    words = lexicon(asked.data / "lexicon", {language_code(v).partition("-")[0] for v in varieties})
    for model in asked.models or ["xret-static", "xret-modular"]:
        print_table(load_encoder(model), texts, words, varieties, asked.sentences)


def print_differences(index: str) -> None:
    """Of every second question's five hits: index's score less the explained one, in percent."""
    found = []
    with xret.open(index) as searcher:
        for query in list(xret.open_corpus("demo").queries())[::2]:
            for hit in searcher.search(query.text, lang=query.lang, k=5, explain=True):
                explained = hit.explanations[0]
                found.append(100 * (explained.difference or 0.0) / explained.score)
        name = searcher.encoder.spec.name
    print(
        f"{name}: {len(found)} hits, the index's score {statistics.mean(found):+.2f} % "
        f"away in the mean, {min(found):+.2f} to {max(found):+.2f}",
        flush=True,
    )


def print_table(
    encoder: Encoder,
    texts: dict[str, list[str]],
    words: dict[str, dict[str, set[str]]],
    varieties: list[str],
    most: int,
) -> None:
    start = time.process_time()
    head = "judged words | from English | to English | same place | any word"
    print(f"\n| {encoder.spec.name} | {head} |\n|---|--:|--:|--:|--:|--:|", flush=True)
    rows: dict[str, list[float]] = {}
    for variety in varieties:
        lang = language_code(variety)
        gold = list(judged(texts, words[lang.partition("-")[0]], variety, most))
        results = [r for a, b, pairs in gold for r in measured(encoder, a, b, lang, pairs)]
        if len(results) < MIN_PAIRS:
            continue
        means = [100 * float(np.mean(column)) for column in zip(*results, strict=True)]
        rows[lang] = means
        cells = " | ".join(f"{mean:.1f}" for mean in means)
        print(f"| {lang} | {len(results):,} | {cells} |", flush=True)
    known = {lang.partition("-")[0] for lang in encoder.spec.languages}
    own = [means for lang, means in rows.items() if lang.partition("-")[0] in known]
    for name, chosen in ((f"of {len(rows)}", list(rows.values())), (f"of its {len(own)}", own)):
        means = [statistics.mean(column) for column in zip(*chosen, strict=True)]
        cells = " | ".join(f"**{mean:.1f}**" for mean in means)
        print(f"| **mean {name}** | | {cells} |", flush=True)
    print(f"\n{encoder.spec.fingerprint}, {time.process_time() - start:.0f} s of CPU time")


def sentences(path: Path, varieties: list[str]) -> dict[str, list[str]]:
    """By variety, sentences in the order of their numbers."""
    found: dict[str, list[str]] = defaultdict(list)
    wanted = {*varieties, ENGLISH}
    for line in lines_of(path):
        record = json.loads(line)
        if record["lang"] in wanted:
            found[record["lang"]].append(record["text"])
    return found


def lexicon(folder: Path, langs: set[str]) -> dict[str, dict[str, set[str]]]:
    """By language, translations by English word, all in lower case."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name in LEXICONS:
        with gzip.open(folder / name, "rt", encoding="utf-8") as file:
            for line in file:
                lang, english, other = line.rstrip("\n").split("\t")
                if lang in langs and re.fullmatch("[A-Za-z]{3,}", english):
                    found[lang][english.lower()].add(unicodedata.normalize("NFC", other).lower())
    return found


def judged(
    texts: dict[str, list[str]], words: dict[str, set[str]], variety: str, most: int
) -> Iterator[tuple[str, str, list[GoldPair]]]:
    """Pairs of sentences with their judged words, at most so many."""
    spaced = variety.partition("_")[2] not in UNSPACED
    count = 0
    for english, other in zip(texts[ENGLISH], texts[variety], strict=True):
        other = unicodedata.normalize("NFC", other)
        pairs = gold_pairs(english, other, words, spaced=spaced)
        if pairs and len(other.lower()) == len(other):
            yield english, other, pairs
            count += 1
        if count == most:
            return


def gold_pairs(
    english: str, other: str, words: dict[str, set[str]], *, spaced: bool
) -> list[GoldPair]:
    stop = set(STOP_WORDS["en"].split())
    places: dict[str, list[Span]] = defaultdict(list)
    for match in re.finditer("[A-Za-z]{3,}", english):
        places[match.group().lower()].append(match.span())
    lowered, pairs = other.lower(), []
    for word, spans in places.items():
        if len(spans) != 1 or word in stop or word not in words:
            continue
        if word in words[word]:
            continue
        stands = merged(found_in(lowered, words[word], spaced=spaced))
        if len(stands) == 1:
            pairs.append(GoldPair(spans[0], stands[0]))
    return pairs


def found_in(text: str, translations: set[str], *, spaced: bool) -> list[Span]:
    """Where translations stand; of scripts without spaces only those of two letters and more."""
    spans = []
    for translation in translations:
        if len(translation) < 2 or translation not in text:
            continue
        wall = r"(?<![^\W_]){}(?![^\W_])" if spaced else "{}"
        pattern = wall.format(re.escape(translation))
        spans += [match.span() for match in re.finditer(pattern, text)]
    return spans


def merged(spans: list[Span]) -> list[Span]:
    """Overlapping spans as one."""
    united: list[Span] = []
    for start, end in sorted(spans):
        if united and start < united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        else:
            united.append((start, end))
    return united


def measured(
    encoder: Encoder, english: str, other: str, lang: str, pairs: list[GoldPair]
) -> list[tuple[bool, bool, bool, float]]:
    """For each pair: right from English, to English, by place alone, and by chance."""
    there = explained(encoder, (english, "en"), (other, lang))
    back = explained(encoder, (other, lang), (english, "en"))
    to, of = there.aligned(), back.aligned()
    results = []
    for pair in pairs:
        word = first_over(there.query, pair.english)
        meant = [i for i, one in enumerate(there.document) if overlaps(one, pair.other)]
        forth = to[word] is not None and to[word] in meant
        asked = [i for i, one in enumerate(back.query) if overlaps(one, pair.other)]
        goal = first_over(back.document, pair.english)
        # A word that is several pieces here is right by most of them.
        home = sum(of[i] == goal for i in asked) * 2 > len(asked)
        middle = (pair.english[0] + pair.english[1]) / 2 / len(english) * len(other)
        near = min(
            range(len(there.document)),
            key=lambda i: abs((there.document[i].start + there.document[i].end) / 2 - middle),
        )
        results.append((forth, home, near in meant, len(meant) / len(there.document)))
    return results


def explained(encoder: Encoder, asked: tuple[str, str], answer: tuple[str, str]) -> Explanation:
    assert isinstance(encoder, PlacingEncoder)
    query = encoder.placed_query(Query("", *asked))
    document = encoder.placed_document(Document("", *answer))
    assert query is not None and document is not None
    return explain_maxsim(
        query, document, asked=ExplainedText(asked[1]), answer=ExplainedText(answer[1])
    )


def overlaps(word: ExplainedWord, span: Span) -> bool:
    return word.start < span[1] and span[0] < word.end


def first_over(words: list[ExplainedWord], span: Span) -> int:
    return next(i for i, word in enumerate(words) if overlaps(word, span))


if __name__ == "__main__":
    main()
