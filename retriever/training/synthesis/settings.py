"""Settings of a synthesis, checked once and never changed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xret.errors import ConfigError

__all__ = ["Synthesis"]


@dataclass(frozen=True, slots=True)
class Synthesis:
    """What is asked and what is kept.

    n_passages: asked about, each of another document. n_questions: about each, in as many
    languages. langs: of the questions; () for those of the passages, and English. llm: an address
    or a folder, None for the documents' own words. timeout_s: of one request. round_trip: a
    question is kept where its passage is among so many first ones; 0 keeps all. encoder: that
    searches for that. held_out: share of the documents whose questions go into a file of their own.
    min_characters, max_characters: of a question.
    """

    n_passages: int = 1_000
    n_questions: int = 2
    langs: tuple[str, ...] = ()
    llm: str | None = None
    timeout_s: float = 60.0
    round_trip: int = 10
    encoder: str | None = None
    held_out: float = 0.2
    min_characters: int = 8
    max_characters: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_passages < 1 or self.n_questions < 1:
            raise ConfigError("take at least one passage, and one question about each")
        if self.round_trip < 0:
            raise ConfigError(f"--round-trip is {self.round_trip}; it is 0 (off) or more")
        if not 0 <= self.held_out < 1:
            raise ConfigError(f"--held-out is {self.held_out}; it is a share, from 0 to below 1")
        if not 0 < self.min_characters <= self.max_characters:
            raise ConfigError(
                "the shortest question has at least one character, and the longest no fewer"
            )
        if not 0 < self.timeout_s < math.inf:
            raise ConfigError(f"--timeout is {self.timeout_s}; it is more than 0 seconds")
