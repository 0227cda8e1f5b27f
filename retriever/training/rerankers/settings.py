"""Settings of a cross-encoder's training, checked once and never changed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from xret.errors import ConfigError
from xret.retriever.training.common.described import Described
from xret.retriever.training.common.kept_weights import kept_weights

__all__ = ["REDUCTIONS", "RerankTraining", "TrainedPart"]

TrainedPart = Literal["full", "adapter", "mask"]

REDUCTIONS = (1, 2, 4, 8, 16, 32)
_RATES: dict[TrainedPart, float] = {"full": 2e-5, "adapter": 5e-4, "mask": 2e-5}
# Where a run may be taken up with another value: no weight depends on it before.
_FREE = ("output", "rate", "threads", "licence", "device", "checkpoint_steps")


@dataclass(frozen=True, slots=True)
class RerankTraining:
    """What a run does. model: name or folder of an encoder, or of a cross-encoder to go on from.

    part: what learns. "full": all weights that X-MOD does not freeze; "adapter": a ranking
    adapter behind each layer, of the hidden size by `reduction`; "mask": the `keep` weights that
    fine-tuning moves most, put back and learnt again. The head learns in each. loss, teacher:
    see `rank_loss`. teacher_lang: the teacher reads the version of each row in this language.
    rate: peak of AdamW's, None for what suits the part. l1: of a mask, penalty on its distance
    from the start. language_adapters: a folder of MAD-X's, frozen, for a model without any of its
    own. pair_routing: of a model with language adapters, split where None.
    """

    model: Annotated[str, Described("Encoder to start from: a folder or a name (xret model list).")]
    output: Path
    data: Annotated[
        tuple[Path, ...],
        Described(
            "JSON lines {query, positive, negatives, query_lang, positive_lang, negative_langs, "
            "scores, id} or TSV query, positive, negatives; .gz too."
        ),
    ]
    part: Annotated[
        TrainedPart,
        Described("What learns: all weights, a ranking adapter, or a sparse mask.", flag="--train"),
    ] = "full"
    loss: Annotated[
        Literal["pointwise", "pairwise", "listwise"],
        Described("Each pair by itself, pairs compared, or a question's whole list."),
    ] = "listwise"
    reduction: Annotated[
        int, Described("Of a ranking adapter: hidden size by bottleneck; 1, 2, 4, 8, 16 or 32.")
    ] = 16
    keep: Annotated[str, Described("Weights that a mask changes: 5%, or a number.")] = "5%"
    l1: Annotated[
        float, Described("Penalty on a mask's distance from the start.", at_least=0.0)
    ] = 0.0
    language_adapters: Annotated[
        Path | None,
        Described(
            "Folder of language adapters (xret module learn language, or AdapterHub's) that the "
            "model learns over; not X-MOD's."
        ),
    ] = None
    pair_routing: Annotated[
        Literal["qlang", "dlang", "split", "none"] | None,
        Described(
            "Of language adapters: the pair goes through the adapters of the question's language, "
            "of the passage's, each text through its own (the default), or past them."
        ),
    ] = None
    teacher: Annotated[
        str | None,
        Described("An encoder or cross-encoder whose scores are learnt; else --data's, or labels."),
    ] = None
    teacher_lang: Annotated[
        str | None,
        Described(
            "Translate-distil: the teacher reads the version in this language of each row, by id."
        ),
    ] = None
    n_negatives: Annotated[
        int | None,
        Described("Of each question a step; as many as there are, 4 at most.", flag="--negatives"),
    ] = None
    cross_lingual: Annotated[
        float,
        Described(
            "Steps whose questions are taken in another language than their passages, from lines "
            "of one id.",
            metavar="SHARE",
        ),
    ] = 0.0
    steps: Annotated[int | None, Described("Steps (of each phase of a mask); else --epochs.")] = (
        None
    )
    epochs: Annotated[int, Described("Passes over the data.")] = 1
    batch_size: Annotated[int, Described("Questions of a step, each with its passages.")] = 8
    rate: Annotated[
        float | None,
        Described("Peak learning rate; 5e-4 for an adapter, else 2e-5."),
    ] = None
    warm_up: Annotated[float, Described("Share of steps in which it rises.")] = 0.1
    seed: Annotated[int, Described("What everything random follows from.")] = 0
    max_tokens: Annotated[int, Described("Of a pair, in training.")] = 256
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        Described("Arithmetic; auto: bf16 where the hardware has it."),
    ] = "auto"
    device: Annotated[str | None, Described("cpu or cuda; cuda where there is one.")] = None
    threads: Annotated[int | None, Described("Of the CPU.")] = None
    checkpoint_steps: Annotated[int, Described("How often a checkpoint is kept.")] = 200
    source_lang: Annotated[str | None, Described("Of questions that name no language.")] = None
    target_lang: Annotated[str | None, Described("Of passages that name no language.")] = None
    on_error: Annotated[
        Literal["stop", "skip"], Described("What to do with a line that cannot be read.")
    ] = "stop"
    licence: Annotated[str | None, Described("Of the training text, for the model's card.")] = None

    def __post_init__(self) -> None:
        for name in ("steps", "epochs", "batch_size", "threads", "checkpoint_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{_option(name)} is {value}; it must be 1 or more")
        for name in ("cross_lingual", "warm_up"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{_option(name)} is {value}; it is a share, from 0 to 1")
        if self.rate is not None and not 0 < self.rate < 1:
            raise ConfigError(f"--rate is {self.rate}; it must lie between 0 and 1, as 2e-5 does")
        if self.n_negatives is not None and self.n_negatives < 1:
            raise ConfigError("a question's passages are compared: take --negatives 1 or more")
        if self.max_tokens < 8:
            raise ConfigError(f"--max-tokens is {self.max_tokens}; a pair needs 8 or more")
        if not 0 <= self.seed < 1 << 32:
            raise ConfigError(f"--seed is {self.seed}; it must be from 0 to 2**32 - 1")
        if not self.data:
            raise ConfigError("training needs at least one file of questions and passages")
        self._check_part()

    def _check_part(self) -> None:
        if self.part not in _RATES:
            raise ConfigError(f"--train {self.part}: use one of {', '.join(_RATES)}")
        if self.loss not in ("pointwise", "pairwise", "listwise"):
            raise ConfigError(
                f"--loss {self.loss} is no loss of rerankers; use pointwise, pairwise or listwise"
            )
        if self.reduction not in REDUCTIONS:
            raise ConfigError(
                f"--reduction is {self.reduction}; a ranking adapter's is a power of two from 1 to "
                "32: 1, 2, 4, 8, 16 or 32"
            )
        if self.language_adapters is not None and self.pair_routing == "none":
            raise ConfigError(
                "--pair-routing none leaves out the adapters of --language-adapters; name one"
            )
        if self.part == "mask":
            kept_weights(self.keep)
        if self.teacher_lang is not None and self.teacher is None:
            raise ConfigError("--teacher-lang says what a teacher reads; name it with --teacher")

    @property
    def peak_rate(self) -> float:
        """AdamW's."""
        return self.rate if self.rate is not None else _RATES[self.part]

    def describe(self, base: str) -> str:
        """Equal for the same run: settings, files by content, the model that it starts from.

        base: fingerprint of that model and of its teacher. Raises ConfigError for a file that
        is not there.
        """
        plain = {
            name: value for name, value in dataclasses.asdict(self).items() if name not in _FREE
        }
        if missing := [str(path) for path in self.data if not path.is_file()]:
            raise ConfigError(f"no such file: {', '.join(missing)}")
        from xret.retriever.models.fingerprints import model_fingerprint
        from xret.retriever.models.hashes import file_hash  # options are read without it

        plain["files"] = [file_hash(path) for path in self.data]
        for name in ("data", "model", "teacher", "language_adapters"):  # told by their content
            del plain[name]
        if self.language_adapters is not None:
            plain["languages"] = model_fingerprint(self.language_adapters, {})
        return json.dumps({"rerank": plain, "base": base}, sort_keys=True, default=str)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
