"""X-MOD with 81 installed languages: our forward against transformers' own, in one run.

    python benchmarks/xmod.py                       # CPU, float32, one thread
    python benchmarks/xmod.py --layers 12 --threads 4
    python benchmarks/xmod.py --device cuda --layers 12   # documents/s at 128 tokens

Layers have the sizes of X-MOD base (hidden 768, feed-forward 3072, 12 heads) with random
weights and a small vocabulary, neither of which changes the time of a layer. Batches mix six
languages; lengths are drawn around those of real questions and passages. Both models have the
same weights and take turns; times are medians, on the CPU of processor time.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import XmodConfig, XmodModel

from xret.retriever.xmod.xmod import XMOD_ADAPTERS, prepare_xmod

VOCABULARY = 1000
MIXED = ("en", "fr", "de", "zh", "ar", "sw")


@dataclass(frozen=True)
class Batch:
    """Inputs of one forward; tokens without padding, and the share of padding in the batch."""

    name: str
    input_ids: Tensor
    attention_mask: Tensor
    lang_ids: Tensor

    @property
    def padding(self) -> float:
        return 1 - float(self.attention_mask.float().mean())


def base_model(*, layers: int, languages: int) -> XmodModel:
    """Random weights in the geometry of X-MOD base."""
    torch.manual_seed(0)
    config = XmodConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=layers,
        type_vocab_size=1,
        max_position_embeddings=514,
        layer_norm_eps=1e-5,
        languages=list(XMOD_ADAPTERS.values())[:languages],
    )
    return XmodModel(config, add_pooling_layer=False).train(False)


def batch(name: str, lengths: list[int], *, languages: int, per_token: bool = False) -> Batch:
    """Texts of those lengths, one language each in turn, or changing word by word."""
    generator = torch.Generator().manual_seed(0)
    shape = (len(lengths), max(lengths))
    mask = (torch.arange(shape[1])[None] < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(5, VOCABULARY, shape, generator=generator) * mask + (1 - mask)
    positions = [i for i, code in enumerate(XMOD_ADAPTERS) if code in MIXED and i < languages]
    which = torch.arange(len(lengths))[:, None] + (torch.arange(shape[1]) // 3) * per_token
    lang_ids = torch.tensor(positions)[which % len(positions)]
    return Batch(name, ids, mask, lang_ids if per_token else lang_ids[:, 0])


def batches(languages: int) -> list[Batch]:
    rng = random.Random(0)
    questions = [round(min(40, max(5, rng.lognormvariate(math.log(13), 0.4)))) for _ in range(12)]
    passages = [round(min(256, max(12, rng.lognormvariate(math.log(60), 0.6)))) for _ in range(24)]
    return [
        batch("1 question, 16 tokens", [16], languages=languages),
        batch("6 questions, all of 16 tokens", [16] * 6, languages=languages),
        batch("12 questions, 5 to 40 tokens", questions, languages=languages),
        batch("6 code-switched questions", questions[:6], languages=languages, per_token=True),
        batch("1 question and 5 passages", [12, *passages[:5]], languages=languages),
        batch("24 passages as they come", passages, languages=languages),
        batch("8 passages, all of 64 tokens", [64] * 8, languages=languages),
    ]


def compare(chosen: argparse.Namespace) -> None:
    """The table of the CPU: transformers' loop, ours, their ratio and largest difference."""
    torch.set_num_threads(chosen.threads)
    stock = base_model(layers=chosen.layers, languages=chosen.languages)
    ours = copy.deepcopy(stock)
    prepare_xmod(ours)
    print(
        f"X-MOD base geometry, {chosen.layers} layers, {chosen.languages} languages installed, "
        f"float32, {chosen.threads} thread{'s' * (chosen.threads > 1)}, "
        f"median of {chosen.runs}; processor time\n"
    )
    print("| batch | padding | transformers, ms | xret, ms | faster | largest difference |")
    print("|---|---|---|---|---|---|")
    for one in batches(chosen.languages):
        (slow, fast), difference = race(stock, ours, one, runs=chosen.runs)
        print(
            f"| {one.name} | {one.padding:.0%} | {slow * 1000:.1f} | {fast * 1000:.1f} | "
            f"{slow / fast:.2f}× | {difference:.0e} |"
        )
        sys.stdout.flush()


def race(
    stock: XmodModel, ours: XmodModel, one: Batch, *, runs: int
) -> tuple[tuple[float, float], float]:
    """Median seconds of both, taking turns, and the largest difference at real tokens."""

    def forward(model: XmodModel) -> Tensor:
        states = model(
            input_ids=one.input_ids, attention_mask=one.attention_mask, lang_ids=one.lang_ids
        ).last_hidden_state
        return states * one.attention_mask[..., None]

    times: tuple[list[float], list[float]] = ([], [])
    with torch.inference_mode():
        difference = float((forward(stock) - forward(ours)).abs().max())
        for _ in range(runs):
            for model, spent in zip((stock, ours), times, strict=True):
                start = time.process_time()
                forward(model)
                spent.append(time.process_time() - start)
    return (statistics.median(times[0]), statistics.median(times[1])), difference


def throughput(chosen: argparse.Namespace) -> None:
    """Documents/s on a GPU: 128 tokens, 12 layers, bf16, six languages in each batch."""
    stock = base_model(layers=chosen.layers, languages=chosen.languages).to("cuda", torch.bfloat16)
    ours = copy.deepcopy(stock)
    prepare_xmod(ours)
    one = batch("", [128] * chosen.batch, languages=chosen.languages)
    features = {
        "input_ids": one.input_ids.cuda(),
        "attention_mask": one.attention_mask.cuda(),
        "lang_ids": one.lang_ids.cuda(),
    }
    print(
        f"{torch.cuda.get_device_name()}, X-MOD base geometry, {chosen.layers} layers, bf16, "
        f"{chosen.languages} languages installed, {chosen.batch} × 128 tokens\n"
    )
    for name, model in (("transformers", stock), ("xret", ours)):
        seconds = gpu_seconds(lambda model=model: model(**features), runs=chosen.runs)  # type: ignore[misc]
        print(f"{name:13}{chosen.batch / seconds:10,.0f} documents/s")


def gpu_seconds(work: Callable[[], object], *, runs: int) -> float:
    times = []
    with torch.inference_mode():
        for run in range(runs + 3):
            torch.cuda.synchronize()
            start = time.perf_counter()
            work()
            torch.cuda.synchronize()
            if run >= 3:
                times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--languages", type=int, default=81)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=512, help="documents a batch, on cuda")
    chosen = parser.parse_args()
    if chosen.device == "cuda":
        throughput(chosen)
    else:
        compare(chosen)


if __name__ == "__main__":
    main()
