"""An index in shards against one index of the same documents: hits, scores, processor time.

    python benchmarks/shards.py --documents 3000 --shards 4

Documents are 60 words each, drawn from the demo corpus's documents in their languages, by the seed
13; questions are six words of one. Printed, for the usual search and with `--exact`: the share of
questions whose 10 hits and scores are those of one index, and the
median processor time a question, one thread a shard. The folder is removed at the end.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from statistics import median

import xret
from xret.retriever.searcher import Searcher
from xret.types import Document, SearchParams, finish

WORDS = 60
ASKED = 6
SEED = 13
K = 10


def drawn_documents(n: int) -> list[Document]:
    """Documents of drawn words, in the languages of the demo corpus in turn."""
    draw = random.Random(SEED)
    words: dict[str, list[str]] = {}
    for document in xret.open_corpus("demo").documents(on_reject=print):
        words.setdefault(document.lang, []).extend(document.text.split())
    langs = [lang for lang, own in sorted(words.items()) if len(own) > WORDS]
    return [
        Document(f"d{i}", " ".join(draw.choices(words[lang], k=WORDS)), lang)
        for i, lang in enumerate(langs[i % len(langs)] for i in range(n))
    ]


def timed(searcher: Searcher, text: str, lang: str, *, exact: bool) -> tuple[object, float]:
    start = time.process_time()
    params = SearchParams(exact=exact, threads=1)
    hits = searcher.search(text, lang=lang, k=K, params=params)
    return [(hit.id, hit.score) for hit in hits], 1000 * (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--preset", default="exact", help="exact: no codec, whatever the size")
    given = parser.parse_args()
    documents = drawn_documents(given.documents)
    encoder = xret.load_encoder("xret-static")
    draw = random.Random(SEED)
    asked = [draw.choice(documents) for _ in range(given.questions)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        parts = [folder / f"part{n}" for n in range(given.shards)]
        finish(xret.IndexBuild(documents, folder / "whole", encoder, preset=given.preset).run())
        for n, part in enumerate(parts):
            finish(
                xret.IndexBuild(
                    documents[n :: given.shards], part, encoder, preset=given.preset
                ).run()
            )
        xret.join_shards(folder / "shards", parts)
        print(f"{given.documents:,} documents, {xret.info(folder / 'whole')['vectors']:,} vectors")
        with xret.open(folder / "whole") as whole, xret.open(folder / "shards") as shards:
            for exact in (False, True):
                same = 0
                times: list[list[float]] = [[], []]
                for document in asked:
                    text = " ".join(document.text.split()[:ASKED])
                    found = []
                    for searcher, own in zip((whole, shards), times, strict=True):
                        hits, took = timed(searcher, text, document.lang, exact=exact)
                        found.append(hits)
                        own.append(took)
                    same += found[0] == found[1]
                print(
                    f"{'exact' if exact else 'usual'}: {same} of {len(asked)} questions the same, "
                    f"CPU ms a question: one index {median(times[0]):.1f}, "
                    f"{given.shards} shards {median(times[1]):.1f}"
                )


if __name__ == "__main__":
    main()
