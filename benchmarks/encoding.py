"""Encoding fast: batches, precisions and single queries, each against the plain way, in one run.

    python benchmarks/encoding.py --data FOLDER --threads 1

FOLDER holds JSON lines files with texts, such as the passages of an evaluation collection
(corpus.jsonl, .gz too). The model has the size of MiniLM-L6 (6 layers of 384, 22 M
parameters) and random weights: speed does not depend on what the weights say. Figures are
medians of alternating runs, so that a busy machine disturbs both sides of a ratio alike.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

# Before numpy, torch and onnxruntime read it.
_early = argparse.ArgumentParser(add_help=False)
_early.add_argument("--threads", default="1")
os.environ["OMP_NUM_THREADS"] = _early.parse_known_args()[0].threads
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402
from transformers import XLMRobertaConfig, XLMRobertaModel  # noqa: E402

from xret.retriever.encoder import EncoderOptions  # noqa: E402
from xret.retriever.encoders.batches import padding_waste, token_batches  # noqa: E402
from xret.retriever.opening.encoder import load_encoder  # noqa: E402
from xret.types import Document, FloatArray, Query  # noqa: E402

VOCABULARY = 30_000
QUERY_WORDS = 12


def read_texts(folder: Path, n: int, *, seed: int = 0) -> list[str]:
    """n texts drawn from all JSON lines files below a folder."""
    texts: list[str] = []
    for path in sorted([*folder.rglob("corpus.jsonl"), *folder.rglob("corpus.jsonl.gz")]):
        opener: Any = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                text = record.get("text") or record.get("contents") or ""
                texts.append(f"{record.get('title') or ''} {text}".strip())
    if not texts:
        raise SystemExit(f"no corpus.jsonl with texts below {folder}")
    return random.Random(seed).choices(texts, k=n)


def make_model(folder: Path, texts: Sequence[str], *, layers: int) -> Path:
    """A bi-encoder of MiniLM's size, with a tokenizer trained on the texts themselves."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, limit_alphabet=6000, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=384,
        num_hidden_layers=layers,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
    )
    weights = XLMRobertaModel(config).state_dict()
    kept = {name: w.contiguous() for name, w in weights.items() if "_ids" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    kind = "sentence_transformers.models."
    files: dict[str, Any] = {
        "config.json": {**config.to_dict(), "architectures": ["XLMRobertaModel"]},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": 512,
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
        },
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": kind + "Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": kind + "Pooling"},
        ],
        "sentence_bert_config.json": {"max_seq_length": 512},
        "config_sentence_transformers.json": {"similarity_fn_name": "cosine"},
        "1_Pooling/config.json": {
            "word_embedding_dimension": 384,
            "pooling_mode_mean_tokens": True,
        },
    }
    (folder / "1_Pooling").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def naive(model: Any, texts: Sequence[str]) -> FloatArray:
    """Batches of 32 in input order, as a loop over a corpus makes them."""
    rows = []
    for start in range(0, len(texts), 32):
        batch = model.model.preprocess(list(texts[start : start + 32]))
        with torch.inference_mode():
            rows.append(model.model(batch)["sentence_embedding"].float().numpy())
    values: FloatArray = np.concatenate(rows)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values


