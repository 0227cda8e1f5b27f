"""A model folder opened to learn a module on: bi-encoder, late interaction or cross-encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import safe_open
from sentence_transformers import CrossEncoder
from torch import nn
from transformers import XmodModel, XmodPreTrainedModel

from xret.errors import LanguageError, ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.sentence_model import SentenceModel
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import check_loadable, model_kind, read_json
from xret.retriever.models.quiet import quiet_libraries
from xret.retriever.modules.named_weights import transformer_of
from xret.retriever.xmod.xmod import adapter_name, adapter_spelling, freeze_for_retrieval

__all__ = [
    "freeze_languages",
    "is_cross_encoder",
    "open_base",
]


def is_cross_encoder(folder: Path) -> bool:
    """Whether the folder holds a model that scores a query and a document together."""
    said = read_json(folder / "config_sentence_transformers.json").get("model_type")
    if said is not None or (folder / "modules.json").is_file():
        return bool(said == "CrossEncoder")
    named = read_json(folder / "config.json").get("architectures") or [""]
    return str(named[0]).endswith("ForSequenceClassification")


def open_base(folder: Path, *, lang: str | None = None) -> Any:
    """The model of sentence-transformers in a folder, in float32.

    lang: language of the texts; of X-MOD's adapters its own is the one in use, which must be
    said where there are several.
    Raises ModelError for a folder that cannot be used, LanguageError for a missing adapter.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is no model: there is no such folder")
    languages = _adapters(folder)
    if languages and lang is None and len(languages) > 1:
        known = ", ".join(sorted(adapter_name(spelling) for spelling in languages))
        raise LanguageError(
            f"{folder} has adapters for several languages; name the language of the data by "
            f"--lang, one of: {known}"
        )
    spelling = adapter_spelling(lang, languages) if languages and lang else None
    if is_cross_encoder(folder):
        return _cross_encoder(folder, spelling)
    kind = model_kind(folder)
    adapters = (adapter_name(spelling),) if spelling else None
    options = EncoderOptions(adapters=adapters, precision="fp32", device="cpu")
    if kind is Kind.STATIC:
        raise ModelError(f"{folder} is a static encoder: it has no transformer to put modules in")
    return SentenceModel.load(folder, kind, options=options).model


def freeze_languages(model: nn.Module) -> None:
    """In X-MOD, freeze embeddings and language adapters: what is learnt in one language then
    serves the others. Any other model keeps all that learns."""
    transformer = transformer_of(model)
    if isinstance(transformer, XmodModel):
        freeze_for_retrieval(transformer)


def _adapters(folder: Path) -> list[str]:
    config = read_json(folder / "config.json")
    languages = config.get("languages") if config.get("model_type") == "xmod" else None
    return [str(name) for name in languages] if isinstance(languages, list) else []


def _cross_encoder(folder: Path, spelling: str | None) -> CrossEncoder:
    check_loadable(folder)
    try:
        with quiet_libraries():
            model: CrossEncoder = CrossEncoder(
                str(folder),
                device="cpu",
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
    except Exception as error:  # the libraries raise whatever the files make them trip over
        raise ModelError(f"{folder} cannot be loaded: {error}") from error
    if model.num_labels != 1:
        raise ModelError(
            f"{folder} gives {model.num_labels} scores a pair; a ranking needs one (num_labels=1)"
        )
    inner: Any = model.transformers_model
    _check_stored(folder, inner)
    if spelling is not None and isinstance(inner, XmodPreTrainedModel):
        inner.set_default_language(spelling)
    model.float()
    return model


def _check_stored(folder: Path, model: nn.Module) -> None:
    """What a file lacks transformers draws at random: no module could ever fit it again."""
    stored: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            stored.update(file.keys())
    missing = [name for name, _ in model.named_parameters() if name not in stored]
    if missing:
        raise ModelError(
            f"the weights in {folder} lack {len(missing)} parameters of its "
            f"{type(model).__name__}, among them {missing[0]}; train and save it as a "
            "cross-encoder first"
        )
