"""What trimming a model has done to it, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xret.retriever.trim.folder import FileBytes

__all__ = ["HeldOutLines", "TrimReport", "write_card"]

CARD = "README.md"


@dataclass(frozen=True, slots=True)
class HeldOutLines:
    """Lines that the vocabulary was not chosen from: how many, and cut into the same pieces."""

    lines: int
    identical: int

    @property
    def share(self) -> float:
        return self.identical / self.lines


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimReport:
    """Sizes before and after, and how the two models were compared.

    chosen_by: "texts" or "scripts". adapters_*: codes of language modules, `module` says of
    which kind; languages_*: those that the model lists, adapters or not; None where it does
    not say. lines: read from the texts; identical: those cut into the same pieces. held_out:
    of a vocabulary chosen from the other nine tenths of the lines, so an estimate for texts
    yet unseen; None where there were too few. skipped: lines in a language that is not served.
    compared: texts encoded by both models; largest_difference: between any two of their numbers.
    scripts_unread: those that the whole model reads and the trimmed one hardly, with the share of
    their letters that is left; languages_unread: those served that it cannot write.
    left_out: files that were not copied, with the reason. unread: places of records that could
    not be read.
    """

    model: str
    output: str
    chosen_by: str
    languages: tuple[str, ...]
    scripts: tuple[str, ...]
    pieces_before: int
    pieces_after: int
    module: str | None
    languages_before: tuple[str, ...] | None
    languages_after: tuple[str, ...] | None
    files: tuple[FileBytes, ...]
    compared: int
    largest_difference: float
    lines: int = 0
    identical: int = 0
    skipped: int = 0
    held_out: HeldOutLines | None = None
    scripts_unread: Mapping[str, float] = field(default_factory=dict)
    languages_unread: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    unread: tuple[str, ...] = ()

    @property
    def bytes_before(self) -> int:
        return sum(file.before for file in self.files)

    @property
    def bytes_after(self) -> int:
        return sum(file.after for file in self.files)

    @property
    def languages_dropped(self) -> float | None:
        """Share of the model's languages that the trimmed one does not have."""
        if not self.languages_before or self.languages_after is None:
            return None
        before, after = len(self.languages_before), len(self.languages_after)
        return (before - after) / before

    def described(self) -> dict[str, Any]:
        """As JSON values, with what is worked out of its fields."""
        files = [{**asdict(file), "saved": file.before - file.after} for file in self.files]
        held_out = None
        if self.held_out is not None:
            held_out = {**asdict(self.held_out), "share": self.held_out.share}
        return {
            **asdict(self),
            "files": files,
            "held_out": held_out,
            "bytes_before": self.bytes_before,
            "bytes_after": self.bytes_after,
            "bytes_saved": self.bytes_before - self.bytes_after,
            "languages_dropped": self.languages_dropped,
        }


def write_card(source: Path, target: Path, report: TrimReport) -> FileBytes:
    """The model's card with a last section that says what this copy is."""
    path = source / CARD
    card = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    chosen = {
        "texts": "those that occur in given texts, and single characters; texts in other words "
        "may be cut into other pieces than the whole model's",
        "scripts": "those of the scripts that these languages are written in; texts in these "
        "scripts have the same vectors as with the whole model",
    }[report.chosen_by]
    said = (
        f"## Trimmed\n\nA copy of {Path(report.model).name} by `xret model trim` for "
        f"{', '.join(report.languages)}: {report.pieces_after:,} of {report.pieces_before:,} "
        f"pieces, {chosen}. What is said above of sizes and languages is said of the whole model.\n"
    )
    if report.scripts_unread:
        said += f"\nNo longer read: texts in the scripts {', '.join(report.scripts_unread)}.\n"
    if report.languages_unread:
        said += f"\nIts vocabulary cannot write {', '.join(report.languages_unread)}.\n"
    made = target / CARD
    made.write_text(f"{card.rstrip()}\n\n{said}".lstrip(), encoding="utf-8")
    return FileBytes(CARD, path.stat().st_size if card else 0, made.stat().st_size)
