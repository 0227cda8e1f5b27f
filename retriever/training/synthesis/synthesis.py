"""Questions made of a corpus and kept where they are good: what `xret train synthesise` does."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from xret.errors import ConfigError, TrainingError
from xret.retriever.corpora.registry import open_corpus
from xret.retriever.languages.codes import ENGLISH, language_code
from xret.retriever.models.published import published_file
from xret.retriever.training.synthesis.asked_file import AskedFile, AskedLine
from xret.retriever.training.synthesis.extractive import ExtractiveGenerator
from xret.retriever.training.synthesis.filters import fit_questions, round_trip_steps
from xret.retriever.training.synthesis.questions import QuestionGenerator
from xret.retriever.training.synthesis.settings import Synthesis
from xret.retriever.training.synthesis.source_passages import SourcePassage, draw_passages
from xret.retriever.translation.named import SHIPPED_TABLE, open_table
from xret.types import UNDETERMINED, Progress, Work, finished

__all__ = ["SynthesisReport", "synthesise", "synthesise_steps"]


@dataclass(slots=True)
class SynthesisReport:
    """asked: questions that were asked for, in this run or one before it. written, held_out: lines
    of the two files. dropped: by what they lacked. pairs: lines by languages of question and
    passage. requests, tokens and seconds: of all that was asked; tokens are 0 where a server does
    not tell them."""

    generator: str
    passages: int = 0
    asked: int = 0
    written: int = 0
    held_out: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    pairs: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    held_out_file: str = ""


def synthesise_steps(
    corpus: str,
    output: Path,
    *,
    settings: Synthesis | None = None,
    resume: bool = True,
    generator: QuestionGenerator | None = None,
) -> Work[SynthesisReport]:
    """Write rows {query, positive, query_lang, positive_lang, id} as `xret train` reads them.

    corpus: a name, file or folder. output: a .jsonl; beside it `NAME.held-out.jsonl` has the
    questions of documents that are kept apart, for --held-out, and `NAME.asked.jsonl` all that was
    asked, from which a run that was broken goes on, and one with other filters takes its
    questions. resume: false to ask all again. generator: in the place of `settings.llm`.
    Raises ConfigError, CorpusError, LanguageError, ModelError, and TrainingError where a model
    gives no answers, or no question is kept.
    """
    settings = settings or Synthesis()
    if output.suffix != ".jsonl":
        raise ConfigError(f"--output {output} is no .jsonl file, which is what training reads")
    langs = tuple(dict.fromkeys(language_code(lang) for lang in settings.langs))
    documents = open_corpus(corpus).documents(on_reject=lambda _: None)
    drawn = yield from draw_passages(documents, n=settings.n_passages, seed=settings.seed)
    passages = {passage.passage_id: passage for passage in drawn}
    chosen = generator or _generator(settings, drawn)
    file = AskedFile(output.with_suffix(".asked.jsonl"))
    plan = _plan(drawn, langs or _langs(drawn), settings.n_questions)
    output.parent.mkdir(parents=True, exist_ok=True)
    earlier = file.open(_run(drawn, plan, chosen), resume=resume)
    asked = list(earlier)
    for each in file.add(_ask(plan[len(earlier) :], chosen)):
        asked.append(each)
        yield Progress("questions", len(asked), len(plan), "questions")
    dropped: Counter[str] = Counter()
    kept = fit_questions(asked, settings, dropped)
    kept = yield from round_trip_steps(kept, passages, settings, dropped)
    if not kept:
        raise TrainingError(
            f"none of {len(asked):,} questions is kept ({_counts(dropped)}); look into {file.path}"
        )
    report = _report(chosen, drawn, asked, dropped)
    _write(output, kept, passages, settings, report)
    return report


synthesise = finished(synthesise_steps)
"""The same, run to its end: returns the result alone."""

_Plan = list[tuple[SourcePassage, str]]


def _generator(settings: Synthesis, passages: Sequence[SourcePassage]) -> QuestionGenerator:
    llm = settings.llm
    if llm is None:
        return ExtractiveGenerator(passages, open_table(SHIPPED_TABLE))
    if llm.startswith(("http://", "https://")):
        from xret.retriever.training.synthesis.chat import ChatGenerator

        return ChatGenerator(llm, timeout_s=settings.timeout_s)
    if not Path(llm).is_dir():
        raise ConfigError(
            f"--llm {llm}: neither an address (https://host/v1/chat/completions#model) nor a folder"
        )
    from xret.retriever.training.synthesis.local_model import LocalGenerator

    return LocalGenerator.load(Path(llm))


def _langs(passages: Sequence[SourcePassage]) -> tuple[str, ...]:
    """The languages of the passages, the most frequent first, and English."""
    counted = Counter(passage.lang for passage in passages if passage.lang != UNDETERMINED)
    return tuple(dict.fromkeys([*(lang for lang, _ in counted.most_common()), ENGLISH]))


def _plan(passages: Sequence[SourcePassage], langs: Sequence[str], n: int) -> _Plan:
    """What is asked in which language: of each passage n languages, all in turn."""
    plan: _Plan = []
    turn = 0
    for passage in passages:
        for step in range(min(n, len(langs))):
            plan.append((passage, langs[(turn + step) % len(langs)]))
        turn += n
    return plan


def _run(passages: Sequence[SourcePassage], plan: _Plan, generator: QuestionGenerator) -> str:
    """Equal where the same would be asked of the same."""
    said = xxhash.xxh3_128()
    for passage in passages:
        said.update(json.dumps([passage.passage_id, passage.title, passage.text]).encode())
    said.update(json.dumps([lang for _, lang in plan]).encode())
    return f"{generator.fingerprint}-{said.hexdigest()}"


def _ask(plan: _Plan, generator: QuestionGenerator) -> Iterator[AskedLine]:
    for passage, lang in plan:
        start = time.monotonic()
        question = generator.ask(passage, lang)
        yield AskedLine(passage.passage_id, lang, question, time.monotonic() - start)


def _report(
    generator: QuestionGenerator,
    passages: Sequence[SourcePassage],
    asked: Sequence[AskedLine],
    dropped: Counter[str],
) -> SynthesisReport:
    return SynthesisReport(
        generator.name,
        len(passages),
        len(asked),
        dropped=dict(sorted(dropped.items())),
        requests=sum(each.question.requests for each in asked),
        prompt_tokens=sum(each.question.prompt_tokens for each in asked),
        completion_tokens=sum(each.question.completion_tokens for each in asked),
        seconds=sum(each.seconds for each in asked),
    )


def _write(
    output: Path,
    kept: Sequence[AskedLine],
    passages: dict[str, SourcePassage],
    settings: Synthesis,
    report: SynthesisReport,
) -> None:
    """Both files whole; of a document all questions are in one of them."""
    parts: tuple[list[str], list[str]] = [], []
    pairs: Counter[str] = Counter()
    for each in kept:
        passage = passages[each.passage_id]
        apart = _is_held_out(passage.doc_id, settings)
        parts[apart].append(json.dumps(_row(each, passage), ensure_ascii=False) + "\n")
        pairs[f"{each.lang} → {passage.lang}"] += 1
    apart_file = output.with_suffix(".held-out.jsonl")
    for place, lines in zip((output, apart_file), parts, strict=True):
        with published_file(place) as part:
            part.write_text("".join(lines), encoding="utf-8")
    report.written, report.held_out = len(parts[0]), len(parts[1])
    report.pairs = dict(pairs.most_common())
    report.held_out_file = str(apart_file)


def _is_held_out(doc_id: str, settings: Synthesis) -> bool:
    """By the id alone, so that other settings hold the same documents out."""
    return (
        xxhash.xxh3_64_intdigest(doc_id.encode(), seed=settings.seed) % 10_000
        < settings.held_out * 1e4
    )


def _row(asked: AskedLine, passage: SourcePassage) -> dict[str, Any]:
    return {
        "query": " ".join(asked.question.text.split()),
        "positive": passage.as_read(with_title=not asked.question.of_title),
        "query_lang": asked.lang,
        "positive_lang": passage.lang,
        "id": passage.passage_id,
    }


def _counts(dropped: Counter[str]) -> str:
    return ", ".join(f"{reason}: {count:,}" for reason, count in dropped.items())
