"""A model folder opened as an encoder: checked, identified, routed; the heavy part last."""

from __future__ import annotations

import dataclasses
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from xret.errors import ConfigError, ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.int8_folder import Int8Folder, recommended_precision
from xret.retriever.encoders.int8_model import Int8Model, kernels_lack
from xret.retriever.encoders.onnx_model import ExportedEncoder, OnnxModel
from xret.retriever.encoders.text_model import TEMPLATE, TextModel
from xret.retriever.encoders.transformer import TransformerEncoder
from xret.retriever.languages.router import LanguageRouter, Policy
from xret.retriever.models.document_pooling import document_pooling
from xret.retriever.models.fingerprints import LANGUAGE_MODULES, model_fingerprint
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import check_loadable
from xret.retriever.models.registry import ENCODERS
from xret.retriever.xmod.language_content import LanguageContent
from xret.retriever.xmod.spellings import adapter_name, adapter_spelling
from xret.types import EncoderSpec

if TYPE_CHECKING:
    from xret.retriever.encoders.sentence_model import SentenceModel
    from xret.retriever.modules import LanguageModules

__all__ = ["load_transformer"]

LORA, TRANSFORMS, MASKS, MADX = LANGUAGE_MODULES
_INSIDE = (LORA, MASKS, MADX)
"""What works inside the model, which must then be torch's."""

Model = TypeVar("Model")
Loaded = TypeVar("Loaded", bound=TransformerEncoder)


def load_transformer(
    cls: type[Loaded],
    folder: Path,
    kind: Kind,
    *,
    name: str | None,
    options: EncoderOptions | None,
) -> Loaded:
    """An encoder of that class over the model in a folder, with what lies beside the model.

    `onnx/` holds exported graphs, `adapters/` LoRA adapters, `transforms/` static
    transforms, `masks/` sparse fine-tuning masks, `language-adapters/` those of MAD-X.
    """
    check_loadable(folder)
    chosen = _with_own_pooling(options or EncoderOptions(), folder, kind)
    kernels = _kernel_folder(folder, kind, chosen)
    if kernels is not None:
        return _with_kernels(cls, kernels, kind, name=name, options=chosen)
    torch_only = chosen.backend == "torch" or chosen.single_vector
    graphs = None if torch_only else ExportedEncoder.read(folder)
    if graphs is not None and not any((folder / name).is_dir() for name in _INSIDE):
        return _with_graphs(cls, folder, kind, graphs, name=name, options=chosen)
    if chosen.backend == "onnx" and chosen.single_vector:
        raise ConfigError("exported graphs give no single vectors; use the torch backend")
    if chosen.backend == "onnx":
        raise ModelError(
            f"{folder} has no graph exported from these weights; run: xret model export {folder}"
        )
    return _with_torch(cls, folder, kind, name=name, options=chosen)


def _with_torch(
    cls: type[Loaded], folder: Path, kind: Kind, *, name: str | None, options: EncoderOptions
) -> Loaded:
    model = _torch_model(folder, kind, options)
    own = model.adapters.adapters if model.adapters is not None else None
    modules = _modules(folder, kind, options, own, model)
    adapters = own if modules is None else modules.adapters
    router = _router(adapters, options)
    spec = _spec(folder, kind, name or str(folder), options, dim=model.dim, adapters=adapters)
    return cls(
        spec,
        options,
        documents=lambda: model,
        queries=lambda _adapters, _mixed: model,
        router=router,
        modules=modules,
        keep_first=document_pooling(folder).keep_first,
    )


