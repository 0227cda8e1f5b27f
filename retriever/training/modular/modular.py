"""Training the shipped modular encoder: text to examples, a pretrained BERT to late interaction."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.training_args import (
    MultiVectorEncoderTrainingArguments,
)
from torch import Tensor

from xret.errors import TrainingError
from xret.retriever.encoders.precision import is_fast_in_bf16
from xret.retriever.encoders.word_model import load_own_model
from xret.retriever.languages.codes import language_code
from xret.retriever.models.compact import BLOCK, compacted, save_compact
from xret.retriever.models.layout import read_json
from xret.retriever.models.published import publish, published_folder, sync_tree, write_file
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.training.common.checkpoint import WorkFolder, describe_run
from xret.retriever.training.common.held_out import HeldOut
from xret.retriever.training.common.parallel import PairReader, ParallelText
from xret.retriever.training.common.trainer import (
    LanguageCollator,
    LateInteractionTrainer,
    designed_error,
    in_order,
    run_trainer,
)
from xret.retriever.training.modular.card import machine, modular_card
from xret.retriever.training.modular.examples import ExampleDrawer
from xret.retriever.training.modular.losses import TranslatedScores
from xret.retriever.training.modular.settings import ModularTraining
from xret.retriever.training.modular.start import write_start
from xret.retriever.xmod.xmod import prepare_xmod
from xret.types import Progress

__all__ = ["train_modular"]

_EXAMPLES, _START = "examples", "start"
_WEIGHTS = "model.safetensors"
_EMPTIED = ("truncation", "padding")
_OF_TRAINING = frozenset(
    {
        "is_local",
        "local_files_only",
        "max_length",
        "pad_to_multiple_of",
        "pad_token_type_id",
        "stride",
        "truncation_strategy",
    }
)
_TASKS = {
    "query": "query",
    "document": "document",
    "english_query": "query",
    "english_document": "document",
}
"""What each column of the examples is read as."""


def train_modular(
    data: Path, base: Path, output: Path, *, settings: ModularTraining, resume: bool = True
) -> Iterator[Progress]:
    """Train on `data/train` and `data/lexicon` from a pretrained BERT; write a model to `output`.

    base: a sentence-transformers folder of it. Runs as it is iterated over. Evaluation sets
    below `data/eval` are kept out of the text unless the settings name others. The work is kept
    in `output/work`: a killed run, started again, gives the same weights as an unbroken one.
    Raises TrainingError (no data, no space, a loss that is no number: the last good
    checkpoint stays), CorpusError (file:line) and ModelError (the base).
    """
    if settings.held_out is None and (data / "eval").is_dir():
        settings = dataclasses.replace(settings, held_out=data / "eval")
    _check(output, settings)
    torch.set_num_threads(settings.threads)
    folders = [folder for folder in (base, settings.held_out) if folder is not None]
    run = describe_run(settings.describe(), data, folders)
    work = WorkFolder.open(output / "work", run, resume=resume)
    languages = tuple(map(language_code, ("en", *settings.languages)))
    start = work.path / _START / "model"
    if not (work.path / _EXAMPLES).is_dir() or not (work.path / _START).is_dir():
        yield from _prepare(data, base, work, settings, languages)
    model = load_own_model(start, {})
    started = time.perf_counter()
    trainer = _trainer(model, work, settings)
    try:
        yield from run_trainer(trainer)
    finally:
        work.add_seconds("training_s", time.perf_counter() - started)
    work.note("losses", [row for row in trainer.state.log_history if "loss" in row])
    work.note("machine", machine())
    with quiet_libraries():
        _write_compact(model, load_own_model(start, {}), output)
    card = modular_card(settings, work.notes(), base=base, languages=languages)
    write_file(output / "README.md", card)
    yield Progress("written", 1, 1, "model")


def _check(output: Path, settings: ModularTraining) -> None:
    """Refuse a device that is not there and a folder that is somebody else's."""
    if settings.device not in (None, "cpu", "cuda"):
        raise TrainingError(f"no device is called {settings.device!r} here; use cpu or cuda")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("there is no GPU that torch can use; train with --device cpu")
    used = output.is_dir() and any(output.iterdir())
    if used and not (output / "work").is_dir():
        raise TrainingError(f"{output} has files of something else; name another --output")


