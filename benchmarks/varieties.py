"""What an evaluation found for each language, by script and by family.

    xret eval DATA/belebele-flores204 --lang eng_Latn --json > all.json
    python benchmarks/varieties.py all.json
    python benchmarks/varieties.py all.json --measure RR@10 --lowest 30

Means are over the languages of a group, each counting once. A language without a row in the
product's table of languages is in no family.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from xret.retriever.languages.relatives import facts

OTHERS = "others"
LEAST = 3
"""Groups of fewer languages are one row together."""


def group_of(lang: str, by: str) -> str:
    known = facts(lang)
    if by == "script":
        return known.scripts[0] if known.scripts else OTHERS
    family = known.family
    wide = family[:1] == ("Indo-European",) or family[:1] == ("Niger-Congo",)
    return "/".join(family[: 1 + wide]) or OTHERS


def grouped(values: Mapping[str, float], by: str) -> dict[str, list[tuple[float, str]]]:
    """Group to its languages with their figures, the largest group first."""
    groups: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for lang, value in values.items():
        groups[group_of(lang, by)].append((value, lang))
    small = [name for name, members in groups.items() if len(members) < LEAST and name != OTHERS]
    for name in small:
        groups[OTHERS] += groups.pop(name)
    order = sorted(groups, key=lambda name: (name == OTHERS, -len(groups[name]), name))
    return {name: sorted(groups[name]) for name in order}


def rows(groups: Mapping[str, Sequence[tuple[float, str]]]) -> list[str]:
    return [
        f"| {name} | {len(members)} | {statistics.mean(value for value, _ in members):.1f} | "
        f"{members[0][1]} {members[0][0]:.1f} |"
        for name, members in groups.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="what xret eval --json printed")
    parser.add_argument("--measure", default="nDCG@10")
    parser.add_argument("--lowest", type=int, default=20)
    asked = parser.parse_args()
    results = json.loads(asked.results.read_text())["results"]
    values = {
        row["doc_lang"]: 100 * row["measures"][asked.measure]
        for row in results
        if row["doc_lang"] is not None and row["query_lang"] is not None
    }
    print(f"{len(values)} languages, {asked.measure} {statistics.mean(values.values()):.1f}\n")
    for by in ("script", "family"):
        print(f"| {by} | languages | mean | lowest |\n|---|--:|--:|---|")
        print(*rows(grouped(values, by)), "", sep="\n")
    lowest = sorted((value, lang) for lang, value in values.items())[: asked.lowest]
    print("lowest: " + ", ".join(f"{lang} {value:.1f}" for value, lang in lowest))


if __name__ == "__main__":
    main()
