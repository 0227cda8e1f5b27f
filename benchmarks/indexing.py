"""Encoding and indexing passages of 100 tokens, and searching them, on one core.

    python benchmarks/indexing.py --documents 100000

The passages are drawn from the words of the demo corpus, so that nothing must be downloaded;
speed and size do not depend on what they say. Splitting into tokens alone, the part that no
encoder can leave out, is timed in the same run as the baseline.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from xret.retriever.corpora.registry import open_corpus  # noqa: E402
from xret.retriever.models.registry import ENCODERS  # noqa: E402
from xret.retriever.opening.encoder import load_encoder  # noqa: E402
from xret.retriever.searcher import Searcher  # noqa: E402
from xret.types import Document  # noqa: E402

TOKENS = 100


def passages(n: int, *, seed: int = 0) -> list[Document]:
    """n passages of about 100 tokens, one language each, words as frequent as in the demo."""
    rng = random.Random(seed)
    words: dict[str, list[str]] = {}
    per_word: dict[str, float] = {}
    encoder = load_encoder("xret-static")
    for document in open_corpus("demo").documents(on_reject=print):
        pieces = list(document.text) if document.lang == "zh" else document.text.split()
        words.setdefault(document.lang, []).extend(pieces)
    for lang, found in words.items():
        text = ("" if lang == "zh" else " ").join(found)
        per_word[lang] = sum(encoder.count_tokens([text])) / len(found)  # type: ignore[attr-defined]
    langs = sorted(words)
    made = []
    for i in range(n):
        lang = langs[i % len(langs)]
        chosen = rng.choices(words[lang], k=round(TOKENS / per_word[lang]))
        made.append(Document(f"d{i}", ("" if lang == "zh" else " ").join(chosen), lang))
    return made


def median_s(work: Callable[[], object], *, runs: int = 5) -> float:
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def encoding(documents: list[Document]) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(ENCODERS["xret-static"].folder / "tokenizer.json"))
    encoder = load_encoder("xret-static")
    texts = [document.text for document in documents]
    tokens = sum(encoder.count_tokens(texts)) / len(texts)  # type: ignore[attr-defined]
    encoder.encode_documents(documents)
    splitting = median_s(lambda: tokenizer.encode_batch_fast(texts))
    whole = median_s(lambda: encoder.encode_documents(documents))
    vectors = len(encoder.encode_documents(documents).values) / len(documents)
    print(f"documents of {tokens:.0f} tokens, {vectors:.0f} vectors; one core, CPU time")
    print(f"encode        {len(texts) / whole:10,.0f} documents/s")
    print(f"tokenize only {len(texts) / splitting:10,.0f} documents/s")
    print(f"ratio         {whole / splitting:10.2f} times the tokenizer's time")


def indexing(documents: list[Document]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        corpus, index = Path(folder) / "corpus.jsonl", Path(folder) / "index"
        with corpus.open("w", encoding="utf-8") as file:
            for d in documents:
                file.write(json.dumps({"_id": d.doc_id, "text": d.text, "lang": d.lang}) + "\n")
        command = ["index", "--corpus", str(corpus), "--output", str(index), "--json"]
        program = "from xret.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", program, *command], capture_output=True)
        report = json.loads(done.stdout)
        text_bytes = corpus.stat().st_size / len(documents)
        print(f"\nindex of {report['documents']:,} passages, `xret index`")
        print(f"build         {report['seconds']:10,.1f} s, {report['documents_per_s']:,.0f}/s")
        size = report["bytes_per_document"]
        print(f"size          {size:10,} bytes/document, {text_bytes:.0f} of them text")
        print(f"peak memory   {report['peak_memory_bytes'] / 2**20:10,.0f} MiB")
        start = time.perf_counter()
        searcher = Searcher.open(index)
        print(f"open          {time.perf_counter() - start:10,.2f} s, every checksum verified")
        queries = [d.text[:40] for d in documents[:10]]
        times = []
        for query in queries:
            start = time.perf_counter()
            searcher.search(query, lang="en")
            times.append(time.perf_counter() - start)
        print(f"search        {statistics.median(times) * 1000:10,.0f} ms, median of 10")
        searcher.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    chosen = parser.parse_args()
    documents = passages(chosen.documents)
    encoding(documents[:4000])
    indexing(documents)


if __name__ == "__main__":
    main()
