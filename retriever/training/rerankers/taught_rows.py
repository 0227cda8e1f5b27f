"""A teacher's scores for rows in any language: of the rows, or of their versions in its own.

Translate-distil (Yang, Lawrie and Mayfield 2024): the teacher reads question and passages where
it is at its best, in English, and the student learns those scores over translations of either.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from xret.errors import TrainingError
from xret.retriever.corpora.rows import Example
from xret.retriever.languages.codes import language_code
from xret.retriever.training.common.checkpoint import WorkFolder
from xret.retriever.training.recipes.teaching import taught_scores
from xret.types import FloatArray, Progress

__all__ = ["rows_read_by_teacher", "taught_rows"]


def taught_rows(
    examples: Sequence[Example],
    work: WorkFolder,
    teacher: str,
    *,
    lang: str | None,
    device: str | None,
) -> Generator[Progress, None, list[FloatArray]]:
    """Of each example the teacher's scores: (1 + n,) of the positive and of each negative.

    lang: in which the teacher reads, None for each row as it stands.
    """
    if lang is None:
        return (yield from taught_scores(examples, work, teacher, device=device))
    readers = rows_read_by_teacher(examples, language_code(lang))
    rows = sorted(set(readers))
    scores = yield from taught_scores([examples[n] for n in rows], work, teacher, device=device)
    by_row = dict(zip(rows, scores, strict=True))
    return [by_row[row] for row in readers]


def rows_read_by_teacher(examples: Sequence[Example], lang: str) -> list[int]:
    """Of each example the row that says the same wholly in a language: its own, or one of its id.

    Raises TrainingError where a row has no such version, or one with other negatives.
    """
    whole = {
        one.text_id: row
        for row, one in reversed(list(enumerate(examples)))
        if one.text_id and _is_in(one, lang)
    }
    readers = []
    for row, one in enumerate(examples):
        reader = row if _is_in(one, lang) else whole.get(one.text_id, -1)
        if reader < 0 or len(examples[reader].negatives) != len(one.negatives):
            why = "no version" if reader < 0 else "another number of negatives"
            raise TrainingError(
                f"row {row + 1} (question {one.query[:40]!r}) has {why} in {lang} that the teacher "
                "could read; give each text a line in that language under the same id, with its "
                "negatives in the same order, or leave out --teacher-lang"
            )
        readers.append(reader)
    return readers


def _is_in(one: Example, lang: str) -> bool:
    return {one.query_lang, one.positive_lang, *one.negative_langs} == {lang}
