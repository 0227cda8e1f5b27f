"""Hard negatives: what an index ranks high for a query and does not answer it.

A passage that scores nearly as high as the known answer is often an answer that nobody
judged; those within a margin of the answer's own score are left out (de Souza Moreira et al.
2024, NV-Retriever, "TopK-PercPos").
"""

from __future__ import annotations

import errno
import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from xret.errors import ConfigError, TrainingError
from xret.index.scoring.maxsim import maxsim_scores
from xret.index.search.commit import Found
from xret.retriever.corpora.rows import Example
from xret.retriever.corpus_build import build_steps
from xret.retriever.encoder import EncoderOptions
from xret.retriever.encoders.text_model import TEMPLATE
from xret.retriever.models import registry
from xret.retriever.models.hashes import file_hash
from xret.retriever.models.published import published_file
from xret.retriever.searcher import Searcher
from xret.retriever.training.recipes.drawing import with_languages
from xret.retriever.training.recipes.records import ExampleReader
from xret.types import Document, FloatArray, Progress, Query, Work, finished

__all__ = ["MiningRule", "MiningSummary", "NegativeMiner", "mine_negatives", "mine_steps"]

_BATCH = 64


@dataclass(frozen=True, slots=True)
class MiningRule:
    """depth: how many documents of each ranking are looked at. n_negatives: kept of them, the
    highest first. margin: a negative scores at most 1 - margin of the answer's score."""

    depth: int = 50
    n_negatives: int = 8
    margin: float = 0.05

    def __post_init__(self) -> None:
        if not 1 <= self.n_negatives <= self.depth:
            raise ConfigError(
                f"{self.n_negatives} negatives of {self.depth} documents; take 1 or more, and no "
                "more than --depth"
            )
        if not 0 <= self.margin < 1:
            raise ConfigError(f"--margin is {self.margin}; it is a share, from 0 to below 1")

    def limit(self, answer: float) -> float:
        """The most that a negative may score beside an answer with that score."""
        return answer - self.margin * abs(answer)


@dataclass(slots=True)
class MiningSummary:
    """queries: lines written. negatives: in all of them. answers: documents passed over because
    they are known answers; too_close: because they score nearly as an answer does. short:
    lines with fewer negatives than were asked for. without: lines with none."""

    queries: int = 0
    negatives: int = 0
    answers: int = 0
    too_close: int = 0
    short: int = 0
    without: int = 0
    index: str = ""


def mine_steps(
    queries: Path,
    output: Path,
    *,
    corpus: str | None = None,
    index: str | None = None,
    model: str | None = None,
    rule: MiningRule | None = None,
    device: str | None = None,
    on_error: Literal["stop", "skip"] = "stop",
) -> Work[MiningSummary]:
    """Write training rows whose negatives an index ranks high and does not call an answer.

    queries: rows as for training. corpus: a name, file or folder, indexed beside the output by
    `model` (None: the default one); or index: one that is built, searched with its own encoder.
    Raises ConfigError for both or neither, CorpusError, and what `NegativeMiner.run` raises.
    """
    if (corpus is None) == (index is None):
        raise ConfigError("name what is searched: --corpus, or --index for one that is built")
    if index is not None and model is not None:
        raise ConfigError(
            "an index is searched with the encoder that built it: --model goes with "
            "--corpus, not with --index"
        )
    reader = ExampleReader(on_error=on_error)
    yield from reader.read([queries])
    options = EncoderOptions(device=device)
    if corpus is not None:
        folder = _index_folder(corpus, output)
        encoder = model or registry.DEFAULT_ENCODER
        yield from build_steps(corpus, folder, encoder=encoder, lexical=False, options=options)
        index = str(folder)
    with Searcher.open(str(index), options=options) as searcher:
        miner = NegativeMiner(searcher, rule or MiningRule())
        yield from miner.run(reader.examples, output)
    miner.summary.index = str(index)
    return miner.summary


mine_negatives = finished(mine_steps)
"""The same, run to its end: returns the result alone."""


def _index_folder(corpus: str, output: Path) -> Path:
    """An index of the corpus beside the output; what is there already is not encoded again.

    Another corpus, or another content of a file, gets an index of its own: in one they would mix.
    """
    source = Path(corpus)
    content = f"-{file_hash(source)[:8]}" if source.is_file() else ""
    return output.with_name(f"{output.name}.{source.name}{content}.index")


