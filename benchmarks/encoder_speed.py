"""Documents of exactly 100 tokens a second on one core, embedded encoders side by side.

    python benchmarks/encoder_speed.py --data ../shared/data/eval

Belebele's passages in eight languages, cut to 100 pieces of the vocabulary that both encoders
share; medians of several turns, the encoders taking turns.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"

from encoder_quality import read_belebele

from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.wordpieces import WordPieces
from xret.retriever.languages.codes import language_code
from xret.retriever.models.registry import PRETRAINED
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document

LANGUAGES = [
    "fra_Latn",
    "deu_Latn",
    "rus_Cyrl",
    "arb_Arab",
    "hin_Deva",
    "swh_Latn",
    "tur_Latn",
    "kor_Hang",
]
TOKENS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--documents", type=int, default=512)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    documents = passages(arguments.data)[: arguments.documents]
    encoders = {
        "xret-static": load_encoder("xret-static"),
        "xret-modular, fp32": load_encoder("xret-modular"),
        "xret-modular, auto": load_encoder(
            "xret-modular", options=EncoderOptions(precision="auto")
        ),
    }
    spent: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(arguments.turns + 1):
        for name, encoder in encoders.items():
            start = time.process_time()
            encoder.encode_documents(documents)
            spent[name].append(time.process_time() - start)
    print(f"| encoder | documents/s, {len(documents)} of {TOKENS} tokens, one core |\n|---|--:|")
    for name, seconds in spent.items():
        print(f"| {name} | {len(documents) / median(seconds[1:]):,.0f} |")


def passages(data: Path) -> list[Document]:
    """Cut behind the last word that fits; shorter ones are left out. Languages take turns."""
    pieces = WordPieces.load(PRETRAINED / "xret-static" / "tokenizer.json")
    _, texts, _ = read_belebele(data, LANGUAGES)
    cut: list[list[Document]] = []
    for lang in LANGUAGES:
        found = []
        for name, text in sorted(texts[lang].items()):
            offsets = pieces.encode(text).offsets
            if len(offsets) >= TOKENS:
                text = text[: offsets[TOKENS - 1][1]]
                found.append(Document(f"{lang}:{name}", text, language_code(lang)))
        cut.append(found)
    return [document for row in zip(*cut, strict=False) for document in row]


if __name__ == "__main__":
    main()
