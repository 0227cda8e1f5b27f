"""The model that learns: loaded or built, its adapters routed, its frozen parts frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.base.modules.normalize import Normalize
from sentence_transformers.sentence_transformer.modules.pooling import Pooling
from transformers import XmodModel

from xret.errors import ConfigError, ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.sentence_model import SentenceModel
from xret.retriever.encoders.token_vectors import TokenVectors
from xret.retriever.encoders.transformer import TransformerEncoder
from xret.retriever.languages.router import LanguageRouter
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import check_loadable, is_stanford, model_kind, read_json
from xret.retriever.models.soundness import check_sound
from xret.retriever.training.common.mean_state import set_mean_state
from xret.retriever.xmod.xmod import freeze_for_retrieval, prepare_xmod
from xret.types import EncoderSpec, Progress

__all__ = ["Student", "StudentKind", "student_kind"]

StudentKind = Literal[Kind.BI_ENCODER, Kind.LATE_INTERACTION]

_BARE_MODULES = ("modules.json",)


class Student:
    """A `SentenceTransformer` or `MultiVectorEncoder` in training.

    router: by which a text's language finds its X-MOD adapter, None for other models.
    """

    def __init__(self, texts: SentenceModel, name: str, *, is_new: bool = False) -> None:
        self._is_new = is_new
        self.texts = texts
        self.model: Any = texts.model
        self.late = texts.late
        self.name = name
        self.router = LanguageRouter(texts.adapters.adapters) if texts.adapters else None

    @property
    def kind(self) -> Kind:
        return Kind.LATE_INTERACTION if self.late else Kind.BI_ENCODER

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        kind: StudentKind | None,
        device: str,
        train_adapters: bool = False,
    ) -> Student:
        """Open a model folder, or build a model around the bare transformer in it.

        kind: needed for a bare transformer, checked for others. Late interaction is made of a
        transformer's last states as they are, minus their mean (`set_mean`). Of an X-MOD model the
        embeddings stay as they are, and so do the language adapters unless they are trained.
        Raises ModelError and ConfigError.
        """
        wanted = student_kind(folder, kind)
        options = EncoderOptions(device=device, backend="torch")
        is_new = _is_bare(folder) or wanted is not model_kind(folder)
        if is_new:
            check_loadable(folder)
            texts = _built(folder, wanted, options)
        else:
            texts = SentenceModel.load(folder, wanted, options=options)
        student = cls(texts, folder.name, is_new=is_new)
        student._freeze(train_adapters)
        return student

    @property
    def n_trainable(self) -> int:
        """How many numbers learn."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    def adapter(self, lang: str) -> int:
        """The number of the adapter of a language, or of its nearest relative's."""
        if self.router is None:
            raise ModelError(f"{self.name} has no language adapters")
        return self.router.adapters.index(self.router.route(lang).adapter)

    def prompts(self, tasks: Mapping[str, Literal["query", "document"]]) -> dict[str, str]:
        """What is set before the texts of each column."""
        found = {column: self.texts.prompt(task) for column, task in tasks.items()}
        return {column: prompt for column, prompt in found.items() if prompt}

    def encoder(self) -> TransformerEncoder:
        """The model as it is now, to encode with."""
        spec = EncoderSpec(self.name, "", self.texts.dim, (), self.router is not None)
        return TransformerEncoder(
            spec,
            EncoderOptions(),
            documents=lambda: self.texts,
            queries=lambda _adapters, _mixed: self.texts,
            router=self.router,
        )

    def set_mean(self, texts: Sequence[str]) -> Iterator[Progress]:
        """Measure the mean state of a late-interaction model that was built, over some texts."""
        if self._is_new and self.late:
            yield from set_mean_state(self.model, texts)

    def save(self, folder: Path) -> None:
        """Write the model as sentence-transformers does, without a card."""
        self.model.save(str(folder), create_model_card=False)

    def _freeze(self, train_adapters: bool) -> None:
        for parameter in self.model.parameters():
            parameter.requires_grad = True
        backbone = self.model.transformers_model
        if not isinstance(backbone, XmodModel):
            return
        if not train_adapters:
            freeze_for_retrieval(backbone)
        else:
            backbone.embeddings.requires_grad_(False)


def student_kind(folder: Path, kind: StudentKind | None) -> StudentKind:
    """What the model in a folder is, or what is to be made of it.

    A bi-encoder's transformer can become a late-interaction model, and a bare transformer
    either. Raises ConfigError where nothing says which, or for any other change, ModelError for
    a model that these recipes do not train.
    """
    if _is_bare(folder):
        if kind is None:
            raise ConfigError(
                f"{folder} is a bare transformer; say what to make of it with --kind bi-encoder or "
                "--kind late-interaction"
            )
        return kind
    found = model_kind(folder)
    if found is Kind.STATIC:
        raise ModelError(f"{folder} is a table of words; it is trained with: xret train static")
    becomes_late = (found, kind) == (Kind.BI_ENCODER, Kind.LATE_INTERACTION)
    if kind is not None and kind != found and not becomes_late:
        raise ConfigError(f"{folder} is a model of kind {found}; it cannot be trained as a {kind}")
    return kind or found


def _is_bare(folder: Path) -> bool:
    config = read_json(folder / "config.json")
    if not folder.is_dir() or {"format", "vocabulary_size"} <= config.keys():
        return False
    sentence = any((folder / name).is_file() for name in _BARE_MODULES)
    return "model_type" in config and not sentence and not is_stanford(folder)


def _built(folder: Path, kind: StudentKind, options: EncoderOptions) -> SentenceModel:
    """A new model around a transformer: mean pooling, or its token states as they are."""
    try:
        transformer: Any = Transformer(
            str(folder),
            model_kwargs={
                "use_safetensors": True,
                "dtype": torch.float32,
                "local_files_only": True,
            },
            config_kwargs={"local_files_only": True},
            processor_kwargs={"local_files_only": True},
        )
    except Exception as error:  # the libraries raise whatever the files make them trip over
        raise ModelError(f"{folder} cannot be loaded: {error}") from error
    width = int(transformer.get_embedding_dimension())
    made: SentenceTransformer | MultiVectorEncoder
    if kind is Kind.BI_ENCODER:
        made = SentenceTransformer(
            modules=[transformer, Pooling(width, "mean"), Normalize()],
            device=options.device,
            similarity_fn_name="cosine",
        )
    else:
        settings = read_json(folder / "config_sentence_transformers.json")
        prompts = {task: text for task, text in (settings.get("prompts") or {}).items() if text}
        made = MultiVectorEncoder(
            modules=[transformer, TokenVectors(width, list(prompts.values()))],
            prompts=prompts or None,
            device=options.device,
        )
    check_sound(folder, made)
    backbone = made.transformers_model
    adapters = prepare_xmod(backbone) if isinstance(backbone, XmodModel) else None
    made.train(False)
    return SentenceModel(made, options, adapters)
