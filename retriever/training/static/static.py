"""Training the embedded encoder: text to vocabulary, vocabulary to vectors, vectors to files."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import torch

from xret.errors import TrainingError
from xret.retriever.encoders.static import StaticConfig
from xret.retriever.encoders.wordpieces import WordPieces
from xret.retriever.models.published import published_file, write_file
from xret.retriever.training.common.checkpoint import WorkFolder, describe_run
from xret.retriever.training.common.held_out import HeldOut
from xret.retriever.training.common.parallel import PairReader, ParallelText, source_weight
from xret.retriever.training.static.batches import PairSampler
from xret.retriever.training.static.card import model_card
from xret.retriever.training.static.export import write_static
from xret.retriever.training.static.framing import OPENINGS
from xret.retriever.training.static.pieces import Pieces, cut_texts
from xret.retriever.training.static.rows import TrainedRows
from xret.retriever.training.static.settings import StaticTraining
from xret.retriever.training.static.student import (
    DOCUMENT_MIX,
    QUERY_MIX,
    StaticStudent,
    TrainingText,
    final_emphasis,
)
from xret.retriever.training.static.teacher import (
    SentenceTeacher,
    TeacherVectors,
    encode_english,
    read_english,
)
from xret.retriever.training.static.tokenizer import train_tokenizer
from xret.types import Progress

__all__ = ["train_static"]

_TOKENIZER, _TEXT = "tokenizer.json", "text.safetensors"
_LOSSES = 100
_REPORT_STEPS = 10


def train_static(
    data: Path, output: Path, *, settings: StaticTraining, resume: bool = True
) -> Iterator[Progress]:
    """Train on `data/train` and `data/lexicon` and write a model folder to `output`.

    Runs as it is iterated over. Evaluation sets below `data/eval` are kept out of the text
    unless the settings name others. The work is kept in `output/work` until the model is
    written: a killed run, started again, gives the same weights as an unbroken one.
    Raises TrainingError (no data, no space, a loss that is no number: the last good
    checkpoint stays), CorpusError (file:line) and ModelError (the teacher).
    """
    if settings.held_out is None and (data / "eval").is_dir():
        settings = dataclasses.replace(settings, held_out=data / "eval")
    torch.set_num_threads(settings.threads)
    folders = [folder for folder in (settings.teacher, settings.held_out) if folder is not None]
    run = describe_run(settings.describe(), data, folders)
    work = WorkFolder.open(output / "work", run, resume=resume)
    if not work.has(_TEXT):
        yield from _prepare(data, work, settings)
    pieces = WordPieces.load(work.path / _TOKENIZER)
    text = _training_text(work, pieces, settings)
    size = pieces.vocabulary_size
    counts = text.english.counts(size) + text.others.counts(size)
    rows = TrainedRows.start(counts, dim=settings.dim, seed=settings.seed)
    student = StaticStudent(rows, text, settings)
    yield from _train(student, work, settings)
    write_static(
        output,
        student.rows.values.numpy(),
        final_emphasis(student),
        counts,
        work.path / _TOKENIZER,
        _configuration(size, settings),
    )
    card = model_card(settings, work.notes())
    write_file(output / "README.md", card)
    yield Progress("written", 1, 1, "model")


def _training_text(work: WorkFolder, pieces: WordPieces, settings: StaticTraining) -> TrainingText:
    """What `_prepare` left, as the steps read it."""
    arrays = work.load_arrays(_TEXT)
    rows = arrays["rows"].astype(np.int32)
    english = Pieces(arrays["english"].astype(np.int32), arrays["english_at"].astype(np.int64))
    others = Pieces(arrays["others"].astype(np.int32), arrays["others_at"].astype(np.int64))
    notes = work.notes()
    names = notes["source_names"]
    weights = [source_weight(str(name)) for name in names] if isinstance(names, list) else []
    sampler = PairSampler(
        rows, int(str(notes["sentences"])), np.array(weights, np.float32), settings
    )
    openings = cut_texts(OPENINGS, pieces, longest=settings.max_pieces)
    teacher = _teacher_vectors(work, len(english), settings)
    return TrainingText(rows, english, others, openings, sampler, teacher)


def _configuration(vocabulary_size: int, settings: StaticTraining) -> StaticConfig:
    codes = (code.replace("hant", "Hant") for code in settings.languages)
    return StaticConfig(
        name="xret-static",
        dim=settings.dim,
        vocabulary_size=vocabulary_size,
        languages=("en", *codes),
        query_token=QUERY_MIX["token"],
        query_text=QUERY_MIX["text"],
        document_token=DOCUMENT_MIX["token"],
        document_text=DOCUMENT_MIX["text"],
        query_power=settings.query_power,
    )


def _prepare(data: Path, work: WorkFolder, settings: StaticTraining) -> Iterator[Progress]:
    """Read the text, train the vocabulary, cut the text, ask the teacher."""
    start = time.perf_counter()
    text = yield from _read(data, settings)
    work.add_seconds("read_s", time.perf_counter() - start)
    if not work.has(_TOKENIZER):
        start = time.perf_counter()
        yield Progress("vocabulary", 0, None, "pieces")
        with published_file(work.path / _TOKENIZER) as part:
            train_tokenizer(text, part, settings=settings)
        work.add_seconds("vocabulary_s", time.perf_counter() - start)
    if settings.teacher is not None:
        start = time.perf_counter()
        teacher = SentenceTeacher.load(settings.teacher)
        for done in encode_english(text.english, teacher, work.path):
            yield Progress("teacher", done, len(text.english), "texts")
        work.add_seconds("teacher_s", time.perf_counter() - start)
        work.note("teacher_dim", teacher.dim)
    start = time.perf_counter()
    pieces = WordPieces.load(work.path / _TOKENIZER)
    yield Progress("pieces", 0, len(text.others), "texts")
    english = cut_texts(text.english, pieces, longest=settings.max_pieces)
    others = cut_texts(text.others, pieces, longest=settings.max_pieces)
    yield Progress("pieces", len(text.others), len(text.others), "texts")
    rows = text.rows()
    counts = Counter(text.sources[source] for source in rows[:, 0].tolist())
    work.add_seconds("pieces_s", time.perf_counter() - start)
    work.note("source_names", text.sources)
    work.note("sources", {name: counts[name] for name in text.sources})
    work.note("sentences", text.sentences)
    work.note("overlapping", dict(text.overlapping))
    work.save_arrays(
        _TEXT,
        {
            "rows": rows,
            "english": english.flagged,
            "english_at": english.offsets,
            "others": others.flagged,
            "others_at": others.offsets,
        },
    )


def _read(data: Path, settings: StaticTraining) -> Generator[Progress, None, ParallelText]:
    held_out = None
    if settings.held_out is not None:
        yield Progress("evaluation sets", 0, None, "texts")
        held_out = HeldOut.read(settings.held_out, ("en", *settings.languages))
    reader = PairReader(settings.languages, held_out)
    for number, _ in enumerate(reader.read(data), 1):
        yield Progress("files", number, None, "files")
    return reader.text


def _teacher_vectors(
    work: WorkFolder, n_texts: int, settings: StaticTraining
) -> TeacherVectors | None:
    if settings.teacher is None:
        return None
    width = int(str(work.notes()["teacher_dim"]))
    vectors = read_english(work.path, n_texts, width)
    return TeacherVectors(vectors, dim=settings.dim, seed=settings.seed)


def _train(
    student: StaticStudent, work: WorkFolder, settings: StaticTraining
) -> Iterator[Progress]:
    """All steps from the last checkpoint on; the state is kept every `checkpoint_steps`."""
    total = settings.pooled_steps + settings.maxsim_steps
    step, tensors = work.load_state()
    if tensors:
        student.restore(tensors)
    losses: deque[float] = deque(maxlen=_LOSSES)
    start = time.perf_counter()
    while step < total:
        loss = student.step(step)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss of step {step} is {loss}: the learning rate is too high for this"
                f" data; the last good checkpoint is in {work.path}"
            )
        losses.append(loss)
        step += 1
        if step % settings.checkpoint_steps == 0 or step == total:
            work.save_state(step, student.state())
            work.add_seconds("training_s", time.perf_counter() - start)
            work.note("loss", round(sum(losses) / len(losses), 3))
            start = time.perf_counter()
        if step % _REPORT_STEPS == 0 or step == total:
            yield Progress("training", step, total, "steps")
