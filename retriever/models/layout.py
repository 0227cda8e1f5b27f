"""Which kind of model lies in a folder, told by its files alone and before any is loaded.

xret-static             config.json with `format` and `vocabulary_size`
sentence-transformers   modules.json; the kind stands in config_sentence_transformers.json
PyLate                  modules.json with a pylate module, or `model_type` ColBERT
Stanford ColBERT        config.json of class HF_ColBERT, artifact.metadata
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xret.errors import ModelError
from xret.retriever.models.kinds import Kind

__all__ = [
    "architecture",
    "check_loadable",
    "is_classifier",
    "is_sentence_encoder",
    "is_stanford",
    "json_object",
    "listed_modules",
    "model_kind",
    "read_json",
    "text_pooling",
]

_MODEL_TYPES: dict[str, Kind] = {
    "SentenceTransformer": Kind.BI_ENCODER,
    "MultiVectorEncoder": Kind.LATE_INTERACTION,
    "ColBERT": Kind.LATE_INTERACTION,
}
_POOLINGS = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
# Modules with weights of their own, beside the transformer in the root.
_OURS = (
    "xret.retriever.encoders.word_pooling.WordPooling",
    "xret.retriever.encoders.token_vectors.TokenVectors",
    "xret.retriever.encoders.word_model.XmodTransformer",
)
_WITH_WEIGHTS = (
    "WordPooling",
    "TokenVectors",
    "Dense",
    "LayerNorm",
    "WeightedLayerPooling",
    "StaticEmbedding",
    "Transformer",
    "XmodTransformer",
)
_CONVERT = (
    'convert them where you trust their source: python -c "import torch; from '
    "safetensors.torch import save_file; save_file({{k: v.contiguous() for k, v in torch.load("
    "'{name}', weights_only=True, map_location='cpu').items()}}, 'model.safetensors')\""
)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, {} where there is no such file; ModelError for anything else."""
    return json_object(path) if path.is_file() else {}


def json_object(path: Path) -> dict[str, Any]:
    """A JSON object out of a file that must be there; ModelError for anything else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} should hold an object, found {type(content).__name__}")
    return content


def text_pooling(config: Mapping[str, Any]) -> str | None:
    """ "mean" or "cls" by the settings of a pooling of sentence-transformers.

    None for any other pooling, for several, and where prompts are left out of it.
    """
    modes = [mode for key, mode in _POOLINGS.items() if config.get(key)]
    others = [
        k for k in config if k.startswith("pooling_mode_") and config[k] and k not in _POOLINGS
    ]
    named = config.get("pooling_mode")
    if named is not None:
        modes, others = [named] if isinstance(named, str) else list(named), []
    if len(modes) != 1 or others or not config.get("include_prompt", True):
        return None
    return modes[0] if modes[0] in _POOLINGS.values() else None


def is_stanford(folder: Path) -> bool:
    """Whether the folder has the layout in which Stanford's ColBERT saves a checkpoint."""
    named = read_json(folder / "config.json").get("architectures")
    return isinstance(named, list) and "HF_ColBERT" in named


def architecture(folder: Path) -> str:
    """The class of transformers that a folder's configuration names; empty for none."""
    return str((read_json(folder / "config.json").get("architectures") or [""])[0])


def is_sentence_encoder(folder: Path) -> bool:
    """Whether sentence-transformers has the folder as a model that encodes texts."""
    kind = read_json(folder / "config_sentence_transformers.json").get("model_type")
    if kind is None:
        return (folder / "modules.json").is_file()
    return bool(kind != "CrossEncoder")


def is_classifier(folder: Path) -> bool:
    """Whether the folder holds a sequence classifier, as cross-encoders are."""
    return architecture(folder).endswith("ForSequenceClassification") and not is_sentence_encoder(
        folder
    )


def model_kind(folder: Path) -> Kind:
    """The kind of the model in a folder.

    Raises ModelError for a folder that holds none, or one of a kind that does not encode.
    """
    config = read_json(folder / "config.json")
    if {"format", "vocabulary_size"} <= config.keys():
        return Kind.STATIC
    if (folder / "modules.json").is_file():
        return _sentence_kind(folder)
    if is_stanford(folder):
        return Kind.LATE_INTERACTION
    if "model_type" in config:
        raise ModelError(
            f"{folder} holds a bare {config['model_type']} transformer, which says nothing of "
            "how its token vectors become a text's; save it with sentence-transformers, with a "
            "pooling or a projection"
        )
    raise ModelError(
        f"{folder} is no model: it has neither modules.json (sentence-transformers, PyLate) "
        "nor a config.json of ColBERT or of xret-static"
    )


def check_loadable(folder: Path) -> None:
    """Refuse what cannot be loaded safely: pickled weights, foreign code, no weights at all.

    Raises ModelError naming the file and the way out.
    """
    for pickled in sorted(folder.rglob("pytorch_model*.bin")):
        _check_weights(pickled.parent)  # also those of modules inside of modules
    for module, path in listed_modules(folder):
        if module not in _OURS and not module.startswith(("sentence_transformers.", "pylate.")):
            raise ModelError(
                f"{folder} needs the Python class {module}, which is not part of "
                "sentence-transformers; xret never runs code that comes with a model"
            )
        if module.rsplit(".", 1)[-1] in _WITH_WEIGHTS:
            _check_weights(folder / path)
        _check_code(folder / path)
        function = read_json(folder / path / "config.json").get("activation_function", "torch.nn")
        if not str(function).startswith("torch."):
            raise ModelError(
                f"{folder / path} needs the activation {function}, which is not torch's; without "
                "it the model's vectors would be other ones"
            )
    if not listed_modules(folder):
        _check_weights(folder)
        _check_code(folder)


def _sentence_kind(folder: Path) -> Kind:
    said = read_json(folder / "config_sentence_transformers.json").get("model_type")
    modules = [name for name, _ in listed_modules(folder)]
    if said is None:
        late = any(name.startswith("pylate.") or "MultiVectorMask" in name for name in modules)
        return Kind.LATE_INTERACTION if late else Kind.BI_ENCODER
    if not isinstance(said, str) or said not in _MODEL_TYPES:
        known = ", ".join(_MODEL_TYPES)
        raise ModelError(f"{folder} is a {said}; an index is built with one of: {known}")
    return _MODEL_TYPES[said]


def listed_modules(folder: Path) -> list[tuple[str, str]]:
    """(class, sub-folder) of every module in modules.json; none where there is no such file."""
    path = folder / "modules.json"
    if not path.is_file():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        found = [(str(row["type"]), str(row.get("path", ""))) for row in rows]
        resolved = [(folder / inside).resolve() for _, inside in found]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path} cannot be read as a list of modules: {error!r}") from error
    for (_, inside), place in zip(found, resolved, strict=True):
        if not place.is_relative_to(folder.resolve()):
            raise ModelError(f"{path} names a folder outside of the model: {inside!r}")
    return found


def _check_weights(folder: Path) -> None:
    if any(folder.glob("model*.safetensors")):
        return
    pickles = sorted(path for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise ModelError(
            f"{pickles[0]} is a pickle, which can run code when it is opened, and is never "
            f"read; {_CONVERT.format(name=pickles[0].name)}"
        )
    raise ModelError(f"{folder} has no weights: no model.safetensors is there")


def _check_code(folder: Path) -> None:
    foreign = read_json(folder / "config.json").get("auto_map")
    if foreign:
        raise ModelError(
            f"{folder / 'config.json'} asks for Python code from the hub (auto_map), which xret "
            "never runs; use a copy converted to a class of transformers"
        )
