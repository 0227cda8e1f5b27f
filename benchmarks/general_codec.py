"""The codec that comes with an encoder, trained on general text.

    python benchmarks/general_codec.py xret-modular --text ../shared/data/train \\
        --output retriever/pretrained/codecs/xret-modular.safetensors

Lines of one source and language are joined to passages of about 450 characters (150 where words
are not spaced), 150 of English and 50 of every other language; Bibles are left
out, and nothing that is scored is read. A codec of so few centroids loses 0.16 +- 0.26 points of
MRR@10 in 2 bits on Belebele (8 languages, English questions, vectors pooled by 2) against float32,
0.27 +- 0.27 with half as many.
"""

from __future__ import annotations

import argparse
import gzip
import random
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from xret.index.coding.clustering import train_codec
from xret.retriever.languages.codes import language_code
from xret.retriever.opening.encoder import load_encoder
from xret.types import Document

CENTROIDS = 2048
BITS = 2
VECTORS = 1 << 17
UNSPACED = ("zh", "ja", "ko", "zh-hant")
BATCH = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoder")
    parser.add_argument("--text", type=Path, required=True, help="folder of *.tsv.gz pairs")
    parser.add_argument("--output", type=Path, required=True)
    asked = parser.parse_args()
    encoder = load_encoder(asked.encoder)
    values, lengths, n_vectors = [], [], 0
    documents = passages(asked.text)
    for at in range(0, len(documents), BATCH):
        part = encoder.encode_documents(documents[at : at + BATCH])
        values.append(part.values)
        lengths.append(np.diff(part.offsets))
        n_vectors += len(part.values)
        print(f"{at + len(part):,} of {len(documents):,} passages", flush=True)
        if n_vectors >= VECTORS:
            break
    offsets = np.cumsum([0, *np.concatenate(lengths)], dtype=np.int64)
    codec = train_codec(np.concatenate(values), bits=BITS, offsets=offsets, n_centroids=CENTROIDS)
    arrays = {name: np.ascontiguousarray(array) for name, array in codec.arrays().items()}
    save_file(arrays, asked.output)


def passages(folder: Path) -> list[Document]:
    """Of all languages, in an order by chance that is always the same."""
    rng = random.Random(5)
    texts: dict[str, dict[str, list[str]]] = {}
    for path in sorted(folder.glob("*.tsv.gz")):
        if "bible" in path.name:
            continue
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                fields = line.rstrip("\n").split("\t")
                if len(fields) == 4:
                    for lang, text in ((fields[0], fields[2]), (fields[1], fields[3])):
                        if rng.random() < 0.25:
                            texts.setdefault(lang, {}).setdefault(path.name, []).append(text)
    found = []
    for lang, sources in sorted(texts.items()):
        whole = [text for lines in sources.values() for text in joined(lines, lang)]
        rng.shuffle(whole)
        for text in whole[: 150 if lang == "en" else 50]:
            found.append(Document(f"t{len(found)}", text, language_code(lang)))
    rng.shuffle(found)
    return found


def joined(lines: list[str], lang: str) -> list[str]:
    """Lines one after the other until they are a passage."""
    found, text = [], ""
    for line in lines:
        text = f"{text} {line}".strip()
        if len(text) > (150 if lang in UNSPACED else 450):
            found.append(text[:1500])
            text = ""
    return found


if __name__ == "__main__":
    main()