def _prepare(
    data: Path, base: Path, work: WorkFolder, settings: ModularTraining, languages: tuple[str, ...]
) -> Iterator[Progress]:
    """Read the text, make the model of before the first step, draw every example of the run."""
    start = time.perf_counter()
    text = yield from _read(data, settings)
    work.add_seconds("read_s", time.perf_counter() - start)
    counts = Counter(text.sources[source] for source in text.rows()[:, 0].tolist())
    work.note("sources", {name: counts[name] for name in text.sources})
    work.note("overlapping", dict(text.overlapping))
    if not (work.path / _START).is_dir():
        start = time.perf_counter()
        with published_folder(work.path / _START) as part:
            yield from write_start(base, part, text=text, settings=settings)
        work.add_seconds("start_s", time.perf_counter() - start)
    if not (work.path / _EXAMPLES).is_dir():
        yield from _draw(text, work, settings, languages)


def _draw(
    text: ParallelText, work: WorkFolder, settings: ModularTraining, languages: tuple[str, ...]
) -> Iterator[Progress]:
    start = time.perf_counter()
    drawer = ExampleDrawer(
        text, seed=settings.seed, batch_size=settings.batch_size, shares=settings.shares
    )
    number = {language: position for position, language in enumerate(languages)}
    code = {spelt: number[language_code(spelt)] for spelt in ("en", *settings.languages)}

    def rows() -> Iterator[dict[str, Any]]:
        for batch in drawer.batches(range(settings.steps)):
            for example in batch:
                yield {
                    "query": example.query,
                    "document": example.document,
                    "label": example.label,
                    "query_lang": code[example.query_lang],
                    "document_lang": code[example.document_lang],
                    "english_query": example.english_query,
                    "english_document": example.english_document,
                }

    yield Progress("examples", 0, settings.steps * settings.batch_size, "examples")
    columns = list(rows())
    by_name = {name: [row[name] for row in columns] for name in columns[0]}
    with published_folder(work.path / _EXAMPLES) as part:
        Dataset.from_dict(by_name).save_to_disk(part)
    pairs = Counter((row["query_lang"], row["document_lang"]) for row in columns)
    shares = {"to_english": 0, "from_english": 0, "within": 0, "across": 0}
    for (asked, told), n in pairs.items():
        kind = (
            "within"
            if asked == told
            else "to_english"
            if told == 0
            else "from_english"
            if asked == 0
            else "across"
        )
        shares[kind] += n
    work.note("examples", shares)
    work.add_seconds("examples_s", time.perf_counter() - start)


def _read(data: Path, settings: ModularTraining) -> Generator[Progress, None, ParallelText]:
    held_out = None
    if settings.held_out is not None:
        yield Progress("evaluation sets", 0, None, "texts")
        held_out = HeldOut.read(settings.held_out, ("en", *settings.languages))
    reader = PairReader(settings.languages, held_out)
    for number, _ in enumerate(reader.read(data), 1):
        yield Progress("files", number, None, "files")
    return reader.text


