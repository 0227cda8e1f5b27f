"""Whatever makes a question of a passage: the protocol, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from xret.retriever.training.synthesis.source_passages import SourcePassage

__all__ = ["QuestionGenerator", "SyntheticQuestion"]


@dataclass(frozen=True, slots=True)
class SyntheticQuestion:
    """text: "" where none came. of_title: whether it repeats the document's title, which its
    passage is then trained without. requests, *_tokens: what it cost, as the model says it."""

    text: str
    summary: str = ""
    of_title: bool = False
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class QuestionGenerator(Protocol):
    """name: for people. fingerprint: of all that shapes its questions."""

    name: str
    fingerprint: str

    def ask(self, passage: SourcePassage, lang: str) -> SyntheticQuestion:
        """A question in that language which the passage answers.

        Raises TrainingError where no further question can be had.
        """
