"""A translation table: which terms of the target language a language's terms translate to.

One safetensors file for many languages and one target. Terms are those of
`xret.retriever.lexical.analysis`, and of each language are stored

    L.terms         (bytes,) uint8   terms in UTF-8, rising, each without what it begins with alike
    L.alike         (n,) uint8       bytes that a term begins with like the one before
    L.lengths       (n,) uint8       bytes that follow these
    L.counts        (n,) uint8       how often a term was met, as 8 times the binary logarithm
    L.translations  (n,) uint8       how many translations it has
    L.targets       (m,) uint16      their numbers among the target's terms, likeliest first
    L.shares        (m,) uint8       their probabilities, times 255

and of the target the first three. The metadata names the target, the version of the analysis
and some words of each language with their terms, by which a table made under another version of
the stemmers is told to mean the same terms or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from xret.errors import ModelError
from xret.retriever.lexical.analysis import analyse, analysis_version
from xret.retriever.models.published import published_file

__all__ = [
    "FACTS",
    "TABLE_FILE",
    "TABLE_FORMAT",
    "LanguageTable",
    "TranslationTable",
    "write_table",
]

TABLE_FORMAT = "xret translation table 1"
TABLE_FILE = "table.safetensors"
FACTS = "table"
"""Name in the file's metadata of what a table says of itself, as JSON."""

MAX_TERM_BYTES = 255
MAX_TARGETS = 1 << 16
SHARE_STEPS = 255
COUNT_STEPS = 8

_FAMILIES = (
    ("zh", "yue"),
    ("no", "nb", "nn"),
    ("hr", "sr", "bs", "sh"),
    ("id", "ms"),
    ("tl", "fil"),
    ("fa", "prs"),
)
_Array = npt.NDArray[Any]
_TERM_PARTS = ("terms", "alike", "lengths")
_ROW_PARTS = ("counts", "translations", "targets", "shares")

Translations = tuple[tuple[str, float], ...]
"""Terms of the target with their probabilities, likeliest first; together at most 1."""


@dataclass(frozen=True)
class LanguageTable:
    """One language's terms and what they translate to."""

    lang: str
    terms: Sequence[str]
    targets: Sequence[str]
    counts: _Array
    ends: _Array
    numbers: _Array
    shares: _Array

    @cached_property
    def _places(self) -> dict[str, int]:
        return {term: place for place, term in enumerate(self.terms)}

    @cached_property
    def _rows(self) -> dict[str, Translations]:
        """Of terms that were asked for; threads that ask for the same come to the same."""
        return {}

    def translations(self, term: str) -> Translations | None:
        """Of a term, none where it means nothing that is asked for; None for an unknown term."""
        row = self._rows.get(term)
        if row is None and (place := self._places.get(term)) is not None:
            row = self._rows[term] = self._row(place)
        return row

    def _row(self, place: int) -> Translations:
        start, end = self.ends.item(place), self.ends.item(place + 1)
        names = map(self.targets.__getitem__, self.numbers[start:end].tolist())
        return tuple(zip(names, (self.shares[start:end] / SHARE_STEPS).tolist(), strict=True))

    @cached_property
    def backwards(self) -> Mapping[str, Translations]:
        """From the target's terms to this language's, by Bayes' rule."""
        per_term = np.diff(self.ends)
        owners = np.repeat(np.arange(len(self.terms)), per_term)
        joint = self.shares / SHARE_STEPS * np.exp2(self.counts / COUNT_STEPS)[owners]
        whole = np.bincount(self.numbers, joint, len(self.targets))
        rows: dict[str, list[tuple[str, float]]] = {}
        for place in np.argsort(-joint, kind="stable").tolist():
            target = self.numbers.item(place)
            share = float(joint[place] / whole[target])
            rows.setdefault(self.targets[target], []).append((self.terms[owners[place]], share))
        return {target: tuple(row) for target, row in rows.items()}