def _trainer(
    model: MultiVectorEncoder, work: WorkFolder, settings: ModularTraining
) -> LateInteractionTrainer:
    backbone: Any = model.transformers_model
    on_cpu = settings.device in (None, "cpu")
    # On CPUs the plain products are faster backwards than the fused kernel.
    backbone.set_attn_implementation("eager" if on_cpu else "sdpa")
    prepare_xmod(backbone)
    model.requires_grad_(False)
    backbone.encoder.layer[-settings.layers :].requires_grad_(True)
    for layer in backbone.encoder.layer:  # a language's own is learnt by itself (`lang add`)
        layer.output.adapter_modules.requires_grad_(False)
    bf16 = (not on_cpu or is_fast_in_bf16()) if settings.bf16 is None else settings.bf16
    arguments = MultiVectorEncoderTrainingArguments(
        output_dir=str(work.path),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warm_up,
        weight_decay=0.0,
        adam_beta2=0.98,
        bf16=bf16,
        use_cpu=on_cpu,
        seed=settings.seed,
        save_strategy="steps",
        save_steps=settings.checkpoint_steps,
        save_total_limit=2,
        logging_steps=20,
        report_to="none",
        disable_tqdm=True,
        batch_sampler=in_order,
        dataloader_drop_last=True,
        max_length={"query": settings.query_tokens, "document": settings.document_tokens},
        router_mapping=dict(_TASKS),
        prompts={column: model.prompts.get(task) or "" for column, task in _TASKS.items()},
    )
    trainer = LateInteractionTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.load_from_disk(work.path / _EXAMPLES),
        loss=TranslatedScores(
            model,
            teacher=_teacher(work) if settings.teacher_weight else None,
            scale=settings.scale,
            contrastive_weight=settings.contrastive_weight,
            teacher_weight=settings.teacher_weight,
        ),
    )
    collator: Any = LanguageCollator(trainer.data_collator)
    trainer.data_collator = collator
    return trainer


def _teacher(work: WorkFolder) -> MultiVectorEncoder:
    """The model before its first step."""
    teacher = load_own_model(work.path / _START / "model", {})
    backbone: Any = teacher.transformers_model
    prepare_xmod(backbone)
    return teacher.requires_grad_(False)


def _write_compact(model: MultiVectorEncoder, start: MultiVectorEncoder, output: Path) -> None:
    """The model's files, whole and durable aside, then put into place, config.json last."""
    part = output / "model.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        model.save(str(part), create_model_card=False)
        _forget_lengths(part)
        weights, before = load_file(part / _WEIGHTS), start.transformers_model
        _forget_still_adapters(weights)
        untouched = {} if before is None else before.state_dict()
        (part / _WEIGHTS).unlink()
        save_compact(_compacted(weights, untouched), part / _WEIGHTS)
        for path in part.rglob("*.safetensors"):
            path.chmod(0o644)
        sync_tree(part)
        files = [path for path in part.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: (path == part / "config.json", str(path))):
            place = output / path.relative_to(part)
            place.parent.mkdir(parents=True, exist_ok=True)
            publish(path, place)
    except Exception as error:  # safetensors wraps the system's errors in its own
        raise designed_error(error, output) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _forget_lengths(folder: Path) -> None:
    """Take out of the tokenizer what training set: how long its texts were cut and filled."""
    for name, emptied in (("tokenizer.json", _EMPTIED), ("tokenizer_config.json", ())):
        path = folder / name
        content = {key: value for key, value in read_json(path).items() if key not in _OF_TRAINING}
        content |= dict.fromkeys(emptied)
        path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def _forget_still_adapters(weights: dict[str, Tensor]) -> None:
    """Zeros in place of the first product of an adapter whose second is zero: it adds nothing."""
    for name, weight in weights.items():
        if ".adapter_modules." in name and name.endswith("dense2.weight") and not weight.any():
            prefix = name.removesuffix("dense2.weight")
            if not weights[f"{prefix}dense2.bias"].any():
                weights[f"{prefix}dense1.weight"].zero_()
                weights[f"{prefix}dense1.bias"].zero_()


def _compacted(weights: dict[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices that nothing changed in 4 bits, those that learnt in 8."""
    layers = [
        name
        for name, weight in weights.items()
        if weight.dim() == 2
        and ".adapter_modules." not in name
        and ("embeddings.word" in name or name.startswith("encoder."))
        and weight.shape[1] % BLOCK == 0
    ]
    same = {name for name in layers if name in before and torch.equal(weights[name], before[name])}
    return compacted(weights, in_blocks=same, in_rows=[name for name in layers if name not in same])
