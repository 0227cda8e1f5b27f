"""A BERT-shaped encoder by the int8 kernels, beside torch, on one thread.

    python benchmarks/int8.py MODEL

MODEL is a folder of sentence-transformers that the kernels can run, such as
multilingual-e5-small. Documents have exactly 128 tokens, questions 16; CPU seconds, the least
of several turns, so that a busy machine disturbs no side more than another. Memory is the peak
of a process that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"


from xret.retriever.encoder import EncoderOptions
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document, Embeddings, FloatArray, Query

PIECE = "water "
LIBRARY = "sentence-transformers"
WAYS = (
    "kernels int8",
    f"{LIBRARY} fp32",
    f"{LIBRARY} bf16",
    "torch fp32",
    "torch bf16",
    "torch int8",
)


def text_of(tokens: Callable[[str], int], n: int) -> str:
    """A text of exactly n tokens, prompt and marks counted by `tokens`."""
    text = PIECE
    while tokens(text) < n:
        text += PIECE
    return text


def least_s(work: Callable[[], object], turns: int) -> float:
    taken = []
    for _ in range(turns):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


class Library:
    """The same folder by sentence-transformers alone, with the methods that are timed."""

    def __init__(self, folder: Path, precision: str) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        self._model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": dtype})

    def encode_documents(self, documents: Sequence[Document]) -> Embeddings:
        values = self._model.encode_document(
            [document.text for document in documents],
            normalize_embeddings=True,
            convert_to_numpy=True,
        )
        return Embeddings(values, np.arange(len(values) + 1))

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings:
        values = self._model.encode_query(
            [query.text for query in queries], normalize_embeddings=True, convert_to_numpy=True
        )
        return Embeddings(values, np.arange(len(values) + 1))


def open_way(folder: Path, way: str) -> Any:
    backend, precision = way.split()
    if backend == LIBRARY:
        return Library(folder, precision)
    options = EncoderOptions(backend=backend, precision=precision)  # type: ignore[arg-type]
    return load_encoder(str(folder), options=options)


def peak_mb(folder: Path, way: str) -> float:
    script = (
        f"import sys; sys.argv = ['int8', {str(folder)!r}]; sys.path.insert(0, {sys.path[0]!r})\n"
        "import int8\nfrom pathlib import Path\n"
        "from xret.types import Document\n"
        f"encoder = int8.open_way(Path({str(folder)!r}), {way!r})\n"
        "encoder.encode_documents([Document(str(i), int8.PIECE * 120, 'en') for i in range(64)])\n"
        "status = Path('/proc/self/status').read_text()\n"  # getrusage's began before the process
        "print(int(status.partition('VmHWM:')[2].split()[0]) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--documents", type=int, default=32)
    parser.add_argument("--turns", type=int, default=4)
    chosen = parser.parse_args()
    ours = open_way(chosen.model, WAYS[0]).document_model
    n = chosen.documents
    lengths = {
        task: text_of(lambda text, task=task: int(ours.features([text], task).lengths[0]), size)
        for task, size in (("document", 128), ("query", 16))
    }
    documents = [Document(str(i), lengths["document"], "en") for i in range(n)]
    query = [Query("", lengths["query"], "en")]
    expected: FloatArray | None = None
    print("way                         documents/s   ms a question   peak MB")
    for way in (*WAYS[1:], WAYS[0]):
        try:
            encoder = open_way(chosen.model, way)
            encoder.encode_documents(documents)
        except Exception as error:
            print(f"{way:26} {error}")
            continue
        rate = n / least_s(lambda e=encoder: e.encode_documents(documents), chosen.turns)
        ms = 1000 * least_s(lambda e=encoder: e.encode_queries(query), 5 * chosen.turns)
        print(f"{way:26} {rate:12.1f} {ms:15.2f} {peak_mb(chosen.model, way):9.0f}", flush=True)
        values = encoder.encode_documents(documents[:1]).values
        expected = values if expected is None else expected
        print(f"{'':26} cosine to fp32 {float((values * expected).sum(axis=1).min()):.5f}")


if __name__ == "__main__":
    main()
