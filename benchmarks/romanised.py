"""Romanised questions beside native ones: FLORES-200 sentences in other scripts, and English.

    python benchmarks/romanised.py --data ../shared/data/eval --library unidecode

For each language, Success@1 of finding the English translation among 1,012: by the sentence as it
is written, by its romanised form as it stands (`--as-written`), by what that is read as where
the language is given, and where it is found out; and how many questions were read at all.
Japanese is romanised by pykakasi, which knows its readings. None of these libraries may have made
the tables (their card names those that did). `--latin` counts, in every Latin-script
language there, how many questions are taken for romanised ones. Libraries: `pip install unidecode
anyascii uroman pykakasi`; `--python` names an interpreter of another environment that has them.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from xret.retriever.build import IndexBuild
from xret.retriever.languages.codes import language_code
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.question import asked_question, read_query
from xret.retriever.searcher import Searcher
from xret.types import Document, Query, finish

_LANGUAGES = (
    "rus_Cyrl ukr_Cyrl bul_Cyrl ell_Grek hye_Armn kat_Geor amh_Ethi heb_Hebr arb_Arab pes_Arab "
    "urd_Arab hin_Deva mar_Deva npi_Deva ben_Beng guj_Gujr tam_Taml tel_Telu kan_Knda mal_Mlym "
    "sin_Sinh kor_Hang zho_Hans jpn_Jpan"
)
LANGUAGES = _LANGUAGES.split(" ")

ROMANISERS = {
    "unidecode": "from unidecode import unidecode as romanise",
    "anyascii": "from anyascii import anyascii as romanise",
    "uroman": "import uroman; romanise = uroman.Uroman().romanize_string",
    "pykakasi": "import pykakasi; own = pykakasi.kakasi()\n"
    "def romanise(text): return ' '.join(part['hepburn'] for part in own.convert(text))",
}


def sentences(data: Path) -> dict[str, list[str]]:
    """FLORES sentences by language, in order."""
    found: dict[str, dict[str, str]] = {}
    path = data / "flores200-sent" / "queries.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            found.setdefault(record["lang"], {})[record["_id"]] = record["text"]
    return {lang: [texts[key] for key in sorted(texts)] for lang, texts in found.items()}


def romanised(texts: list[str], library: str, python: str) -> list[str]:
    program = f"import json, sys\n{ROMANISERS[library]}\n"
    program += "json.dump([romanise(text) for text in json.load(sys.stdin)], sys.stdout)"
    done = subprocess.run(
        [python, "-c", program], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    made: list[str] = json.loads(done.stdout)
    return made


def success(searcher: Searcher, queries: list[Query]) -> float:
    """Percent of queries whose first hit has their own number."""
    hits = searcher.rank(queries, 1, mode="dense")
    right = sum(
        own[:1] != [] and own[0].doc_id == q.query_id for own, q in zip(hits, queries, strict=True)
    )
    return 100 * right / len(queries)


def as_written(searcher: Searcher, queries: list[Query]) -> float:
    """The same of the letters as they stand."""
    right = sum(_first(searcher, query) == query.query_id for query in queries)
    return 100 * right / len(queries)


def _first(searcher: Searcher, query: Query) -> str:
    answer = searcher.answer(query.text, lang=query.lang, k=1, mode="dense", as_written=True)
    return answer.hits[0].id if answer.hits else ""


def table(args: argparse.Namespace, found: dict[str, list[str]]) -> None:
    every, english = args.every, found["eng_Latn"]
    with tempfile.TemporaryDirectory() as folder:
        documents = [Document(str(n), text, "en") for n, text in enumerate(english)]
        finish(IndexBuild(documents, Path(folder) / "i", load_encoder(args.model)).run())
        with Searcher.open(Path(folder) / "i") as searcher:
            print(
                f"| {args.model}, {args.library} | native | as written | given | found out "
                "| given, of native | read when given | read when not | as another | ms |"
            )
            print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
            for flores in args.languages or LANGUAGES:
                if flores in found:
                    print(row(searcher, flores, found[flores], every, args), flush=True)


def row(
    searcher: Searcher, flores: str, texts: list[str], every: int, args: argparse.Namespace
) -> str:
    lang = language_code(flores)
    library = "pykakasi" if lang == "ja" else args.library
    which = range(0, len(texts), every)
    typed = romanised([texts[n] for n in which], library, args.python)
    native = [Query(str(n), texts[n], lang) for n in which]
    given = [Query(str(n), text, lang) for n, text in zip(which, typed, strict=True)]
    asked = [Query(str(n), text) for n, text in zip(which, typed, strict=True)]
    read_query(given[0])
    start = time.process_time()
    read = [read_query(query).reading for query in given]
    took = 1000 * (time.process_time() - start) / len(given)
    told = [read_query(query).reading for query in asked]
    base = success(searcher, native)
    by_given = success(searcher, given)
    figures = [base, as_written(searcher, given), by_given, success(searcher, asked)]
    counts = [
        sum(reading is not None for reading in read),
        sum(reading is not None for reading in told),
        sum(reading is not None and reading.lang != lang for reading in told),
    ]
    return (
        f"| {flores} | {' | '.join(f'{figure:.1f}' for figure in figures)} | "
        f"{100 * by_given / max(base, 1e-9):.0f} % | "
        f"{' | '.join(f'{100 * n / len(given):.1f} %' for n in counts)} | {took:.0f} |"
    )


def latin(found: dict[str, list[str]], every: int, words: int) -> None:
    """Questions in Latin-script languages that are taken for romanised ones. words: so many from
    the middle of each sentence, 0 for all."""
    wrong, n, worst = 0, 0, []
    for flores, texts in sorted(found.items()):
        if flores.endswith("_Latn"):
            some = [_middle(text, words) for text in texts[::every]]
            questions = [asked_question(text, None, identify=True) for text in some]
            mistaken = sum(question.reading is not None for question in questions)
            wrong, n = wrong + mistaken, n + len(some)
            worst.append((mistaken / len(some), flores))
    named = ", ".join(f"{lang} {100 * share:.1f} %" for share, lang in sorted(worst)[::-1][:5])
    print(f"taken for romanised: {wrong} of {n:,} ({100 * wrong / n:.2f} %); most in {named}")


def _middle(text: str, n: int) -> str:
    words = text.split()
    start = max(0, (len(words) - n) // 2) if n else 0
    return " ".join(words[start : start + n] if n else words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="xret-static")
    parser.add_argument(
        "--library", choices=["unidecode", "anyascii", "uroman"], default="unidecode"
    )
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--every", type=int, default=1, help="every so many sentences")
    parser.add_argument("--languages", nargs="*", metavar="CODE")
    parser.add_argument("--latin", action="store_true")
    parser.add_argument("--words", type=int, default=0, help="of a sentence, with --latin")
    args = parser.parse_args()
    found = sentences(args.data)
    if args.latin:
        latin(found, args.every, args.words)
    else:
        table(args, found)


if __name__ == "__main__":
    main()