def medians(ways: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median seconds of each way, taken in turns after one run for warmth."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(runs + 1):
        for name, work in ways.items():
            start = time.perf_counter()
            work()
            if run:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def smallest_cosine(found: FloatArray, expected: FloatArray) -> float:
    return float((found * expected).sum(axis=1).min())


def batching(folder: Path, texts: Sequence[str], runs: int) -> None:
    encoder: Any = load_encoder(str(folder))
    documents = [Document("", text, "en") for text in texts]
    model = encoder.document_model
    lengths = model.features(texts, "document").lengths
    plain = [np.arange(i, min(i + 32, len(texts))) for i in range(0, len(texts), 32)]
    ours = token_batches(lengths, model.batch_tokens)
    took = medians(
        {"naive": lambda: naive(model, texts), "ours": lambda: encoder.encode_documents(documents)},
        runs,
    )
    error = np.abs(naive(model, texts) - encoder.encode_documents(documents).values).max()
    print(f"\n{len(texts)} texts, {lengths.mean():.0f} tokens in the mean, longest {lengths.max()}")
    print("batches                    documents/s   padding   ratio")
    for name, label, batches in (
        ("naive", "32 in input order", plain),
        ("ours", "sorted, token budget", ours),
    ):
        rate, ratio = len(texts) / took[name], took["naive"] / took[name]
        print(f"{label:24} {rate:13.1f} {padding_waste(lengths, batches):9.3f} {ratio:7.2f}")
    print(f"largest difference between the two: {error:.1e}")


def precisions(folder: Path, texts: Sequence[str], runs: int) -> None:
    documents = [Document("", text, "en") for text in texts]
    encoders: dict[str, Any] = {}
    for precision in ("fp32", "bf16", "int8"):
        try:
            options = EncoderOptions(precision=precision)  # type: ignore[arg-type]
            encoders[precision] = load_encoder(str(folder), options=options)
        except Exception as error:
            print(f"\n{precision}: {error}")
    ways = {name: _encoding(encoder, documents) for name, encoder in encoders.items()}
    took = medians(ways, runs)
    expected = encoders["fp32"].encode_documents(documents).values
    print("\nprecision                  documents/s   ratio   smallest cosine")
    for name, encoder in encoders.items():
        cosine = smallest_cosine(encoder.encode_documents(documents).values, expected)
        ratio = took["fp32"] / took[name]
        print(f"{'torch ' + name:24} {len(texts) / took[name]:13.1f} {ratio:7.2f} {cosine:17.5f}")


def single_queries(folder: Path, texts: Sequence[str], runs: int) -> None:
    from xret.retriever.export.encoder import export_encoder

    ways: dict[str, Callable[[], object]] = {}
    encoders: dict[str, Any] = {"torch fp32": load_encoder(str(folder))}
    for name, int8 in (("onnx fp32", False), ("onnx int8", True)):
        copy = folder.with_name(f"{folder.name}-{'int8' if int8 else 'fp32'}")
        make_copy(folder, copy)
        export_encoder(copy, int8=int8)
        encoders[name] = load_encoder(str(copy), options=EncoderOptions(backend="onnx"))
    queries = list(_queries(texts, 20))
    for name, encoder in encoders.items():
        ways[name] = _asking(encoder, queries)
    took = medians(ways, max(runs, 5))
    expected = encoders["torch fp32"].encode_queries(queries).values
    print(f"\none query of {QUERY_WORDS} words         ms   ratio   smallest cosine")
    for name, encoder in encoders.items():
        cosine = smallest_cosine(encoder.encode_queries(queries).values, expected)
        ratio = took[name] / took["torch fp32"]
        print(f"{name:24} {took[name] / len(queries) * 1000:7.2f} {ratio:7.2f} {cosine:17.5f}")


def make_copy(folder: Path, copy: Path) -> None:
    """The same model in a folder of its own, its files shared."""
    for path in folder.rglob("*"):
        if path.is_file():
            target = copy / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)


def _encoding(encoder: Any, documents: list[Document]) -> Callable[[], object]:
    return lambda: encoder.encode_documents(documents)


def _asking(encoder: Any, queries: list[Query]) -> Callable[[], object]:
    return lambda: [encoder.encode_queries([query]) for query in queries]


def _queries(texts: Sequence[str], n: int) -> Iterator[Query]:
    long = [text.split() for text in texts if len(text.split()) >= QUERY_WORDS]
    for words in long[:n]:
        yield Query("", " ".join(words[:QUERY_WORDS]), "en")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    texts = read_texts(chosen.data, chosen.documents)
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_model(Path(scratch) / "minilm", texts, layers=chosen.layers)
        print(f"{chosen.layers} layers of 384, random weights; {chosen.threads} thread(s)")
        batching(folder, texts, chosen.runs)
        precisions(folder, texts, chosen.runs)
        single_queries(folder, texts, chosen.runs)


if __name__ == "__main__":
    main()