def _with_graphs(
    cls: type[Loaded],
    folder: Path,
    kind: Kind,
    exported: ExportedEncoder,
    *,
    name: str | None,
    options: EncoderOptions,
) -> Loaded:
    """Queries by onnxruntime wherever there is a graph for them; torch at the first other text."""
    own = options.adapters or exported.adapters or None
    modules = _modules(folder, kind, options, own, None)
    adapters = own if modules is None else modules.adapters
    router = _router(adapters, options)
    spec = _spec(folder, kind, name or str(folder), options, dim=exported.dim, adapters=adapters)
    graphs = _once(lambda: OnnxModel(folder, exported, options))
    torch_model = _once(lambda: _torch_model(folder, kind, options))

    def documents() -> TextModel:
        return graphs() if options.backend == "onnx" else torch_model()

    def queries(wanted: Sequence[str] | None, mixed: bool) -> TextModel:
        folded = wanted if modules is None else None
        one_each = not mixed and OnnxModel.has(folder, folded)
        return graphs() if options.backend == "onnx" or one_each else torch_model()

    return cls(
        spec,
        options,
        documents=documents,
        queries=queries,
        router=router,
        modules=modules,
        keep_first=document_pooling(folder).keep_first,
    )


def _kernel_folder(folder: Path, kind: Kind, options: EncoderOptions) -> Int8Folder | None:
    """The folder as the int8 kernels read it, None where something else is to run it.

    A model that is made for int8 is run by torch in fp32 where it must be, with a warning.
    Raises ConfigError and ModelError where the kernels are asked for and cannot.
    """
    asked = options.backend == "kernels"
    if asked and options.precision not in (None, "int8"):
        raise ConfigError(f"the kernels compute in int8 and not in {options.precision}")
    wanted = asked or (options.precision or recommended_precision(folder)) == "int8"
    if not wanted or options.backend not in ("auto", "kernels"):
        return None
    if options.device not in (None, "cpu"):
        return None
    found = Int8Folder(folder)
    reason = found.lacks(kind) or kernels_lack(any_path=asked)
    if any((folder / name).is_dir() for name in _INSIDE):
        reason = "the adapters beside it change what it computes"
    if not reason:
        return found
    if asked:
        raise ModelError(
            f"{folder} cannot be run by the int8 kernels: {reason}; use another backend"
        )
    if options.precision is None:
        warnings.warn(
            f"{folder} is made to be run in int8, and is run in fp32 by torch: {reason}",
            UserWarning,
            stacklevel=2,
        )
    return None


def _with_kernels(
    cls: type[Loaded],
    found: Int8Folder,
    kind: Kind,
    *,
    name: str | None,
    options: EncoderOptions,
) -> Loaded:
    """Documents and queries by the int8 kernels; torch is not imported."""
    folder, names = found.path, tuple(adapter_name(spelling) for spelling in found.spellings)
    for adapter in options.adapters or ():
        adapter_spelling(adapter, found.spellings)
    own = options.adapters or names or None
    modules = _modules(folder, kind, options, own, None)
    adapters = own if modules is None else modules.adapters
    router = _router(adapters, options)
    dim = found.shape.dim
    spec = _spec(folder, kind, name or str(folder), options, dim=dim, adapters=adapters)
    model = _once(lambda: Int8Model(found, options, names))
    return cls(
        spec,
        options,
        documents=model,
        queries=lambda _adapters, _mixed: model(),
        router=router,
        modules=modules,
        keep_first=document_pooling(folder).keep_first,
    )


def _once(load: Callable[[], Model]) -> Callable[[], Model]:
    """The same model at every call; threads that ask at once wait for one load."""
    lock = threading.Lock()
    loaded: list[Model] = []

    def get() -> Model:
        with lock:
            if not loaded:
                loaded.append(load())
            return loaded[0]

    return get


def _torch_model(folder: Path, kind: Kind, options: EncoderOptions) -> SentenceModel:
    from xret.retriever.encoders.sentence_model import SentenceModel

    return SentenceModel.load(folder, kind, options=options)


