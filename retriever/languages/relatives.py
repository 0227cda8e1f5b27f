"""Which of some languages is nearest to another: family, script, area and typology.

The facts are in `data/languages.tsv`, one row a language: family path from the widest
group down, scripts with the usual one first, order of subject, object and verb, type of
morphology, contact areas (`continent.part`), and how much text of it there is in the
world (0 almost none to 5, after the classes of Joshi et al. 2020; 6 English). They are those of
any handbook, simplified: a path is as deep as is needed to tell relatives apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import langcodes
from langcodes.data_dicts import LIKELY_SUBTAGS

from xret.errors import LanguageError
from xret.types import UNDETERMINED

__all__ = [
    "LanguageFacts",
    "distance",
    "facts",
    "known_languages",
    "nearest_language",
    "same_language",
]

TABLE = Path(__file__).parent / "data" / "languages.tsv"

# Relatedness and a common script are the two strongest predictors of transfer from one
# language to another (Muller et al. 2021 on scripts; de Vries et al. 2022; Lauscher et al.
# 2020), in that order and close together: an adapter of a close relative in a script that
# it has never seen is worth about as much as one of a far relative in the right script.
# Contact (loan words) comes next, word order and morphology decide between equals.
FAMILY, SCRIPT, AREA, WORD_ORDER, MORPHOLOGY = 0.40, 0.35, 0.15, 0.05, 0.05

# The widest group (Indo-European, Afro-Asiatic) says half as much as a narrower one.
WIDEST_GROUP = 0.5

_SECOND_SCRIPT = 0.25
_PARTLY_SHARED = {
    frozenset({"Hans", "Hant"}): 0.25,
    frozenset({"Hans", "Jpan"}): 0.5,
    frozenset({"Hant", "Jpan"}): 0.5,
}
_SAME = {"nb": "no", "tl": "fil"}
_PART_OF = {"Hang": "Kore", "Hani": "Hans", "Hira": "Jpan", "Kana": "Jpan"}


@dataclass(frozen=True, slots=True)
class LanguageFacts:
    """One row of the table; empty fields where nothing is known."""

    code: str
    family: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    word_order: str = ""
    morphology: str = ""
    areas: tuple[str, ...] = ()
    resources: int = 0


def nearest_language(lang: str, candidates: Iterable[str]) -> tuple[str, str]:
    """(the candidate nearest to a language, the reason in words).

    Ties go to the language with more text in the world, which has the better adapter, then
    to the code that sorts first: the order of the candidates does not matter. A language
    without a row is compared by its script alone. Raises LanguageError without candidates.

    >>> nearest_language("gl", ["fr", "pt", "es"])
    ('pt', 'both Galician-Portuguese, Latin script')
    """
    ranked = sorted(
        candidates,
        key=lambda code: (round(distance(lang, code), 6), -facts(code).resources, code),
    )
    if not ranked:
        raise LanguageError(f"there is no language to choose from for {lang!r}")
    return ranked[0], _reason(facts(lang), facts(ranked[0]))


def distance(one: str, other: str) -> float:
    """How far apart two languages are, 0 (the same) to 1; symmetric.

    The weighted sum of five parts, each in [0, 1]: the family paths' Dice distance, 1 for
    other scripts, 1 for other contact areas (half on one continent), 1 for another word
    order and another morphology. What is not known counts as different.
    """
    if same_language(one, other):
        return 0.0
    a, b = facts(one), facts(other)
    return (
        FAMILY * _family_distance(a.family, b.family)
        + SCRIPT * _script_distance(a.scripts, b.scripts)
        + AREA * _area_distance(a.areas, b.areas)
        + WORD_ORDER * (not a.word_order or a.word_order != b.word_order)
        + MORPHOLOGY * (not a.morphology or a.morphology != b.morphology)
    )


def same_language(one: str, other: str) -> bool:
    """Whether two codes mean one language in one script: `nb` and `no`, `ko-Hang` and `ko`."""
    return one == other or _plain(one) == _plain(other)


@cache
def facts(code: str) -> LanguageFacts:
    """What is known of a language; a code with a script (`uz-Cyrl`) has that script only."""
    code = _plain(code)
    row = _table().get(code)
    if row is not None or code == UNDETERMINED:
        return row or LanguageFacts(code)
    base, _, script = code.partition("-")
    if base != code:
        row = facts(base)
        script = _PART_OF.get(script, script)
        return LanguageFacts(
            code, row.family, (script,), row.word_order, row.morphology, row.areas, row.resources
        )
    # CLDR's likely script; for codes that it does not list langcodes would say Latin.
    usual = langcodes.Language.get(LIKELY_SUBTAGS.get(code, UNDETERMINED)).script
    return LanguageFacts(code, scripts=(usual,) if usual else ())


def known_languages() -> tuple[str, ...]:
    """The codes that have a row, sorted."""
    return tuple(sorted(_table()))


@cache
def _table() -> dict[str, LanguageFacts]:
    _, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = {}
    for line in lines:
        code, family, scripts, order, morphology, areas, resources = line.split("\t")
        rows[code] = LanguageFacts(
            code=code,
            family=tuple(family.split("/")),
            scripts=tuple(scripts.split()),
            word_order=order,
            morphology=morphology,
            areas=tuple(areas.split()),
            resources=int(resources),
        )
    return rows


@cache
def _plain(code: str) -> str:
    """One spelling of a language and script: without a script that is the usual one."""
    base, _, script = code.partition("-")
    base = _SAME.get(base, base)
    row = _table().get(base)
    script = _PART_OF.get(script, script)
    usual = row is not None and row.scripts[0] == script
    return base if not script or usual else f"{base}-{script}"


def _shared(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """How many groups two family paths have in common."""
    same = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        same += 1
    return same


def _family_distance(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    same = _shared(a, b)
    if not same:
        return 1.0
    less = 1 - WIDEST_GROUP
    return 1 - 2 * (same - less) / (len(a) + len(b) - 2 * less)


def _script_distance(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    if not a or not b:
        return 1.0
    if a[0] == b[0]:
        return 0.0
    if set(a) & set(b):
        return _SECOND_SCRIPT
    return _PARTLY_SHARED.get(frozenset({a[0], b[0]}), 1.0)


def _area_distance(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    if set(a) & set(b):
        return 0.0
    continents = {area.partition(".")[0] for area in a} & {area.partition(".")[0] for area in b}
    return 0.5 if continents else 1.0


def _reason(lang: LanguageFacts, chosen: LanguageFacts) -> str:
    if same_language(lang.code, chosen.code):
        return "the same language"
    same = _shared(lang.family, chosen.family)
    words = [f"both {lang.family[same - 1]}"] if same else ["no relative among them"]
    if _script_distance(lang.scripts, chosen.scripts) < 1:
        script = (set(lang.scripts) & set(chosen.scripts)) or {lang.scripts[0]}
        words.append(f"{_script_name(min(script))} script")
    elif lang.scripts and chosen.scripts:
        words.append(f"in {_script_name(chosen.scripts[0])} script")
    if not same and set(lang.areas) & set(chosen.areas):
        words.append("the same part of the world")
    return ", ".join(words)


def _script_name(script: str) -> str:
    if script in ("Hans", "Hant"):
        return "Simplified Han" if script == "Hans" else "Traditional Han"
    return str(langcodes.Language.make(script=script).script_name())
