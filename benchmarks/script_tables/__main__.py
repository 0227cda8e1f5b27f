"""Make the tables of `retriever/scripts/tables` from training text, lexicons and romanisers.

    cd benchmarks && python -m script_tables --data ../../shared/data --output tables

data: a folder with `train` (first language, second language, first text, second text in gzipped
TSV) and `lexicon` (language, English, translation). Ten minutes of one core. `--only` names
languages, or `telling`. The libraries that it takes are in `romanisers`.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from script_tables import lattices, letters, telling
from script_tables.texts import vocabulary
from xret.retriever.scripts.tables import LATTICES, LETTERS

LEARNT_FROM, KEPT, KEPT_LATTICE, PAIRS = 24_000, 20_000, 28_000, 25_000
LETTER_UNIT, WORD_UNIT, FIRST, MOST = 0.1, 0.15, 35, 110
DEAREST = 5.3
LONGEST = 24
UNSEEN_BEGINNINGS = 5e5


def written(folder: Path, name: str, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    packed = lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
    (folder / f"{name}.json.xz").write_bytes(packed)
    print(f"{name}: {len(packed):,} bytes", flush=True)


def word_costs(chances: Iterable[float]) -> str:
    """Negative logarithms as characters; see `xret.retriever.scripts.tables`."""
    units = (round(-math.log(chance) / WORD_UNIT) for chance in chances)
    return "".join(chr(FIRST + min(MOST, max(0, unit))) for unit in units)


def by_letters(data: Path, lang: str) -> dict[str, Any]:
    words = vocabulary(data, lang, LEARNT_FROM)
    chances = letters.learnt(letters.pairs(lang, words))
    table: dict[str, dict[tuple[tuple[str, int], ...], list[str]]] = {}
    for (letter, context), own in chances.items():
        costs = {latin: -math.log(chance) for latin, chance in own.items()}
        units = {latin: round(c / LETTER_UNIT) for latin, c in costs.items() if c < DEAREST}
        if units:
            table.setdefault(letter, {}).setdefault(tuple(sorted(units.items())), []).append(
                context
            )
    total = sum(count for _, count in words)
    chosen = sorted((word, count) for word, count in words[:KEPT] if len(word) <= LONGEST)
    return {
        "words": "\n".join(word for word, _ in chosen),
        "costs": word_costs(count / total for _, count in chosen),
        "letters": {
            letter: [[" ".join(sorted(places)), dict(own)] for own, places in by_own.items()]
            for letter, by_own in table.items()
        },
    }


def by_lattice(data: Path, lang: str) -> dict[str, Any]:
    counts, spelt, pairs = (lattices.chinese if lang == "zh" else lattices.japanese)(data)
    total = sum(counts.values())
    common = sorted(counts, key=lambda word: (-counts[word], word))[:KEPT_LATTICE]
    words = sorted(common)
    numbers = {word: number for number, word in enumerate(words)} | {"": -1}
    behind = sorted(
        (numbers[one], numbers[other], n, counts.get(one, UNSEEN_BEGINNINGS))
        for (one, other), n in pairs.most_common(PAIRS)
        if n >= 3 and one in numbers and other in numbers
    )
    costs = [max(0, round(-math.log(0.8 * n / of) / WORD_UNIT)) for _, _, n, of in behind]
    return {
        "words": "\n".join(words),
        "costs": word_costs(counts[word] / total for word in words),
        "spellings": "\n".join(" ".join(spelt[word]) for word in words),
        "bigrams": [[one for one, *_ in behind], [other for _, other, *_ in behind], costs],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    wanted = set(args.only or [*LETTERS, *LATTICES, "telling"])
    for lang in sorted(wanted & LETTERS):
        written(args.output, lang, by_letters(args.data, lang))
    for lang in sorted(wanted & LATTICES):
        written(args.output, lang, by_lattice(args.data, lang))
    if "telling" in wanted:
        classes, weights, unit, bias = telling.learnt(telling.examples(args.data))
        packed = lzma.compress(weights.tobytes(), preset=9 | lzma.PRESET_EXTREME)
        (args.output / "telling.weights.xz").write_bytes(packed)
        own = {"classes": classes, "scale": unit, "bias": [round(one, 4) for one in bias]}
        written(args.output, "telling", own | {"english": " ".join(telling.english(args.data))})


if __name__ == "__main__":
    main()