def _modules(
    folder: Path,
    kind: Kind,
    options: EncoderOptions,
    own: Sequence[str] | None,
    model: SentenceModel | None,
) -> LanguageModules | None:
    """The language modules beside a model, bound to this very model."""
    found = [name for name in LANGUAGE_MODULES if (folder / name).is_dir()]
    if not found:
        return None
    if len(found) > 1 or own is not None:
        kinds = " and ".join([*(["X-MOD adapters"] if own else []), *found])
        raise ModelError(f"{folder} has {kinds}; an encoder has one kind of language modules")
    base = model_fingerprint(folder, _shaping(kind, options, routed=False), modules=False)
    if found == [TRANSFORMS]:
        from xret.retriever.modules.transforms import StaticTransforms

        return StaticTransforms.load(folder / TRANSFORMS, base=base)
    if options.precision == "int8":
        raise ConfigError(
            "LoRA adapters, sparse masks and language adapters change what int8 has rounded; use "
            "bf16 or fp32"
        )
    backbone = None if model is None else model.model.transformers_model
    if backbone is None:
        raise ModelError(f"{folder} has {found[0]} and no transformer to put them into")
    if found == [LORA]:
        from xret.retriever.modules.lora import LoraAdapters

        return LoraAdapters.load(backbone, folder / LORA, base=base)
    return _shared_modules(folder, found[0], backbone)


def _shared_modules(folder: Path, name: str, backbone: Any) -> LanguageModules:
    """Masks or language adapters, which are bound to a model however it is used."""
    from xret.retriever.modules.base import model_base

    base = model_base(folder)
    if name == MASKS:
        from xret.retriever.modules.language_masks import SparseLanguageMasks

        return SparseLanguageMasks.load(backbone, folder / MASKS, base=base)
    from xret.retriever.modules.madx_folder import read_language_adapters
    from xret.retriever.modules.madx_languages import MadxLanguages

    adapters = read_language_adapters(folder / MADX, base=base)
    return MadxLanguages.attach(backbone, adapters)


def _router(adapters: Sequence[str] | None, options: EncoderOptions) -> LanguageRouter | None:
    if not adapters:
        return None
    policy = Policy(options.lang_policy)
    return LanguageRouter(adapters, policy=policy, default=options.default_lang)


def _spec(
    folder: Path,
    kind: Kind,
    name: str,
    options: EncoderOptions,
    *,
    dim: int,
    adapters: Sequence[str] | None,
) -> EncoderSpec:
    if options.dim is not None and options.dim > dim:
        raise ConfigError(f"{name} has vectors of {dim} dimensions; {options.dim} cannot be kept")
    registered = ENCODERS.get(name)
    languages = tuple(adapters or (registered.languages if registered else ()))
    settings = _shaping(kind, options, routed=adapters is not None)
    whole = model_fingerprint(folder, settings)
    content = LanguageContent()
    if adapters:
        content = LanguageContent.of(folder, settings, whole=whole)
    return EncoderSpec(
        name=name,
        fingerprint=whole,
        dim=options.dim or dim,
        languages=languages,
        language_adapters=adapters is not None,
        base=content.base,
        adapters=content.adapters,
        preset="" if options.single_vector else document_pooling(folder).preset,
    )


def _with_own_pooling(options: EncoderOptions, folder: Path, kind: Kind) -> EncoderOptions:
    """The options with what the model says of pooling, where they say nothing and it does."""
    own = document_pooling(folder).factor
    if (options.pool_factor or 1) > 1 and (options.single_vector or kind is Kind.BI_ENCODER):
        warnings.warn(
            f"pool_factor {options.pool_factor:g} changes nothing: {folder} gives one vector a "
            "text, and there is nothing to pool",
            UserWarning,
            stacklevel=3,
        )
    if options.pool_factor is not None or options.single_vector or own == 1:
        return options
    return dataclasses.replace(options, pool_factor=own)


def _shaping(kind: Kind, options: EncoderOptions, *, routed: bool) -> dict[str, Any]:
    """What shapes vectors and stands in no file of the model.

    The policies strict and nearest give the same vectors wherever both give any.
    """
    settings: dict[str, Any] = {
        "kind": kind,
        "template": TEMPLATE,
        "dim": options.dim,
        "max_tokens": options.max_tokens,
        "pool_factor": 1.0 if options.pool_factor is None else options.pool_factor,
        "prompts": dict(options.prompts or {}),
    }
    if options.single_vector:
        settings["single_vector"] = True
    if routed:
        settings["routing"] = [
            "default" if options.lang_policy == "default" else "nearest",
            options.default_lang,
            options.adapters,
        ]
    return settings
