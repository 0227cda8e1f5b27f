"""Adding a language to a model: checked, learnt, judged, and only then installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xret.errors import LanguageError, ModelError
from xret.retriever.languages.codes import ENGLISH, language_code, language_name
from xret.retriever.languages.relatives import nearest_language, same_language
from xret.retriever.training.language.course import Addition, CourseSettings, learn_language
from xret.retriever.training.language.report import AdditionReport
from xret.retriever.training.language.text import LanguageText, Pair
from xret.retriever.xmod.installed import (
    adapters_of,
    changed_copy,
    check_changeable,
    install_adapter,
)
from xret.types import UNDETERMINED, Progress

__all__ = ["AddedLanguage", "Destination", "add_language", "chosen_relative"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the adapter goes: into the model itself, into a copy of it, into a file of its own.

    output: the copy, a folder that does not exist. With `adapter_file` alone the model is
    left as it is.
    """

    output: Path | None = None
    adapter_file: Path | None = None

    def check(self, folder: Path) -> None:
        """Raises ModelError, before any work, for a place that cannot be written to."""
        output, file = self.output, self.adapter_file
        if output is None and file is None:
            check_changeable(folder)
        if output is not None and output.exists() and (output.is_file() or any(output.iterdir())):
            raise ModelError(f"{output} exists already; name a folder that does not")
        if file is not None and (file.is_dir() or not file.resolve().parent.is_dir()):
            raise ModelError(f"{file} cannot be written: name a file in a folder that exists")

    def work(self, folder: Path, lang: str) -> Path:
        """The folder for what is finished so far, beside where the adapter goes."""
        last = (self.output or self.adapter_file or folder).resolve()
        return last.with_name(f".{last.name}.{lang}.work")


@dataclass(frozen=True, slots=True)
class AddedLanguage:
    """installed: the model that has the adapter now, None where it was refused or only saved."""

    report: AdditionReport
    installed: Path | None
    adapter_file: Path | None
    refused: bool

    def described(self) -> dict[str, Any]:
        """As JSON has it."""
        return self.report.described() | {
            "refused": self.refused,
            "installed": None if self.installed is None else str(self.installed),
            "adapter_file": None if self.adapter_file is None else str(self.adapter_file),
        }


def add_language(
    folder: Path,
    lang: str,
    *,
    lines: Sequence[str],
    made: list[AddedLanguage],
    pairs: Sequence[Pair] | None = None,
    destination: Destination | None = None,
    relative: str | None = None,
    replace: bool = False,
    settings: CourseSettings | None = None,
    force: bool = False,
    source: Mapping[str, str] | None = None,
) -> Iterator[Progress]:
    """Add a language to the model in a folder; at the end one `AddedLanguage` joins `made`.

    lines: text in the language; pairs: (text, English). relative: the language whose adapter
    the new one starts as, None for the nearest. replace: learn a language that the model has
    anew, from its own adapter on where `relative` names no other. An adapter that made things
    worse is refused, and text that looks like another language; force: not so. source: for the
    card, such as the licence of the text. Called again with the same values, a run that was
    killed goes on where it was.
    Raises ModelError for a model without X-MOD adapters, LanguageError for a language that it
    has already, CorpusError and TrainingError for text that will not do.
    """
    lang = language_code(lang)
    settings, destination = settings or CourseSettings(), destination or Destination()
    chosen, reason = chosen_relative(
        folder, lang, relative, aligned=pairs is not None, replace=replace
    )
    destination.check(folder)
    text = LanguageText.prepared(
        lang, lines, pairs=pairs, seed=settings.seed, check_language=not force
    )
    work = destination.work(folder, lang)
    learnt: list[Addition] = []
    yield from learn_language(
        folder,
        text,
        relative=chosen,
        reason=reason,
        work=work,
        made=learnt,
        settings=settings,
        source=source or {},
    )
    addition = learnt[0]
    if not (addition.report.better or force):
        made.append(AddedLanguage(addition.report, None, None, refused=True))
        return
    installed = _settle(addition, folder, destination, replace=replace)
    shutil.rmtree(work, ignore_errors=True)
    made.append(AddedLanguage(addition.report, installed, destination.adapter_file, refused=False))


def chosen_relative(
    folder: Path, lang: str, relative: str | None, *, aligned: bool, replace: bool = False
) -> tuple[str, str]:
    """(the language of the model whose adapter a new one starts as, why).

    aligned: English is needed too. replace: the language may be there. Raises LanguageError
    for a language that the model has already and for a relative that it lacks, ModelError for
    a model without adapters.
    """
    known = [installed.lang for installed in adapters_of(folder)]
    if lang == UNDETERMINED:
        raise LanguageError("'und' is no language; name the one that is added, such as da")
    there = next((code for code in known if same_language(code, lang)), None)
    if there is not None and not (replace and there == lang):
        raise LanguageError(
            f"{folder} has an adapter for {language_name(there)} ({there}) already; to learn it "
            f"anew from that one on say --replace, to begin with a relative's remove it first: "
            f"xret lang remove {folder} {there}"
        )
    if aligned and ENGLISH not in known:
        raise ModelError(f"{folder} has no English adapter, which --parallel aligns with")
    if there is not None and relative is None:
        return there, "its own until now"
    if relative is None:
        return nearest_language(lang, known)
    code = language_code(relative)
    if code not in known:
        raise LanguageError(f"{folder} has no adapter {code!r}; it has {', '.join(sorted(known))}")
    return code, "as was asked for"


def _settle(
    addition: Addition, folder: Path, destination: Destination, *, replace: bool
) -> Path | None:
    """Write the adapter where it goes; each place has it whole or not at all."""
    if destination.adapter_file is not None:
        addition.adapter.save(destination.adapter_file)
    if destination.output is not None:
        with changed_copy(folder, destination.output) as copy:
            install_adapter(copy, addition.adapter, replace=replace)
        return destination.output
    if destination.adapter_file is None:
        install_adapter(folder, addition.adapter, replace=replace)
        return folder
    return None
