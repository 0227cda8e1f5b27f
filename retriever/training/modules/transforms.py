"""Transforms fitted on files and put beside a model: `xret module learn transform`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from xret.errors import ConfigError, ModelError, TrainingError
from xret.retriever.corpora.local import LocalCorpus
from xret.retriever.encoders.transformer import TransformerEncoder
from xret.retriever.languages.codes import ENGLISH
from xret.retriever.models.location import model_location
from xret.retriever.models.published import published_folder
from xret.retriever.modules.installed_languages import TRANSFORMS_FOLDER
from xret.retriever.modules.transform_fitting import TransformFit, TransformSettings, batches
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.training.modules.transform_gain import VectorFigures, transform_gain
from xret.retriever.training.recipes.drawing import with_languages
from xret.retriever.training.recipes.records import ExampleReader
from xret.types import UNDETERMINED, Document, Progress, Work

__all__ = ["FittedTransforms", "TransformLearning", "learn_transforms"]


@dataclass(frozen=True, slots=True)
class TransformLearning:
    """On which model transforms are fitted, and on what.

    data: documents as `xret index --corpus` takes them. parallel: lines of a text and its
    translation, or of two languages, a text and its translation; every other language is
    projected onto that of the translations. lang: of texts that name none; where lines of two
    columns name none, their translations are English. held_out: rows of questions and passages;
    transforms that do not rank these better are not installed.
    """

    model: str
    data: Path | None = None
    parallel: Path | None = None
    lang: str | None = None
    settings: TransformSettings = field(default_factory=TransformSettings)
    held_out: Path | None = None


@dataclass(frozen=True, slots=True)
class FittedTransforms:
    """Where the transforms are, and how many vectors of each language they were fitted on. before,
    after: on held-out questions, None without any."""

    folder: Path
    vectors: dict[str, int]
    before: VectorFigures | None = None
    after: VectorFigures | None = None


def learn_transforms(learning: TransformLearning) -> Work[FittedTransforms]:
    """Fit transforms and write them to `transforms/` in the model's folder, whole at the end.

    `load_encoder` applies them from then on, so the model is another one by content. Raises
    ConfigError without a sample, ModelError for a model that has language modules or cannot
    take any, TrainingError for too small a sample and for transforms that do not gain on held-out
    questions, and what reading files raises.
    """
    if learning.data is None and learning.parallel is None:
        raise ConfigError(
            "a transform is fitted on documents (--data) or on translations (--parallel)"
        )
    folder = model_location(learning.model)
    encoder = load_encoder(learning.model)
    target = folder / TRANSFORMS_FOLDER
    if target.exists():
        raise ModelError(f"{target} is there already; remove that folder to fit transforms again")
    if encoder.spec.language_adapters or not isinstance(encoder, TransformerEncoder):
        raise ModelError(
            f"{learning.model} takes no transforms: they are for transformers without language "
            "modules of their own"
        )
    fit = TransformFit(encoder, learning.settings)
    if learning.data is not None:
        yield from _add_documents(fit, learning.data, learning.lang)
    if learning.parallel is not None:
        yield from _add_pairs(fit, learning.parallel, learning.lang)
    transforms = fit.transforms()
    before = after = None
    if learning.held_out is not None:
        reader = ExampleReader()
        yield from reader.read([learning.held_out])
        before, after = transform_gain(encoder, transforms, with_languages(reader.examples))
        _check(before, after)
    with published_folder(target) as part:
        transforms.save(part)
    return FittedTransforms(target, fit.counts, before, after)


def _check(before: VectorFigures, after: VectorFigures) -> None:
    if after.mrr > before.mrr:
        return
    raise TrainingError(
        f"no transform is installed: MRR@10 on the held-out questions is {before.mrr:.4f} without "
        f"and {after.mrr:.4f} with it (mean cosine {before.mean_cosine:.3f} and "
        f"{after.mean_cosine:.3f}, share of languages {before.language_share:.3f} and "
        f"{after.language_share:.3f})"
    )


def _add_documents(fit: TransformFit, data: Path, lang: str | None) -> Iterator[Progress]:
    n = 0
    documents = LocalCorpus(data).documents(on_reject=lambda _: None, lang=lang)
    for batch in batches(each for each in documents if each.lang != UNDETERMINED):
        fit.add(batch)
        n += len(batch)
        yield Progress("encoding documents", n, None, "documents")


def _add_pairs(fit: TransformFit, parallel: Path, lang: str | None) -> Iterator[Progress]:
    reader = ExampleReader(parallel=True, source_lang=lang, target_lang=ENGLISH)
    yield from reader.read([parallel])
    total, n = len(reader.examples), 0
    for batch in batches(reader.examples):
        pairs = [
            (Document("", row.query, row.query_lang), Document("", row.positive, row.positive_lang))
            for row in batch
        ]
        if any(text.lang == UNDETERMINED for text, _ in pairs):
            raise ConfigError(f"{parallel} has texts of unknown language; name it by --lang")
        fit.add_pairs(pairs)
        n += len(batch)
        yield Progress("encoding translations", n, total, "pairs")
