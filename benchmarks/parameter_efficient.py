"""Rerankers trained in parts: all weights, ranking adapters, sparse masks; languages; routings.

    python benchmarks/parameter_efficient.py rows --data ../shared/data --output /tmp/pe
    python benchmarks/parameter_efficient.py texts --data ../shared/data --output /tmp/pe
    xret model trim multilingual-e5-small --output /tmp/pe/start --lang en --lang de --lang sw \
        --text /tmp/pe/texts/en.txt --text /tmp/pe/texts/de.txt --text /tmp/pe/texts/sw.txt \
        --pieces 30000
    python benchmarks/parameter_efficient.py languages --output /tmp/pe
    python benchmarks/parameter_efficient.py train --output /tmp/pe
    python benchmarks/parameter_efficient.py measure --data ../shared/data --output /tmp/pe
    python benchmarks/parameter_efficient.py table --output /tmp/pe

rows: questions and passages from parallel text. A question is a span of an English sentence, or
a whole sentence or its translation; the passage is three sentences in one language, with the
question's among them or (three in ten) just before them; negatives are what an index of
xret-static ranks high of all English passages, in the passage's language or another one. Each
text stands in versions of one id: wholly in English, English to another language, and, of whole
sentences, between two others; xret-modular scores the first, for all (translate-distil). Text of
the evaluation sets is kept out. Of these, what is in English, German and Swahili is learnt
from.

texts, languages: lines of each of the three, without those of the evaluation sets, and what is
learnt from them on the start, a plain BERT: sparse masks, and MAD-X's adapters with and without
invertible layers. A ranking adapter is learnt over each kind; masks are added to a ranking mask.

measure: Belebele, questions in one language to the passages in another; the first documents of an
index by --first in a new order. No setting was chosen on it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from encoder_quality import lines_of, texts_of

from xret.eval.significance import bootstrap_intervals
from xret.index.scoring.maxsim import maxsim_scores
from xret.retriever.build import IndexBuild
from xret.retriever.corpora.lines import read_cells
from xret.retriever.encoders.precision import multiplies_bf16
from xret.retriever.languages.codes import language_code
from xret.retriever.models.module_card import read_card
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.retriever.training.common.fitting import FitSettings
from xret.retriever.training.common.held_out import HeldOut
from xret.retriever.training.modules.learning import ModuleLearning, learn_module
from xret.retriever.training.rerankers.run import train_reranker
from xret.retriever.training.rerankers.settings import RerankTraining
from xret.types import Document, Query

SHARES = {
    "tico19_health": 0.5,
    "opensource_guide": 0.15,
    "privacy_guides": 0.15,
    "mlqe_pe_wikipedia": 0.2,
}
"""Of the questions, by source; sentences of the last are no neighbours."""

LANGUAGES = ("de", "ar", "zh", "sw", "ru", "hi", "fr")
SENTENCES, SPAN, WHOLE_SHARE, LONGEST = 3, (5, 14), 0.5, 30
NEIGHBOUR_SHARE, DEPTH, NEGATIVES = 0.3, 30, 3


SPOKEN = ("en", "de", "sw")
"""Of the pairs that are measured, by default: for these there are masks and adapters."""

LEARNT: dict[str, dict[str, Any]] = {
    "masks": {"kind": "mask", "keep": 0.05, "rate": 5e-5},
    "plain": {"kind": "language", "bottleneck": 192, "rate": 1e-3},
    "invertible": {"kind": "language", "bottleneck": 192, "invertible": True, "rate": 1e-3},
}

FIRST = "first stage"
_ADAPTER = {"part": "adapter", "reduction": 16, "rate": 1e-3}
TRAINED: dict[str, dict[str, Any]] = {
    "full": {"part": "full", "rate": 1e-4},
    "ra16": _ADAPTER,
    "ra16-plain": _ADAPTER,
    "ra16-invertible": _ADAPTER,
    "mask": {"part": "mask", "keep": "5%", "rate": 1e-4},
}
SYSTEMS = (
    FIRST,
    "full",
    "ra16",
    "ra16-plain#split",
    "ra16-invertible#split",
    "ra16-invertible#qlang",
    "ra16-invertible#dlang",
    "mask",
    "mask-languages#split",
    "mask-languages#qlang",
    "mask-languages#dlang",
)
"""`mask-languages` is a copy of `mask` with the languages' masks beside it."""

