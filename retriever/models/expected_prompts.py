"""A folder of a model that is known to need prompts, and that brings none."""

from __future__ import annotations

from pathlib import Path

from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import read_json
from xret.retriever.models.registry import ENCODERS

__all__ = ["lacking_prompts"]


def lacking_prompts(folder: Path, kind: Kind) -> str:
    """What is missed where a folder holds a model that was trained with prompts, or a copy of it
    that was trained on, and has none; "" for any other.

    It is known by the registered name or hub id that the folder is called by, or that its card
    names as the base model.
    """
    said = read_json(folder / "config_sentence_transformers.json").get("prompts")
    if isinstance(said, dict) and any(said.values()):
        return ""
    known = {_plain(folder.resolve().name), *map(_plain, _named_in_card(folder))}
    for name, registered in ENCODERS.items():
        names = {_plain(name), _plain(str(registered.repo))}
        if registered.prompts and registered.kind == kind and names & known:
            wanted = " and ".join(
                f'"{prompt}" before each {task}' for task, prompt in registered.prompts.items()
            )
            return (
                f"{folder} looks like {name}, which was trained with {wanted}, and its "
                "config_sentence_transformers.json has no prompts: without them its vectors are "
                'worse; write them there ({"prompts": {"query": ..., "document": ...}}), or give '
                "them as EncoderOptions(prompts=...)"
            )
    return ""


def _named_in_card(folder: Path) -> list[str]:
    """The words at the ends of the lines of a card's front matter, where a base model stands."""
    card = folder / "README.md"
    if not card.is_file():
        return []
    text = card.read_text(encoding="utf-8", errors="replace")
    front = text.removeprefix("---\n").partition("\n---")[0] if text.startswith("---\n") else ""
    if "base_model:" not in front:
        return []
    return [line.split()[-1].strip("'\"") for line in front.splitlines() if line.split()]


def _plain(name: str) -> str:
    """A hub id as a folder is called that holds it."""
    return name.replace("/", "--").lower()
