"""A model with one adapter that learns beside those that it had, everything else frozen."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from xret.errors import ModelError
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.precision import is_fast_in_bf16, multiplies_bf16
from xret.retriever.encoders.sentence_model import SentenceModel
from xret.retriever.encoders.text_model import Task
from xret.retriever.encoders.word_pooling import WordPooling
from xret.retriever.languages.codes import ENGLISH
from xret.retriever.models.layout import model_kind
from xret.retriever.training.language.grown import GrownEmbedding, grown_tokenizer
from xret.retriever.training.language.lower import LowerStates, lower_layers, upper_layers
from xret.retriever.xmod.xmod import adapter_name
from xret.types import Progress

__all__ = ["NONE", "OWN", "AdaptedModel", "Packed"]

NONE = "none"
"""The adapter that adds nothing."""

OWN = "own"
"""The adapter that learns."""

UPPER_LAYERS = 4
"""Whose adapters learn in a pretrained encoder; those below add nothing."""

_BATCH = 64
_DRAWN = 0.02
"""Standard deviation of a first product that starts from zeros."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Vectors of n texts: (w, d) and where each text's start, (n + 1,) int64.

    texts: (n, d), one vector a text at unit length, None for a model that makes none.
    """

    vectors: Tensor
    offsets: Tensor
    texts: Tensor | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def owner(self) -> Tensor:
        """(w,): which text a vector is of."""
        return torch.repeat_interleave(torch.arange(len(self)), self.offsets.diff())

    @property
    def whole(self) -> Tensor:
        """(n, d): one vector a text; the sum of its vectors where the model makes none."""
        if self.texts is not None:
            return self.texts
        summed = self.vectors.new_zeros(len(self), self.vectors.shape[1])
        return nn.functional.normalize(summed.index_add(0, self.owner, self.vectors), dim=1)

    def __getitem__(self, position: int) -> Tensor:
        return self.vectors[self.offsets[position] : self.offsets[position + 1]]

    @classmethod
    def of(cls, texts: Sequence[Tensor], whole: Tensor | None = None) -> Packed:
        """One (w_i, d) tensor a text, and their single vectors (n, d)."""
        sizes = torch.tensor([0, *map(len, texts)])
        return cls(torch.cat(list(texts)), sizes.cumsum(0), whole)


class AdaptedModel:
    """Texts through the adapter asked for: the new one, its relative's, English, or none.

    The new adapter starts as its relative's, and nothing but it has gradients. In a model with
    the normalisation behind each block, as pretrained encoders have it, only the adapters of
    the upper layers learn, and the states below them are computed once for each text (`keep`).
    Arithmetic is bfloat16 where the processor is fast in it, float32 elsewhere.
    """

    def __init__(self, model: SentenceModel, lang: str, relative: str) -> None:
        self.lang, self.relative = lang, relative
        self.late = model.late
        self.unit = model.unit
        self._model = model
        backbone: Any = model.model.transformers_model
        self.backbone = backbone
        self.backbone.set_attn_implementation("eager")  # the fastest backwards on a CPU
        for parameter in model.model.parameters():
            parameter.requires_grad = False
        n_layers = len(self._outputs())
        self._first = 0 if backbone.config.pre_norm else max(0, n_layers - UPPER_LAYERS)
        self._lower: dict[Task, LowerStates] = {}
        for number, output in enumerate(self._outputs()):
            _add_adapters(output, relative, learns=number >= self._first)
        self._ids = {name: i for i, name in enumerate(self._outputs()[0].adapter_modules)}
        fast = is_fast_in_bf16() if backbone.config.pre_norm else multiplies_bf16()
        self._dtype = torch.bfloat16 if fast else None

    @classmethod
    def load(cls, folder: Path, *, lang: str, relative: str, english: bool) -> AdaptedModel:
        """The model in a folder with the adapters that are needed, and one for `lang`.

        english: with the English adapter. Raises ModelError for a model without adapters.
        """
        wanted = tuple(dict.fromkeys([relative, *([ENGLISH] if english else [])]))
        options = EncoderOptions(adapters=wanted, precision="fp32", device="cpu")
        model = SentenceModel.load(folder, model_kind(folder), options=options)
        if model.adapters is None:
            raise ModelError(f"{folder} has no X-MOD language adapters; none can be added to it")
        return cls(model, lang, relative)

    @property
    def keeps(self) -> bool:
        """Whether `keep` spares anything: layers lie below the first that learns."""
        return self._first > 0

    @property
    def predicts_words(self) -> bool:
        """Whether its last states lie in the space of its word embeddings.

        Those of a pretrained encoder that was trained for retrieval do not.
        """
        return bool(self.backbone.config.pre_norm)

    @property
    def tokens(self) -> Tokenizer:
        """The tokenizer, without truncation and padding."""
        if self._model.tokens is None:
            raise ModelError("the model's tokenizer is written in Python; a fast one is needed")
        return self._model.tokens

    @property
    def mask_token(self) -> int:
        """Raises ModelError for a tokenizer that has none."""
        found: int | None = self._model.model.tokenizer.mask_token_id
        if found is None:
            raise ModelError("the model's tokenizer has no mask token to hide words by")
        return found

    @property
    def padding_token(self) -> int:
        return int(self._model.model.tokenizer.pad_token_id or 0)

    @property
    def n_rows(self) -> int:
        """Rows of the vocabulary."""
        return int(self.backbone.get_input_embeddings().num_embeddings)

    @property
    def width(self) -> int:
        """d: numbers of an embedding."""
        return int(self.backbone.config.hidden_size)

    @property
    def weighs_words(self) -> bool:
        """Whether its vectors are words', with an emphasis for each row of the vocabulary."""
        return self._pooling() is not None

    @property
    def table(self) -> Tensor:
        """(v, d): the rows of a vocabulary that has not grown."""
        weight: Tensor = self.backbone.get_input_embeddings().weight
        return weight.detach()

    @property
    def emphasis(self) -> Tensor:
        """(v,): of each row, zeros where the model weighs no words."""
        pooling = self._pooling()
        return torch.zeros(self.n_rows) if pooling is None else pooling.emphasis.detach()

    @property
    def unknown_token(self) -> int:
        """What stands for words without pieces; -1 for a tokenizer that has none."""
        found: int | None = self._model.model.tokenizer.unk_token_id
        return -1 if found is None else found

    def rows(self, ids: Tensor) -> Tensor:
        """(c, d): the embeddings of those pieces."""
        found: Tensor = self.backbone.get_input_embeddings()(ids)
        return found

    def parameters(self) -> dict[str, nn.Parameter]:
        """Those of the new adapter that learn, named as a file of it names them."""
        return {name: p for name, p in self.adapter().items() if p.requires_grad}

    def adapter(self) -> dict[str, nn.Parameter]:
        """All of the new adapter, named as a file of it names them."""
        return {
            f"encoder.layer.{number}.output.adapter.{name}": parameter
            for number, output in enumerate(self._outputs())
            for name, parameter in output.adapter_modules[OWN].named_parameters()
        }

    def adds_nothing(self, adapter: str) -> bool:
        """Whether a text through that adapter has the vectors that it has through none."""
        return not any(
            bool(parameter.any())
            for output in self._outputs()
            for parameter in output.adapter_modules[adapter].dense2.parameters()
        )

    def weaken(self, strength: float) -> None:
        """Keep that share of what the new adapter has learnt, 0 to 1.

        One that started from nothing says that much less; another goes back towards its start
        (Wortsman et al. 2022).
        """
        nothing = self.adds_nothing(self.relative)
        with torch.no_grad():
            for output in self._outputs():
                own, start = (output.adapter_modules[name] for name in (OWN, self.relative))
                if nothing:
                    own, start = own.dense2, start.dense2  # the first product is not what speaks
                for parameter, before in zip(own.parameters(), start.parameters(), strict=True):
                    parameter.lerp_(before, 1 - strength)

    def grown(self) -> dict[str, nn.Parameter]:
        """The rows of pieces that were added, nothing where there are none."""
        embedding = self.backbone.get_input_embeddings()
        return {"rows": embedding.rows} if isinstance(embedding, GrownEmbedding) else {}

    def grown_tokens(self, pieces: Sequence[str]) -> Tokenizer:
        """The tokenizer as it would be with those pieces."""
        return grown_tokenizer(self.tokens, pieces, n_rows=self.n_rows)

    def grow(self, pieces: Sequence[str], rows: Tensor, emphasis: Tensor) -> None:
        """Add pieces with their rows (p, d), which learn, and their emphasis (p,), which stays.

        What learns below all layers must pass through all of them: no states are kept then.
        """
        self._first = 0
        sentences: Any = self._model.model
        tokenizer = sentences.tokenizer
        tokenizer._tokenizer = self.grown_tokens(pieces)  # the one way to exchange it
        vars(self._model).pop("tokens", None)  # was read from the former
        self.backbone.set_input_embeddings(
            GrownEmbedding(self.backbone.get_input_embeddings(), rows)
        )
        pooling = self._pooling()
        if pooling is not None:
            whole = torch.cat([pooling.emphasis.detach(), emphasis])
            pooling.emphasis = nn.Parameter(whole, requires_grad=False)
            pooling.vocabulary_size = len(whole)
            pooling.on_model_ready(sentences)

    def frozen(self) -> Iterator[tuple[str, Tensor]]:
        """Everything that must stay as it is."""
        own = {id(p) for p in (*self.parameters().values(), *self.grown().values())}
        for name, tensor in self._model.model.state_dict(keep_vars=True).items():
            if id(tensor) not in own:
                yield name, tensor

    def hidden(self, ids: Tensor, mask: Tensor, adapter: str) -> Tensor:
        """(b, t, d) last hidden states of (b, t) pieces."""
        with self._arithmetic():
            output = self.backbone(
                input_ids=ids, attention_mask=mask, lang_ids=self._lang_ids(adapter, len(ids))
            )
        states: Tensor = output.last_hidden_state
        return states.float()

    def embed(self, texts: Sequence[str], adapter: str, *, task: Task) -> Packed:
        """The vectors that an index or a search would have, with gradients where there are."""
        lower = self._lower.get(task)
        if adapter == OWN and lower is not None and lower.holds(texts):
            batch, states = lower.batch(texts)
            layers: AbstractContextManager[None] = upper_layers(self.backbone, self._first, states)
        else:
            batch, layers = self._read(texts, task), nullcontext()
        batch["lang_ids"] = self._lang_ids(adapter, len(texts))
        with self._arithmetic(), layers:
            made = self._model.model(batch, task=task)
        if not self.late:
            vectors = made["sentence_embedding"].float()
            if self.unit:
                vectors = nn.functional.normalize(vectors, dim=1)
            return Packed(vectors, torch.arange(len(texts) + 1))
        mask = made["attention_mask"].bool()
        mask[:, 0] |= ~mask.any(dim=1)  # a text of punctuation alone keeps one vector
        offsets = nn.functional.pad(mask.sum(dim=1).cumsum(0), (1, 0))
        whole = made.get("sentence_embedding")
        if whole is not None:
            whole = nn.functional.normalize(whole.float(), dim=1)
        return Packed(made["token_embeddings"].float()[mask], offsets, whole)

    @torch.no_grad()
    def keep(self, texts: Sequence[str], task: Task) -> Iterator[Progress]:
        """Compute what lies below the first layer that learns; `embed` then begins there.

        In float16, 40 KB a sentence of fifty tokens and 384 numbers. Nothing where all learn.
        """
        if not self._first:
            return
        lower = self._lower.setdefault(task, LowerStates(self.padding_token))
        wanted = sorted({text for text in texts if not lower.holds([text])}, key=len)
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            batch = self._read(part, task)
            ids, mask = batch["input_ids"], batch["attention_mask"]
            with self._arithmetic(), lower_layers(self.backbone, self._first):
                states = self.hidden(ids, mask, OWN)
            lower.add(part, ids, mask, states)
            yield Progress("lower layers", start + len(part), len(wanted), "texts")

    @torch.no_grad()
    def embed_all(self, texts: Sequence[str], adapter: str, *, task: Task) -> Packed:
        """Any number of texts, the like-sized ones together, in their own order."""
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        found: dict[int, tuple[Tensor, Tensor]] = {}
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            packed = self.embed([texts[row] for row in rows], adapter, task=task)
            whole = packed.whole
            found |= {row: (packed[place], whole[place]) for place, row in enumerate(rows)}
        vectors, wholes = zip(*(found[row] for row in range(len(texts))), strict=True)
        return Packed.of(vectors, torch.stack(wholes))

    def _read(self, texts: Sequence[str], task: Task) -> dict[str, Any]:
        batch = dict(self._model.features(texts, task).batch)
        if "offsets" in batch:
            raise ModelError("the model has no transformer to put an adapter into")
        return batch

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        with torch.autocast("cpu", dtype=self._dtype, enabled=self._dtype is not None):
            yield

    def _pooling(self) -> WordPooling | None:
        return next((m for m in self._model.model if isinstance(m, WordPooling)), None)

    def _lang_ids(self, adapter: str, n: int) -> Tensor:
        return torch.full((n,), self._ids[adapter], dtype=torch.int64)

    def _outputs(self) -> list[Any]:
        return [layer.output for layer in self.backbone.encoder.layer]


def _add_adapters(output: Any, relative: str, *, learns: bool) -> None:
    """Beside a layer's adapters the new one and one that adds nothing.

    An adapter that adds nothing may be zeros altogether, from which nothing is learnt: its
    first product is drawn then.
    """
    spelt = {adapter_name(name): module for name, module in output.adapter_modules.items()}
    own, nothing = copy.deepcopy(spelt[relative]), copy.deepcopy(spelt[relative])
    for parameter in nothing.dense2.parameters():
        nn.init.zeros_(parameter)
    for parameter in own.parameters():
        if not learns:
            nn.init.zeros_(parameter)
        parameter.requires_grad = learns
    if learns and not bool(own.dense1.weight.any()):
        nn.init.normal_(own.dense1.weight, std=_DRAWN, generator=torch.Generator().manual_seed(0))
    output.adapter_modules = nn.ModuleDict(spelt | {OWN: own, NONE: nothing})
