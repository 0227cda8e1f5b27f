"""A published table as rows: what to run, what was published, and where that is written.

A table is a TOML file, ours or a user's. A number stands in it only where somebody read it in
the named place; a row without one says so, and is measured all the same.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from xret.errors import ConfigError, UnknownCorpusError
from xret.eval.reproduction.requirements import POOLINGS, Requirement

__all__ = ["TABLES", "Published", "PublishedTable", "SystemRow", "find_table", "read_table"]

TABLES = ("colbert-xm", "clirudit", "hc4", "miracl", "parameter-efficient-reranking")
SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class Published:
    """One number. value: on the measure's own scale (0 to 1), None where nobody verified it.

    place: paper or page, table and row; url: where it can be read.
    """

    measure: str
    value: float | None
    place: str
    url: str


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One system on one collection.

    encoder: "" for a system that xret does not have, whose numbers stand beside the others.
    corpus, lang, query_lang, split: what `xret eval` is asked for; index_corpus: what
    `xret index` is, where it must be spelt otherwise. rerank: a reranker over the first
    documents, which is then what is measured. before: commands that make what the row measures;
    in them `{folder}` is where its indices go. needs: what must be there. pooling: how the
    encoder must make one vector of a text ("cls" or "mean"), "" where its files are taken at
    their word.
    """

    name: str
    corpus: str
    encoder: str
    published: tuple[Published, ...]
    lang: str = ""
    query_lang: str = ""
    split: str = ""
    index_corpus: str = ""
    note: str = ""
    rerank: str = ""
    pooling: str = ""
    before: tuple[str, ...] = ()
    needs: tuple[Requirement, ...] = ()

    @property
    def indexed(self) -> str:
        """The corpus to index: one language of a collection is `collection/language`."""
        given = f"{self.corpus}/{self.lang}" if self.lang else self.corpus
        return self.index_corpus or given


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """tolerance: the largest difference that counts as a match, absolute, and why."""

    name: str
    title: str
    citation: str
    tolerance: float
    tolerance_reason: str
    rows: tuple[SystemRow, ...]
    note: str = ""

    def chosen(self, only: Sequence[str]) -> tuple[SystemRow, ...]:
        """The rows of these names or patterns (`mmarco-*`), all for none, in the table's order.

        Raises ConfigError for a name that matches no row.
        """
        names = [row.name for row in self.rows]
        for pattern in only:
            if not any(fnmatchcase(name, pattern) for name in names):
                close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.4)
                known = close or names[:5]
                raise ConfigError(
                    f"{self.name} has no row {pattern!r}; it has {len(names)}, such as "
                    f"{', '.join(known)} (xret reproduce {self.name} --dry-run lists them)"
                )
        return tuple(
            row for row in self.rows if not only or any(fnmatchcase(row.name, p) for p in only)
        )


def find_table(name: str) -> PublishedTable:
    """The table of that name, or the one in that TOML file.

    Raises UnknownCorpusError with the known names, ConfigError for a file that is no table.
    """
    if name in TABLES:
        return read_table(Path(__file__).parent / f"{name}{SUFFIX}")
    if name.endswith(SUFFIX):
        return read_table(Path(name))
    close = difflib.get_close_matches(name, TABLES, n=1, cutoff=0.4)
    meant = f"did you mean {close[0]}? " if close else ""
    raise UnknownCorpusError(
        f"no published table is called {name!r}; {meant}known: {', '.join(TABLES)}, or a "
        f"{SUFFIX} file of your own"
    )


def read_table(path: Path) -> PublishedTable:
    """Raises ConfigError naming the file and what is wrong with it."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as a table of rows: {error}") from error
    try:
        return _table(path.stem, fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}: a field is missing, unknown or ill-typed: {error}") from error


def _table(name: str, fields: Mapping[str, Any]) -> PublishedTable:
    sources = fields.get("sources", {})
    needs = {
        str(key): Requirement(str(one["path"]), str(one["how"]))
        for key, one in fields.get("needs", {}).items()
    }
    steps = {str(key): str(command) for key, command in fields.get("steps", {}).items()}
    rows = tuple(_row(row, sources, needs, steps) for row in fields["rows"])
    names = [row.name for row in rows]
    if not rows or len(set(names)) < len(names):
        raise ValueError("rows need names, each its own")
    tolerance = float(fields["tolerance"])
    if not 0 <= tolerance < 1:
        raise ValueError(f"a tolerance of {tolerance} is none; 0.01 is one point")
    return PublishedTable(
        name,
        str(fields["title"]),
        str(fields.get("citation", "")),
        tolerance,
        str(fields.get("tolerance_reason", "")),
        rows,
        str(fields.get("note", "")),
    )


def _row(
    fields: Mapping[str, Any],
    sources: Mapping[str, Mapping[str, str]],
    needs: Mapping[str, Requirement],
    steps: Mapping[str, str],
) -> SystemRow:
    published = tuple(_published(each, sources) for each in fields["published"])
    if not published:
        raise ValueError(f"row {fields['name']} has no measure")
    if fields.get("pooling", "cls") not in POOLINGS:
        raise ValueError(f"pooling {fields['pooling']!r} is not {' or '.join(POOLINGS)}")
    lists = ("published", "before", "needs")
    plain = {key: str(value) for key, value in fields.items() if key not in lists}
    return SystemRow(
        published=published,
        before=tuple(steps[key] for key in fields.get("before", ())),
        needs=tuple(needs[key] for key in fields.get("needs", ())),
        **plain,
    )


def _published(fields: Mapping[str, Any], sources: Mapping[str, Mapping[str, str]]) -> Published:
    source = sources[fields["source"]] if "source" in fields else {}
    value = fields.get("value")
    if value is not None and not 0 <= float(value) <= 1:
        raise ValueError(f"{fields['measure']} {value} is not between 0 and 1; 37.2 is 0.372")
    return Published(
        str(fields["measure"]),
        None if value is None else float(value),
        source.get("place", ""),
        source.get("url", ""),
    )