PAIRS = (("eng_Latn", "deu_Latn"), ("eng_Latn", "swh_Latn"), ("deu_Latn", "swh_Latn"))


@dataclass(frozen=True)
class Passage:
    """Three English sentences in a row, the one before them, and their translations."""

    english: tuple[str, ...]
    before: str
    others: dict[str, tuple[str, ...]]
    before_others: dict[str, str]
    source: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("rows", "texts", "languages", "train", "measure", "table"))
    parser.add_argument("--data", type=Path, help="folder with train/ and eval/")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--model", help="encoder to start from; OUTPUT/start by default")
    parser.add_argument("--texts", type=int, default=800)
    parser.add_argument("--lines", type=int, default=300, help="of each language")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--language-steps", type=int, default=4)
    parser.add_argument("--questions", type=int, default=3, help="of each pair")
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--first", default="xret-static", help="encoder of the first stage")
    parser.add_argument("--system", action="append", help="of those below `output`; repeatable")
    parser.add_argument(
        "--lang", action="append", help="of what is learnt from; repeatable; en, de and sw"
    )
    parser.add_argument(
        "--pair", action="append", help="as eng_Latn:deu_Latn, that is measured; repeatable"
    )
    arguments = parser.parse_args()
    start = arguments.model or str(arguments.output / "start")
    langs = tuple(arguments.lang or SPOKEN)
    if arguments.what == "rows":
        write_rows(arguments.data, arguments.output / "rows.jsonl", arguments.texts)
    elif arguments.what == "texts":
        write_texts(arguments.data, arguments.output / "texts", arguments.lines, langs)
    elif arguments.what == "languages":
        learn_languages(start, arguments.output, arguments.language_steps, langs)
    elif arguments.what == "train":
        train(start, arguments.output, arguments.steps, langs, arguments.system or TRAINED)
    elif arguments.what == "measure":
        for system in arguments.system or SYSTEMS:
            measure(system, arguments.data / "eval", arguments.output, arguments)
    else:
        print_table(arguments.output / "measured" / arguments.first)


def write_texts(data: Path, output: Path, n: int, langs: Sequence[str]) -> None:
    """Lines of each language out of the sources of the rows, those of the evaluation left out."""
    held_out = HeldOut.read(data / "eval", langs)
    found: dict[str, dict[str, None]] = {lang: {} for lang in langs}
    for source in SHARES:
        for _, cells in read_cells(
            data / "train" / f"{source}.tsv.gz", "lang", "lang", "text", "text"
        ):
            for lang, text in ((cells[0], cells[2]), (cells[1], cells[3])):
                if lang in found and len(text) >= 50:
                    found[lang][text] = None
    output.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for lang, texts in found.items():
        lines = [text for text in texts if not held_out.overlaps(text, lang)]
        chosen = [lines[i] for i in rng.permutation(len(lines))[:n]]
        (output / f"{lang}.txt").write_text("\n".join(chosen) + "\n", encoding="utf-8")
        print(f"{lang}: {len(chosen):,} of {len(lines):,} lines", flush=True)


