"""The file of all that was asked: one whole line a question, so that a killed run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from xret.errors import TrainingError
from xret.retriever.models.published import write_file
from xret.retriever.training.synthesis.questions import SyntheticQuestion

__all__ = ["AskedFile", "AskedLine"]

_RUN = "run"


@dataclass(frozen=True, slots=True)
class AskedLine:
    """A question with what it was asked about, in what language, and how long that took."""

    passage_id: str
    lang: str
    question: SyntheticQuestion
    seconds: float


class AskedFile:
    """path: of the lines; the first says of which run they are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, run: str, *, resume: bool) -> list[AskedLine]:
        """What an earlier process asked; a last line that was cut is taken away.

        run: equal for the same questions. Raises TrainingError where the file is another run's,
        or of no run; with `resume` false it is begun anew.
        """
        if not resume or not self.path.exists():
            write_file(self.path, json.dumps({_RUN: run}) + "\n")
            return []
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        try:
            first, *rows = [json.loads(line) for line in whole.splitlines()]
            said = first[_RUN]
            asked = [_read(row) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{self.path} holds no questions that were asked here: {error}; name another "
                "--output, or --anew to write over it"
            ) from error
        if said != run:
            raise TrainingError(
                f"{self.path} holds questions of another corpus, model or choice; name another "
                "--output, or --anew to ask again"
            )
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        return asked

    def add(self, asked: Iterator[AskedLine]) -> Iterator[AskedLine]:
        """Writes each line before it is passed on."""
        with self.path.open("a", encoding="utf-8") as file:
            for each in asked:
                row = {**asdict(each.question), **_facts(each)}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()
                yield each


def _facts(asked: AskedLine) -> dict[str, Any]:
    seconds = round(asked.seconds, 3)
    return {"passage_id": asked.passage_id, "lang": asked.lang, "seconds": seconds}


def _read(row: dict[str, Any]) -> AskedLine:
    named = {field.name: row[field.name] for field in fields(SyntheticQuestion)}
    return AskedLine(
        row["passage_id"], row["lang"], SyntheticQuestion(**named), float(row["seconds"])
    )
