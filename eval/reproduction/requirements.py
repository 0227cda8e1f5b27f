"""What a row needs: text and models that nobody can fetch for its reader, a way of pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xret.retriever.models.layout import listed_modules, read_json, text_pooling
from xret.retriever.models.location import model_location

__all__ = ["POOLINGS", "Requirement", "missing_words", "pooling_fault"]

POOLINGS = {"cls": "the vector of the first token", "mean": "the mean of the tokens' vectors"}
"""Ways to one vector of a text that a row may ask for."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A file or folder, relative to where the command is typed, and how it is come by."""

    path: str
    how: str


def missing_words(requirements: Sequence[Requirement]) -> str:
    """Which of them are not there, and what to do; empty where all are.

    >>> missing_words([Requirement("/nowhere/clef", "licensed by ELDA")])
    'this row cannot run here: /nowhere/clef is not there (licensed by ELDA)'
    """
    missing = [one for one in requirements if not Path(one.path).exists()]
    if not missing:
        return ""
    said = "; ".join(f"{one.path} is not there ({one.how})" for one in missing)
    return f"this row cannot run here: {said}"


def pooling_fault(encoder: str, pooling: str) -> str:
    """What is wrong where an encoder makes a text's vector in another way than its row; else "".

    Raises ModelError where the encoder's files say nothing that can be read, and
    UnknownModelError where it is not here.
    """
    folder = model_location(encoder)
    configs = [
        read_json(folder / path / "config.json")
        for module, path in listed_modules(folder)
        if module.rpartition(".")[2] == "Pooling"
    ]
    ways = [text_pooling(config) for config in configs]
    if ways == [pooling]:
        return ""
    said = f"has {ways[0]} pooling" if ways and ways[0] else "names no such pooling"
    return (
        f"the numbers of this row are of {POOLINGS[pooling]} ({pooling} pooling), and {folder} "
        f"{said}; save the model with sentence-transformers and pooling_mode={pooling!r}, and name "
        "its folder in a table of your own"
    )
