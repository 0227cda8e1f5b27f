"""What words alone find across languages: BM25 on Belebele over FLORES-200, MRR@10.

    python benchmarks/bm25_floor.py --data ../shared/data/eval

Okapi BM25, k1 = 0.9, b = 0.4, over lower-cased words without accents and over bigrams of
scripts without spaces; no stemming, no translation. Ties keep the order of the document ids.
"""

from __future__ import annotations

import argparse
import math
import re
import unicodedata
from collections import Counter
from pathlib import Path

from encoder_quality import ENGLISH, MAIN, read_belebele

K1, B = 0.9, 0.4
UNSPACED = re.compile(r"([\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+)")


def terms(text: str) -> list[str]:
    """Words, and overlapping bigrams of unspaced scripts."""
    plain = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    found = []
    for part in UNSPACED.split(plain):
        if UNSPACED.fullmatch(part):
            found += [part[i : i + 2] for i in range(max(1, len(part) - 1))]
        else:
            found += re.findall(r"\w+", part)
    return found


def mean_reciprocal_rank(
    queries: dict[str, str], documents: dict[str, str], relevant: dict[str, set[str]]
) -> float:
    """MRR@10 in percent of BM25 over one language's documents."""
    counts = {doc: Counter(terms(text)) for doc, text in sorted(documents.items())}
    lengths = {doc: sum(count.values()) for doc, count in counts.items()}
    mean = sum(lengths.values()) / len(lengths)
    found_in = Counter(term for count in counts.values() for term in count)
    total = 0.0
    for query_id, text in queries.items():
        scores = dict.fromkeys(counts, 0.0)
        for term in terms(text):
            n = found_in[term]
            idf = math.log(1 + (len(counts) - n + 0.5) / (n + 0.5))
            for doc, count in counts.items():
                if count[term]:
                    norm = K1 * (1 - B + B * lengths[doc] / mean)
                    scores[doc] += idf * count[term] / (count[term] + norm)
        best = [doc for doc in sorted(scores, key=lambda d: -scores[d])[:10] if scores[doc] > 0]
        ranks = [rank for rank, doc in enumerate(best, 1) if doc in relevant[query_id]]
        total += 1 / ranks[0] if ranks else 0.0
    return 100 * total / len(queries)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    data = parser.parse_args().data
    queries, documents, relevant = read_belebele(data, [*MAIN, ENGLISH])
    means = {name: mean_reciprocal_rank(queries, documents[name], relevant) for name in documents}
    for name in [*MAIN, ENGLISH]:
        print(f"{name} {means[name]:.1f}")
    print(f"mean of {len(MAIN)} {sum(means[name] for name in MAIN) / len(MAIN):.1f}")


if __name__ == "__main__":
    main()