def learn_languages(model: str, output: Path, steps: int, langs: Sequence[str]) -> None:
    """All of LEARNT for each language; a mask has half the steps in each of its phases."""
    for kind, options in LEARNT.items():
        spent = time.process_time()
        for lang in langs:
            file = output / "languages" / kind / f"{lang}.safetensors"
            if file.is_file():
                continue
            fit = FitSettings(steps // 2 if kind == "masks" else steps, batch_size=8)
            text = output / "texts" / f"{lang}.txt"
            learning = ModuleLearning(model=Path(model), text=text, lang=lang, fit=fit, **options)
            for _ in learn_module(learning, file):
                pass
            results = read_card(file).results
            print(f"{kind} {lang}: {dict(results)}", flush=True)
        print(f"{kind}: {time.process_time() - spent:.0f} s of CPU time", flush=True)


def train(
    model: str, output: Path, steps: int, langs: Sequence[str], systems: Iterable[str]
) -> None:
    """Some of TRAINED, from one model and the same rows; a mask half the steps in each phase."""
    rows = output / "rows-spoken.jsonl"
    with (output / "rows.jsonl").open(encoding="utf-8") as lines:
        rows.write_text("".join(line for line in lines if is_spoken(line, langs)), encoding="utf-8")
    for name in systems:
        part = TRAINED[name]
        adapters = output / "languages" / name.removeprefix("ra16-")
        settings = RerankTraining(
            model=model,
            output=output / name,
            data=(rows,),
            language_adapters=adapters if adapters.is_dir() else None,
            steps=steps // 2 if name == "mask" else steps,
            batch_size=3,
            max_tokens=96,
            threads=1,
            checkpoint_steps=50,
            **part,
        )
        spent = time.process_time()
        for _ in train_reranker(settings):
            pass
        print(f"{name}: {time.process_time() - spent:.0f} s of CPU time", flush=True)
    masks = output / "languages" / "masks"
    if masks.is_dir() and (output / "mask").is_dir() and not (output / "mask-languages").exists():
        shutil.copytree(output / "mask", output / "mask-languages")
        shutil.copytree(masks, output / "mask-languages" / "masks")


def is_spoken(line: str, langs: Sequence[str]) -> bool:
    """Whether a row is wholly in some languages."""
    row = json.loads(line)
    return {row["query_lang"], row["positive_lang"], *row["negative_langs"]} <= set(langs)


def measure(system: str, data: Path, output: Path, arguments: argparse.Namespace) -> None:
    """Write the reciprocal rank of each question, pair by pair, to `output/measured/FIRST/`."""
    found: dict[str, list[float]] = {}
    reranker = None if system == FIRST else f"{output / system}@{arguments.depth}"
    spent = time.process_time()
    pairs = [tuple(pair.split(":")) for pair in arguments.pair or ()] or PAIRS
    for asked, told in pairs:
        queries, passages, relevant = read_pair(data, asked, told)
        queries = queries[:: len(queries) // arguments.questions][: arguments.questions]
        with tempfile.TemporaryDirectory() as place:
            index = Path(place) / "index"
            for _ in IndexBuild(passages, index, load_encoder(arguments.first)).run():
                pass
            with (
                Searcher.open(index, encoder=arguments.first) as searcher,
                torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bf16()),
            ):
                rankings = searcher.rank(queries, arguments.depth, rerank=reranker)
        found[f"{asked} → {told}"] = [
            next((1 / r for r, hit in enumerate(hits, 1) if hit.doc_id in relevant[q.query_id]), 0)
            for q, hits in zip(queries, rankings, strict=True)
        ]
    folder = output / "measured" / arguments.first
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{system}.json"
    path.write_text(json.dumps({"cpu_s": time.process_time() - spent, "pairs": found}))
    means = {pair: round(100 * float(np.mean(values)), 1) for pair, values in found.items()}
    print(f"{system}: {means}, {time.process_time() - spent:.0f} s of CPU time", flush=True)


def read_pair(
    data: Path, asked: str, told: str
) -> tuple[list[Query], list[Document], dict[str, set[str]]]:
    """Belebele's questions in one language, passages in another, and which answer which."""
    folder = data / "belebele-flores204"
    texts = texts_of(folder / "corpus.jsonl.gz", [told])[told]
    passages = [Document(name, text, language_code(told)) for name, text in sorted(texts.items())]
    records = [json.loads(line) for line in lines_of(folder / "queries.jsonl")]
    queries = [
        Query(one["_id"], one["text"], language_code(asked))
        for one in records
        if one["lang"] == asked
    ]
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in lines_of(folder / "qrels.tsv.gz"):
        query_id, _, doc_id, _ = line.split()
        relevant[query_id].add(doc_id.split(":")[0])
    return queries, passages, relevant


def print_table(folder: Path) -> None:
    """MRR of the depth that was put in order, and the difference from the first stage with its
    95 % interval over the same questions."""
    measured = {
        system: json.loads(path.read_text())["pairs"]
        for system in SYSTEMS
        if (path := folder / f"{system}.json").is_file()
    }
    pairs = list(measured[FIRST])
    print(f"| | {' | '.join(pairs)} | mean |\n|---|{'--:|' * (len(pairs) + 1)}")
    for system, found in measured.items():
        groups = (*([pair] for pair in pairs), pairs)
        cells = [cell(found, measured[FIRST], group, system) for group in groups]
        print(f"| {system} | {' | '.join(cells)} |")


def cell(
    found: dict[str, list[float]], first: dict[str, list[float]], pairs: list[str], system: str
) -> str:
    values = 100 * np.concatenate([found[pair] for pair in pairs])
    if system == FIRST:
        return f"{values.mean():.1f}"
    differences = values - 100 * np.concatenate([first[pair] for pair in pairs])
    low, high = bootstrap_intervals(differences[:, None])[0]
    return f"{values.mean():.1f} ({differences.mean():+.1f}; {low:+.1f} to {high:+.1f})"


def write_rows(data: Path, output: Path, n: int) -> None:
    held_out = HeldOut.read(data / "eval", ("en", *LANGUAGES))
    passages = list(read_passages(data / "train", held_out))
    rng = np.random.default_rng(0)
    chosen = [passages[i] for i in rng.permutation(len(passages))]
    asked = [
        passage
        for source, share in SHARES.items()
        for passage in [p for p in chosen if p.others and p.source == source][: round(share * n)]
    ]
    questions = [question(p, rng) for p in asked]
    ranked = mined(chosen, questions)
    output.parent.mkdir(parents=True, exist_ok=True)
    texts = [
        list(versions(number, passage, asked_text, side, found, rng))
        for number, (passage, (asked_text, side), found) in enumerate(
            zip(asked, questions, ranked, strict=True)
        )
    ]
    texts = [rows for rows in texts if rows]
    with output.open("w", encoding="utf-8") as file:
        for rows, scores in zip(texts, teacher_scores([rows[0] for rows in texts]), strict=True):
            for row in rows:
                file.write(json.dumps({**row, "scores": scores}, ensure_ascii=False) + "\n")
    print(f"{len(passages):,} passages, {len(asked):,} texts: {output}")


def read_passages(folder: Path, held_out: HeldOut) -> Iterator[Passage]:
    """Windows of three sentences and the one before, in the order of the files, without overlap."""
    for source in SHARES:
        order: list[str] = []
        translations: dict[str, dict[str, str]] = defaultdict(dict)
        for _, cells in read_cells(folder / f"{source}.tsv.gz", "lang", "lang", "text", "text"):
            first, lang, english, other = cells
            if first != "en" or lang not in LANGUAGES:
                continue
            if english not in translations:
                order.append(english)
            translations[english][lang] = other
        for start in range(0, len(order) - SENTENCES, SENTENCES + 1):
            before, *english = order[start : start + SENTENCES + 1]
            if any(held_out.overlaps(one, "en") for one in (before, *english)):
                continue
            if not 80 <= sum(map(len, english)) <= 600:
                continue
            langs = [
                lang
                for lang in LANGUAGES
                if all(lang in translations[one] for one in (before, *english))
                and not any(
                    held_out.overlaps(translations[one][lang], lang) for one in (before, *english)
                )
            ]
            others = {lang: tuple(translations[one][lang] for one in english) for lang in langs}
            earlier = {lang: translations[before][lang] for lang in langs}
            yield Passage(tuple(english), before, others, earlier, source)


def question(passage: Passage, rng: np.random.Generator) -> tuple[str, int]:
    """An English span, and the number of its sentence, -1 for the one before the passage."""
    neighbours = passage.source != "mlqe_pe_wikipedia" and rng.random() < NEIGHBOUR_SHARE
    number = -1 if neighbours else int(rng.integers(SENTENCES))
    text = passage.before if number < 0 else passage.english[number]
    whole = len(text.split()) <= LONGEST and rng.random() < WHOLE_SHARE
    return text if whole else span(text, rng), number


def span(text: str, rng: np.random.Generator) -> str:
    """Some neighbouring words, most of them."""
    words = text.split()
    length = int(rng.integers(*SPAN))
    start = int(rng.integers(max(1, len(words) - length)))
    words = [word for word in words[start : start + length] if rng.random() > 0.15] or words[:1]
    return " ".join(words)


def mined(passages: list[Passage], questions: list[tuple[str, int]]) -> list[list[Passage]]:
    """Of each question, what xret-static ranks high of all English passages."""
    documents = [Document(str(i), " ".join(p.english), "en") for i, p in enumerate(passages)]
    queries = [Query(str(i), text, "en") for i, (text, _) in enumerate(questions)]
    with tempfile.TemporaryDirectory() as folder:
        encoder = load_encoder("xret-static")
        for _ in IndexBuild(documents, Path(folder) / "index", encoder).run():
            pass
        with Searcher.open(Path(folder) / "index", encoder="xret-static") as searcher:
            rankings = searcher.rank(queries, DEPTH)
    return [[passages[int(hit.doc_id)] for hit in hits] for hits in rankings]


def teacher_scores(rows: list[dict[str, Any]]) -> Iterator[list[float]]:
    """MaxSim of xret-modular for the English version of each text: the answer, the negatives."""
    encoder = load_encoder("xret-modular")
    texts = sorted({text for row in rows for text in (row["positive"], *row["negatives"])})
    vectors = encoder.encode_documents([Document(text, text, "en") for text in texts])
    by_text = dict(zip(texts, list(vectors), strict=True))
    queries = encoder.encode_queries([Query("", row["query"], "en") for row in rows])
    for row, query in zip(rows, queries, strict=True):
        read = (row["positive"], *row["negatives"])
        ends = np.cumsum([0, *(len(by_text[text]) for text in read)])
        values = np.concatenate([by_text[text] for text in read])
        yield maxsim_scores(query, values, ends).round(4).tolist()


def versions(
    number: int,
    passage: Passage,
    asked: str,
    side: int,
    found: list[Passage],
    rng: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    lang = str(rng.choice(sorted(passage.others)))
    from_lang = str(rng.choice(sorted(passage.others)))
    source = passage.before_others if side < 0 else {k: v[side] for k, v in passage.others.items()}
    pool = [other for other in found if other is not passage and other.others]
    negatives = [p for p in pool if lang in p.others][:NEGATIVES]
    if len(negatives) < NEGATIVES:
        rest = [p for p in pool if not any(p is one for one in negatives)]
        negatives += rest[: NEGATIVES - len(negatives)]
    if len(negatives) < NEGATIVES:
        return
    common = {"id": str(number)}
    english = [" ".join(one.english) for one in negatives]
    yield common | {
        "query": asked,
        "positive": " ".join(passage.english),
        "negatives": english,
        "query_lang": "en",
        "positive_lang": "en",
        "negative_langs": ["en"] * NEGATIVES,
    }
    langs = [lang if lang in p.others else str(rng.choice(sorted(p.others))) for p in negatives]
    langs[-1] = str(rng.choice(sorted(negatives[-1].others)))
    texts = [" ".join(p.others[spoken]) for p, spoken in zip(negatives, langs, strict=True)]
    whole = asked in (passage.before, *passage.english)
    others = [(source[from_lang], from_lang)] if whole else []
    for query, query_lang in ((asked, "en"), *others):
        yield common | {
            "query": query,
            "positive": " ".join(passage.others[lang]),
            "negatives": texts,
            "query_lang": query_lang,
            "positive_lang": lang,
            "negative_langs": langs,
        }


if __name__ == "__main__":
    main()