@dataclass(slots=True)
class NegativeMiner:
    """Mines negatives for examples from an open index, with the encoder that built it."""

    searcher: Searcher
    rule: MiningRule = field(default_factory=MiningRule)
    summary: MiningSummary = field(default_factory=MiningSummary)

    def run(self, examples: Sequence[Example], output: Path) -> Generator[Progress, None, None]:
        """Write one JSON line an example, with its negatives and all languages.

        The file is written aside and put in place whole. Raises TrainingError where the disk
        refuses.
        """
        if self.searcher.encoder.spec.language_adapters:
            examples = with_languages(examples)
        known = _answers(examples)
        try:
            with published_file(output) as part, part.open("w", encoding="utf-8") as file:
                for first in range(0, len(examples), _BATCH):
                    self._mine(examples[first : first + _BATCH], known, file)
                    done = min(first + _BATCH, len(examples))
                    yield Progress("mining", done, len(examples), "queries")
        except OSError as error:
            full = "no space left" if error.errno == errno.ENOSPC else error.strerror or error
            raise TrainingError(f"{output} cannot be written: {full}") from error

    def _mine(self, examples: Sequence[Example], known: dict[str, set[str]], file: IO[str]) -> None:
        encoder, n = self.searcher.encoder, len(examples)
        queries = encoder.encode_queries(
            [Query(str(i), one.query, one.query_lang) for i, one in enumerate(examples)]
        )
        answers = encoder.encode_documents(
            [Document(str(i), one.positive, one.positive_lang) for i, one in enumerate(examples)]
        )
        found = self.searcher.reader.find(queries, self.rule.depth)
        for row in range(n):
            limit = self.rule.limit(_score(queries[row], answers[row]))
            negatives = self._chosen(found, row, limit, known[_plain(examples[row].query)])
            file.write(json.dumps(_line(examples[row], negatives), ensure_ascii=False) + "\n")
            self.summary.queries += 1
            self.summary.negatives += len(negatives)
            self.summary.short += len(negatives) < self.rule.n_negatives
            self.summary.without += not negatives

    def _chosen(
        self, found: Found, row: int, limit: float, answers: set[str]
    ) -> list[tuple[str, str]]:
        """(text, language) of the highest documents that are no answers, each text once."""
        chosen: dict[str, tuple[str, str]] = {}
        for hit, span in zip(found.rankings[row], found.spans[row], strict=True):
            document = found.documents[hit.doc_id]
            text = _passage(document, span)
            if not answers.isdisjoint({_plain(text), _plain(document.text)}):
                self.summary.answers += 1
            elif hit.score > limit:
                self.summary.too_close += 1
            elif len(chosen) < self.rule.n_negatives:
                chosen.setdefault(_plain(text), (text, document.lang))
        return list(chosen.values())


def _answers(examples: Sequence[Example]) -> dict[str, set[str]]:
    """The passages known to answer each query, in any of its examples."""
    found: dict[str, set[str]] = {}
    for one in examples:
        found.setdefault(_plain(one.query), set()).add(_plain(one.positive))
    return found


def _passage(document: Document, span: tuple[int, int] | None) -> str:
    """What of a document was scored, as the encoder reads it."""
    start, end = span or (0, len(document.text))
    text = document.text[start:end].strip()
    return TEMPLATE.format(title=document.title, text=text) if document.title else text


def _score(query: FloatArray, answer: FloatArray) -> float:
    offsets = np.array([0, len(answer)], np.int64)
    return float(maxsim_scores(query, answer, offsets)[0])


def _line(example: Example, negatives: Sequence[tuple[str, str]]) -> dict[str, Any]:
    line: dict[str, Any] = {
        "query": example.query,
        "positive": example.positive,
        "negatives": [text for text, _ in negatives],
        "query_lang": example.query_lang,
        "positive_lang": example.positive_lang,
        "negative_langs": [lang for _, lang in negatives],
    }
    if example.text_id:
        line["id"] = example.text_id
    return line


def _plain(text: str) -> str:
    """A text without what two copies of it may differ in."""
    return " ".join(text.casefold().split())
