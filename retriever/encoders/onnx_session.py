"""A transformer encoder as an ONNX graph, run by onnxruntime and tokenizers alone.

What `xret.retriever.export.graph` writes is a folder of three files: `model.onnx`, its
`tokenizer.json`, and `xret_onnx.json`, the card that says what the graph is. torch is not
needed to run it, so that a query process starts in half a second.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import xxhash

from xret.errors import MissingLibraryError, ModelError
from xret.types import FloatArray, IntArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = [
    "CARD",
    "DATA",
    "GRAPH",
    "TOKENIZER",
    "OnnxCard",
    "OnnxSession",
    "files_hash",
    "find_graphs",
    "graph_hash",
]

GRAPH, DATA = "model.onnx", "model.onnx.data"
TOKENIZER, CARD = "tokenizer.json", "xret_onnx.json"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class OnnxCard:
    """What a graph is.

    kind: one vector a text, or one a token, or the score of a pair. adapters: row of `lang_ids`
    by BCP 47 code, for each adapter in the graph; equal ones share a row. base: fingerprint of
    the weights that all languages share. dim: width of the vectors, of unit length all of them.
    max_length: tokens, the special ones included. max_error: largest difference from torch in
    float32. cosine: the smallest to float32, 1.0 in float32 and of scores. graph, tokenizer:
    hashes of the files.
    """

    kind: Literal["pooled", "tokens", "scores"]
    base: str
    dim: int
    max_length: int
    vocab_size: int
    pad_id: int
    adapters: Mapping[str, int] = field(default_factory=dict)
    pooling: Literal["mean", "cls"] | None = None
    projection: bool = False
    precision: Literal["float32", "int8"] = "float32"
    max_error: float = 0.0
    cosine: float = 1.0
    graph: str = ""
    tokenizer: str = ""

    def write(self, folder: Path) -> None:
        """Save into a folder as xret_onnx.json."""
        content = {"format": FORMAT, **dataclasses.asdict(self)}
        (folder / CARD).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> OnnxCard:
        """Raises ModelError for a folder without a card that this version understands."""
        try:
            content = json.loads((folder / CARD).read_text(encoding="utf-8"))
            version = content.pop("format")
            if version == 1:  # a graph each language, its adapter folded in
                alone = content.pop("adapter")
                content["adapters"] = {} if alone is None else {alone: 0}
            elif version != FORMAT:
                raise ModelError(f"{folder / CARD} is of another version; export the model again")
            content["adapters"] = {name: int(row) for name, row in content["adapters"].items()}
            return cls(**content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{folder} holds no exported model: {CARD} cannot be read ({error})"
            ) from None


def find_graphs(folder: Path) -> dict[str | None, Path]:
    """Exported graphs of a model folder by adapter; None is that of a model without any.

    Several adapters may be in one graph.
    """
    found = sorted(card.parent for card in (folder / "onnx").glob(f"*/{CARD}"))
    return {name: path for path in found for name in OnnxCard.read(path).adapters or (None,)}


def files_hash(*paths: Path) -> str:
    """Hash of the content of files, to tell them apart.

    Raises ModelError for a file that cannot be read.
    """
    digest = xxhash.xxh3_128()
    for path in paths:
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error}") from None
    return digest.hexdigest()


def graph_hash(folder: Path) -> str:
    """Hash of a folder's graph, with the weights beside it where it is a large one."""
    data = [folder / DATA] if (folder / DATA).exists() else []
    return files_hash(folder / GRAPH, *data)


class OnnxSession:
    """One exported graph, from token ids to vectors."""

    def __init__(self, card: OnnxCard, session: InferenceSession) -> None:
        self.card = card
        self._session = session
        self._inputs = {each.name for each in session.get_inputs()}

    @classmethod
    def open(
        cls, folder: Path, *, base: str | None = None, threads: int = 0, gpu: bool = False
    ) -> OnnxSession:
        """Load a folder. threads: 0 leaves the number to onnxruntime.

        Raises ModelError where files are missing or changed, or where the graph was made
        from another base model than the one given; MissingLibraryError without onnxruntime.
        """
        card = OnnxCard.read(folder)
        if base is not None and card.base != base:
            raise ModelError(
                f"{folder} was exported from another base model "
                f"(fingerprint {card.base}, not {base}); export it again"
            )
        if graph_hash(folder) != card.graph:
            raise ModelError(f"{folder / GRAPH} is not the graph that {CARD} describes")
        if files_hash(folder / TOKENIZER) != card.tokenizer:
            raise ModelError(f"{folder / TOKENIZER} is not the tokenizer that {CARD} describes")
        return cls(card, _inference(folder / GRAPH, threads=threads, gpu=gpu))

    def forward(
        self,
        input_ids: IntArray,
        attention_mask: IntArray,
        lang_ids: IntArray | None = None,
        *,
        types: IntArray | None = None,
    ) -> FloatArray:
        """(b, t) int64 each to (b, dim) or (b, t, dim) float32, by the card's kind.

        lang_ids: (b,) rows of the adapters, unread by a graph that has none to choose from.
        types: (b, t), which side of a pair a token is of, unread by a graph without sides.
        Rows at padding are without meaning. Raises ModelError for ids that the model lacks.
        """
        if input_ids.size and not 0 <= input_ids.min() <= input_ids.max() < self.card.vocab_size:
            raise ModelError(
                f"token id {input_ids.max()} does not exist in a vocabulary of "
                f"{self.card.vocab_size}: the tokenizer is that of another model"
            )
        features = {"input_ids": input_ids, "attention_mask": attention_mask}
        if lang_ids is not None and "lang_ids" in self._inputs:
            features["lang_ids"] = lang_ids
        if types is not None and "token_type_ids" in self._inputs:
            features["token_type_ids"] = types
        vectors: FloatArray = self._session.run(["vectors"], features)[0]
        return vectors


def _inference(graph: Path, *, threads: int, gpu: bool) -> InferenceSession:
    try:
        import onnxruntime
    except ImportError:
        raise MissingLibraryError(
            "running an exported model needs onnxruntime: pip install onnxruntime"
        ) from None
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    providers = ["CUDAExecutionProvider"] * gpu + ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=providers)
    except Exception as error:  # onnxruntime has a dozen classes of its own and no common one
        raise ModelError(f"{graph} cannot be run: {error}") from None
