"""An example as one step sees it: which negatives, in which languages, in which words.

Every draw is a function of the seed and of the place in the plan, so that a step is the same
whether the run was broken before it or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xret.errors import ConfigError
from xret.retriever.corpora.rows import Example
from xret.retriever.languages.identification import identify_language
from xret.retriever.training.common.trainer import LanguageCollator
from xret.retriever.training.recipes.plan import BatchPlan
from xret.retriever.training.recipes.switching import Lexicon
from xret.types import UNDETERMINED

__all__ = ["Draw", "DrawingCollator", "Drawn", "TextInLanguage", "with_languages", "with_negatives"]

_EXAMPLE, _BATCH, _FILL = 17, 19, 23
_ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class TextInLanguage:
    """A text and the language whose adapter it goes through."""

    text: str
    lang: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """An example as drawn. row: its number; picked: which of its negatives, in that order."""

    row: int
    query: TextInLanguage
    positive: TextInLanguage
    negatives: tuple[TextInLanguage, ...]
    picked: tuple[int, ...]


class Draw:
    """Draws the examples of a plan.

    n_negatives: of each example, picked anew at every meeting. cross_lingual: share of
    batches whose queries are in another language than their passages, where the example has
    such a version. switch, switch_share: the lexicon, and how many English queries have words
    replaced. languages: what they are replaced by, all of the lexicon's where None.
    Raises ConfigError where no example has another version and cross_lingual is above 0.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        plan: BatchPlan,
        *,
        seed: int,
        n_negatives: int = 0,
        cross_lingual: float = 0.0,
        switch: Lexicon | None = None,
        switch_share: float = 0.0,
    ) -> None:
        self.examples = examples
        self.plan = plan
        self._seed = seed
        self._n_negatives = n_negatives
        self._cross_lingual = cross_lingual
        self._switch = switch
        self._switch_share = switch_share if switch is not None else 0.0
        self._langs = switch.languages if switch is not None else []
        self._others = _other_versions(examples) if cross_lingual else {}
        already = any(one.query_lang != one.positive_lang for one in examples)
        if cross_lingual and not self._others and not already:
            raise ConfigError(
                "cross-lingual batches need a text in several languages: lines with one id and "
                "another query_lang; no line of the training files has such another version"
            )

    def at(self, place: int) -> Drawn:
        """The example at a place of the plan."""
        row = int(self.plan.rows[place])
        example = self.examples[row]
        rng = np.random.default_rng([self._seed, _EXAMPLE, place])
        query = TextInLanguage(example.query, example.query_lang)
        others = self._others.get(row)
        if others and self._crosses(self.plan.step_of(place)):
            chosen = self.examples[others[int(rng.integers(len(others)))]]
            query = TextInLanguage(chosen.query, chosen.query_lang)
        if query.lang == _ENGLISH and self._switch and rng.random() < self._switch_share:
            lang = self._langs[int(rng.integers(len(self._langs)))]
            query = TextInLanguage(self._switch.switch(query.text, lang, rng), query.lang)
        picked = self._picked(example, rng)
        negatives = tuple(
            TextInLanguage(example.negatives[i], example.negative_langs[i]) for i in picked
        )
        positive = TextInLanguage(example.positive, example.positive_lang)
        return Drawn(row, query, positive, negatives, picked)

    def _crosses(self, step: int) -> bool:
        rng = np.random.default_rng([self._seed, _BATCH, step])
        return bool(rng.random() < self._cross_lingual)

    def _picked(self, example: Example, rng: np.random.Generator) -> tuple[int, ...]:
        """Some of the negatives, in the file's order where all are taken."""
        n = self._n_negatives
        if not n or len(example.negatives) == n:
            return tuple(range(n))
        return tuple(int(i) for i in rng.choice(len(example.negatives), n, replace=False))


class DrawingCollator:
    """Places in, a batch out: drawn, tokenised by sentence-transformers, each text's adapter said.

    texts: the trainer's own collator. columns: what of a drawn example the loss reads, in its
    order. adapter: the number of a language's adapter, None for a model without adapters.
    label: what the loss compares with.
    """

    def __init__(
        self,
        texts: Any,
        draw: Draw,
        columns: Callable[[Drawn], Mapping[str, TextInLanguage]],
        *,
        adapter: Callable[[str], int] | None = None,
        label: Callable[[Drawn], Any] | None = None,
    ) -> None:
        self._texts = LanguageCollator(texts)
        self.valid_label_columns: list[str] = texts.valid_label_columns
        self._draw = draw
        self._columns = columns
        self._adapter = adapter
        self._label = label

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """rows: of the planned dataset, each with its place."""
        return self._texts([self._row(self._draw.at(row["place"])) for row in rows])

    def _row(self, drawn: Drawn) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name, text in self._columns(drawn).items():
            row[name] = text.text
            if self._adapter is not None:
                row[f"{name}_lang"] = self._adapter(text.lang)
        if self._label is not None:
            row["label"] = self._label(drawn)
        return row


def with_languages(examples: Sequence[Example]) -> list[Example]:
    """The examples with the languages that their files do not name, as identified."""
    return [
        Example(
            one.query,
            one.positive,
            one.negatives,
            _identified(one.query_lang, one.query),
            _identified(one.positive_lang, one.positive),
            tuple(map(_identified, one.negative_langs, one.negatives)),
            one.scores,
            one.text_id,
        )
        for one in examples
    ]


def with_negatives(examples: Sequence[Example], n: int, *, seed: int) -> list[Example]:
    """The examples with n negatives at least: those that lack some get other examples' positives.

    Fewer remain only where the whole file has not so many different passages.
    """
    return [
        one if len(one.negatives) >= n else _filled(examples, row, n, seed)
        for row, one in enumerate(examples)
    ]


def _filled(examples: Sequence[Example], row: int, n: int, seed: int) -> Example:
    one = examples[row]
    rng = np.random.default_rng([seed, _FILL, row])
    texts, langs = list(one.negatives), list(one.negative_langs)
    n_tried = min(64 * n, len(examples))
    for other in rng.choice(len(examples), n_tried, replace=False).tolist():
        found = examples[other]
        same = found.text_id and found.text_id == one.text_id
        if len(texts) < n and not same and found.positive not in (one.positive, *texts):
            texts.append(found.positive)
            langs.append(found.positive_lang)
    return Example(
        one.query,
        one.positive,
        tuple(texts),
        one.query_lang,
        one.positive_lang,
        tuple(langs),
        (),
        one.text_id,
    )


def _identified(lang: str, text: str) -> str:
    return identify_language(text)[0] if lang == UNDETERMINED else lang


def _other_versions(examples: Sequence[Example]) -> dict[int, list[int]]:
    """Of each example, the versions whose query is in another language than its passage."""
    versions: dict[str, list[int]] = defaultdict(list)
    for row, one in enumerate(examples):
        if one.text_id:
            versions[one.text_id].append(row)
    found = {
        row: [
            other
            for other in versions[one.text_id]
            if examples[other].query_lang != one.positive_lang
        ]
        for row, one in enumerate(examples)
        if one.text_id
    }
    return {row: others for row, others in found.items() if others}
