"""The modular encoder before its first step: a pretrained BERT for the languages served.

Its vocabulary is cut to the pieces of the training text, its weights become those of an X-MOD
model with adapters that add nothing, and the mean state of general text is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer
from transformers import BertModel

from xret.errors import ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.sentence_model import SentenceModel
from xret.retriever.encoders.token_vectors import TokenVectors
from xret.retriever.languages.codes import language_code
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import read_json
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.training.common.mean_state import set_mean_state
from xret.retriever.training.common.parallel import ParallelText, source_weight
from xret.retriever.training.modular.settings import ModularTraining
from xret.retriever.trim.trim import ModelTrim
from xret.retriever.xmod.xmod import prepare_xmod
from xret.retriever.xmod.xmod_start import xmod_of_bert
from xret.types import Document, Progress

__all__ = ["write_start"]

_GENERAL_WEIGHT = 4.0
_ENGLISH_TEXTS = 200


def write_start(
    base: Path, output: Path, *, text: ParallelText, settings: ModularTraining
) -> Iterator[Progress]:
    """Write a `MultiVectorEncoder` folder `output/model` that reads as the base does.

    base: a sentence-transformers folder of a BERT bi-encoder, such as multilingual-e5-small;
    its prompts are kept. Raises ModelError for any other.
    """
    if read_json(base / "config.json").get("model_type") != "bert":
        raise ModelError(
            f"{base} holds no BERT; the modular encoder starts from a BERT bi-encoder such as "
            "multilingual-e5-small"
        )
    languages = tuple(map(language_code, ("en", *text.languages)))
    yield from _trim(base, output / "trimmed", languages, text, settings)
    read = SentenceModel.load(base, Kind.BI_ENCODER, options=EncoderOptions()).model.prompts
    prompts = {task: prompt for task, prompt in read.items() if prompt}
    with quiet_libraries():
        _write_backbone(output / "trimmed", output / "backbone", languages, settings)
        transformer: Any = Transformer(str(output / "backbone"))
        transformer.model.pooler = None  # drawn at random while loading; nothing reads it
        prepare_xmod(transformer.model)
        vectors = TokenVectors(
            transformer.get_embedding_dimension(),
            list(prompts.values()),
            settings.pool_factor,
            "int8",
            settings.preset,
        )
        model = MultiVectorEncoder(modules=[transformer, vectors], prompts=prompts)
        yield from set_mean_state(model, _general(text, settings))
        model.save(str(output / "model"), create_model_card=False)


def _trim(
    base: Path,
    output: Path,
    languages: tuple[str, ...],
    text: ParallelText,
    settings: ModularTraining,
) -> Iterator[Progress]:
    """The base with the pieces that the text uses, of each language as many texts at most."""
    codes = list(map(language_code, text.languages))
    rng = np.random.default_rng([settings.seed, 23])
    langs, most = text.rows()[:, 1], settings.trim_texts
    chosen = []
    for lang in range(len(codes)):
        for kind in (slice(0, text.sentences), slice(text.sentences, None)):
            rows = np.flatnonzero(langs[kind] == lang) + (kind.start or 0)
            chosen.append(np.sort(rng.permutation(rows)[:most]))
    others = np.concatenate(chosen).tolist()
    english = np.sort(rng.permutation(len(text.english))[: 5 * most]).tolist()

    def documents() -> Iterator[Document]:
        for row in others:
            yield Document(str(row), text.others[row], codes[text.lang_of[row]])
        for row in english:
            yield Document(f"en{row}", text.english[row], "en")

    trim = ModelTrim(
        str(base), output, langs=languages, texts=documents, min_count=settings.min_count
    )
    yield from trim.run()


def _write_backbone(
    trimmed: Path, output: Path, languages: tuple[str, ...], settings: ModularTraining
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trimmed, local_files_only=True)
    bert = BertModel.from_pretrained(trimmed, local_files_only=True, dtype=torch.float32)
    model = xmod_of_bert(
        bert.train(False),
        languages,
        pad_id=int(tokenizer.pad_token_id),
        reduction=settings.reduction,
        seed=settings.seed,
    )
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


def _general(text: ParallelText, settings: ModularTraining) -> list[str]:
    """General text, languages by their share in it, and some of it in English."""
    weights = np.array([source_weight(name) for name in text.sources])
    general = np.flatnonzero(weights[text.rows()[: text.sentences, 0]] >= _GENERAL_WEIGHT)
    rows = general if len(general) else np.arange(text.sentences)
    chosen = np.random.default_rng([settings.seed, 17]).permutation(rows)[: settings.mean_texts]
    texts = [text.others[row] for row in chosen]
    every = max(1, len(texts) // _ENGLISH_TEXTS)
    return texts + [text.english[text.english_of[row]] for row in chosen[::every]]