@dataclass(frozen=True)
class TranslationTable:
    """An open table. fingerprint: of the file's content. languages: without the target's."""

    path: Path
    target: str
    languages: tuple[str, ...]
    fingerprint: str
    probes: Mapping[str, Sequence[tuple[str, Sequence[str]]]]
    same_version: bool
    _open: dict[str, LanguageTable] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> TranslationTable:
        """A file, or the folder that holds one.

        Raises ModelError for a file that is none, and for a table whose terms are those of
        another text analysis.
        """
        file = path / TABLE_FILE if path.is_dir() else path
        try:
            content = file.read_bytes()
            with safe_open(file, framework="np") as stored:
                facts = json.loads((stored.metadata() or {}).get(FACTS, "{}"))
        except (OSError, SafetensorError, ValueError) as error:
            raise ModelError(f"{file} is no readable translation table: {error}") from None
        if not isinstance(facts, dict) or facts.get("format") != TABLE_FORMAT:
            raise ModelError(
                f"{file} is no translation table of this version, {TABLE_FORMAT!r}; make one with "
                "xret train translation-table"
            )
        try:
            probes, target, version = facts["probes"], str(facts["target"]), facts["analysis"]
            langs = tuple(map(str, facts["languages"]))
        except (KeyError, TypeError) as error:
            raise ModelError(f"{file} lacks what a translation table says: {error}") from None
        same = version == analysis_version()
        table = cls(file, target, langs, xxhash.xxh3_128_hexdigest(content), probes, same)
        if version.partition("+")[0] != analysis_version().partition("+")[0]:
            raise ModelError(_other_terms(file, version))
        table._check_terms(target, version)
        return table

    def language(self, lang: str) -> LanguageTable | None:
        """The table of a language by its code, or of the one whose words it shares; or None.

        Raises ModelError where the analysis of the language gives other terms by now.
        """
        base = lang.partition("-")[0]
        if base not in self.languages:
            base = next((near for near in _near(base) if near in self.languages), "")
        if not base:
            return None
        if base not in self._open:
            self._check_terms(base, "of that time")
            self._open[base] = self._read(base)
        return self._open[base]

    @cached_property
    def targets(self) -> list[str]:
        """The target's terms."""
        with safe_open(self.path, framework="np") as stored:
            return self._terms(stored, self.target)

    def _read(self, lang: str) -> LanguageTable:
        with safe_open(self.path, framework="np") as stored:
            terms = self._terms(stored, lang)
            counts, per_term, numbers, shares = (
                stored.get_tensor(f"{lang}.{part}") for part in _ROW_PARTS
            )
        ends = np.concatenate([[0], np.cumsum(per_term, dtype=np.int64)])
        sound = len(terms) == len(counts) == len(per_term)
        sound = sound and len(numbers) == len(shares) == ends[-1]
        if not sound or (len(numbers) and numbers.max() >= len(self.targets)):
            raise ModelError(f"{self.path}: the rows of {lang} do not belong together")
        return LanguageTable(lang, terms, self.targets, counts, ends, numbers, shares)

    def _terms(self, stored: Any, lang: str) -> list[str]:
        try:
            parts = [stored.get_tensor(f"{lang}.{part}") for part in _TERM_PARTS]
            return list(_whole_terms(*parts))
        except (SafetensorError, UnicodeDecodeError, ValueError) as error:
            raise ModelError(f"{self.path}: the terms of {lang} cannot be read: {error}") from None

    def _check_terms(self, lang: str, version: str) -> None:
        """Raises ModelError where words of a language have other terms than they had."""
        if self.same_version:
            return
        for word, terms in self.probes.get(lang, ()):
            if analyse(word, lang) != list(terms):
                raise ModelError(_other_terms(self.path, version, lang=lang))


def write_table(
    path: Path,
    target: str,
    target_terms: Sequence[str],
    rows: Mapping[str, Mapping[str, tuple[float, Sequence[tuple[int, float]]]]],
    *,
    probes: Mapping[str, Sequence[tuple[str, Sequence[str]]]],
) -> None:
    """Write a table whole, or not at all.

    target_terms: rising. rows: by language and term, how often it was met, and numbers of target
    terms with their probabilities. probes: by language, words and their terms.
    """
    order = sorted(target_terms, key=str.encode)
    if list(target_terms) != order or len(order) > MAX_TARGETS:
        raise ValueError(f"{len(target_terms)} target terms: at most {MAX_TARGETS}, rising")
    tensors = _term_arrays(target, order)
    for lang, of_terms in sorted(rows.items()):
        terms = sorted(of_terms, key=str.encode)
        tensors |= _term_arrays(lang, terms)
        found = [of_terms[term] for term in terms]
        counts = np.log2(np.maximum([count for count, _ in found], 1)) * COUNT_STEPS
        pairs = [pair for _, row in found for pair in row]
        tensors |= {
            f"{lang}.counts": np.minimum(np.rint(counts), 255).astype(np.uint8),
            f"{lang}.translations": np.array([len(row) for _, row in found], np.uint8),
            f"{lang}.targets": np.array([number for number, _ in pairs], np.uint16),
            f"{lang}.shares": np.array(
                [max(1, int(share * SHARE_STEPS)) for _, share in pairs], np.uint8
            ),
        }
    facts = {
        "format": TABLE_FORMAT,
        "target": target,
        "languages": sorted(rows),
        "analysis": analysis_version(),
        "probes": probes,
    }
    # Under one name: safetensors writes several in no order.
    metadata = {FACTS: json.dumps(facts, ensure_ascii=False, sort_keys=True)}
    with published_file(path) as part:
        save_file(tensors, part, metadata=metadata)
        part.chmod(0o644)  # safetensors writes for the owner alone


def _term_arrays(lang: str, terms: Sequence[str]) -> dict[str, _Array]:
    """A language's terms, which rise by their bytes, as arrays."""
    alike, rests, before = [], [], b""
    for name in map(str.encode, terms):
        if not 0 < len(name) <= MAX_TERM_BYTES:
            raise ValueError(f"a term of {len(name)} bytes")
        most = min(len(before), len(name))
        same = next((i for i in range(most) if before[i] != name[i]), most)
        alike.append(same)
        rests.append(name[same:])
        before = name
    return {
        f"{lang}.terms": np.frombuffer(b"".join(rests), np.uint8),
        f"{lang}.alike": np.array(alike, np.uint8),
        f"{lang}.lengths": np.array([len(rest) for rest in rests], np.uint8),
    }


def _whole_terms(content: _Array, alike: _Array, lengths: _Array) -> Iterator[str]:
    if len(alike) != len(lengths) or int(lengths.sum(dtype=np.int64)) != len(content):
        raise ValueError("their lengths do not belong together")
    data, start, before = content.tobytes(), 0, b""
    for same, length in zip(alike.tolist(), lengths.tolist(), strict=True):
        before = before[:same] + data[start : start + length]
        start += length
        yield before.decode()


def _near(base: str) -> Sequence[str]:
    """Codes of languages whose words are the same."""
    return next((family for family in _FAMILIES if base in family), ())


def _other_terms(path: Path, version: str, *, lang: str = "") -> str:
    of = f" of {lang}" if lang else ""
    return (
        f"the terms{of} in {path} were made by text analysis {version}, and this is "
        f"{analysis_version()}, which makes others: translations would not be found; train the "
        "table again with xret train translation-table"
    )
