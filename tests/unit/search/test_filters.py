"""Filters: compiled to SQL, they keep what a plain reading of them keeps."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import build
from encoders import HashingEncoder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from indices import ranking

from xret.errors import QueryError
from xret.index.search import masks
from xret.index.search.commit import Commit
from xret.index.search.filters import (
    FIELDS,
    MAX_DEPTH,
    MAX_TEXT,
    Condition,
    Filter,
    Logic,
    compile_filter,
    parse_filter,
)
from xret.index.search.folding import folded
from xret.index.search.masks import FilterMasks
from xret.index.search.reader import IndexReader
from xret.index.storage.catalog import Catalog
from xret.index.storage.database import Database
from xret.index.storage.documents import DocumentTable
from xret.index.storage.segment import Coded, Segment
from xret.index.storage.stored import SCHEMA, moment, moment_end
from xret.retriever.searcher import Searcher
from xret.types import Document, Query

NAMES = ("year", "publisher", "tags", "a b", 'quo"te', "$.x")
DATES = (
    "2020",
    "2020-05",
    "2020-05-03",
    "2020-05-03T10:00Z",
    "2020-05-03T23:30:00-05:00",
    "2019-12-31",
    "2021",
    "1969-07-20",
    "last spring",
    "",
    "2020-02-30",
)
TEXTS = ("", "UN", "un", "été", "2020", "'; DROP TABLE documents; --", "%", "?1", "\U0001f600")
scalars = st.one_of(
    st.sampled_from(TEXTS),
    st.integers(-3, 3),
    st.sampled_from([2020, 1.5, -0.0, 10**15]),
    st.booleans(),
    st.none(),
)
documents = st.builds(
    Document,
    doc_id=st.just(""),
    text=st.just("x"),
    lang=st.sampled_from(["en", "fr", "zh-Hant"]),
    title=st.sampled_from(TEXTS),
    url=st.sampled_from([None, "http://a", ""]),
    date=st.one_of(st.none(), st.sampled_from(DATES)),
    meta=st.dictionaries(
        st.sampled_from(NAMES),
        st.one_of(scalars, st.lists(scalars, max_size=3), st.just({"UN": 2020})),
        max_size=4,
    ),
)


def condition() -> st.SearchStrategy[dict[str, Any]]:
    field = st.sampled_from([*(name for name in FIELDS), *(f"meta.{name}" for name in NAMES)])
    return st.tuples(field, st.data()).flatmap(lambda pair: _condition(pair[0]))


def _condition(field: str) -> st.SearchStrategy[dict[str, Any]]:
    values: st.SearchStrategy[Any] = st.sampled_from([*TEXTS, "en", "http://a"])
    if field == "date":
        values = st.sampled_from([date for date in DATES if moment(date) is not None])
    ordered = values
    if field.startswith("meta."):
        values, ordered = scalars, st.one_of(st.sampled_from(TEXTS), st.integers(-3, 2021))
    else:
        values = st.one_of(values, st.none())
    made = st.one_of(
        st.tuples(st.sampled_from(["==", "!="]), values),
        st.tuples(st.sampled_from([">", ">=", "<", "<="]), ordered),
        st.tuples(st.sampled_from(["in", "not in"]), st.lists(values, max_size=3)),
    )
    return made.map(lambda one: {"field": field, "operator": one[0], "value": one[1]})


filters = st.recursive(
    condition(),
    lambda inner: st.fixed_dictionaries(
        {
            "operator": st.sampled_from(["AND", "OR", "NOT"]),
            "conditions": st.lists(inner, min_size=1, max_size=3),
        }
    ),
    max_leaves=5,
)


def holds(wanted: Mapping[str, Any], document: Document) -> bool:
    """The definition, one document at a time."""
    if "conditions" in wanted:
        parts = [holds(one, document) for one in wanted["conditions"]]
        return {"AND": all(parts), "OR": any(parts), "NOT": not all(parts)}[wanted["operator"]]
    operator, value = wanted["operator"], wanted["value"]
    if operator in ("!=", "not in"):
        positive = {"!=": "==", "not in": "in"}[operator]
        return not holds({**wanted, "operator": positive}, document)
    if operator == "in":
        return any(holds({**wanted, "operator": "==", "value": one}, document) for one in value)
    field = wanted["field"]
    if field == "date":
        return _date_holds(operator, document.date, value)
    if not field.startswith("meta."):
        return _compares(operator, getattr(document, field), value)
    stored = document.meta.get(field[5:])
    members = stored if isinstance(stored, list) else []
    return any(_compares(operator, one, value) for one in [stored, *members])


def _compares(operator: str, stored: Any, value: Any) -> bool:
    if isinstance(stored, bool) or isinstance(value, bool) or stored is None or value is None:
        return operator == "==" and type(stored) is type(value) and stored == value
    if isinstance(stored, str) != isinstance(value, str) or isinstance(stored, list | dict):
        return False
    tests: dict[str, Callable[[Any, Any], bool]] = {
        "==": lambda a, b: bool(a == b),
        ">": lambda a, b: bool(a > b),
        ">=": lambda a, b: bool(a >= b),
        "<": lambda a, b: bool(a < b),
        "<=": lambda a, b: bool(a <= b),
    }
    return tests[operator](stored, value)


def _date_holds(operator: str, stored: str | None, value: str | None) -> bool:
    if value is None:
        return stored is None
    begins, start, end = moment(stored), moment(value), moment_end(value)
    assert start is not None and end is not None
    if begins is None:
        return False
    return {
        "==": start <= begins < end,
        ">=": begins >= start,
        ">": begins >= end,
        "<": begins < start,
        "<=": begins < end,
    }[operator]


def kept(folder: Path, wanted: Filter) -> set[str]:
    with closing(Catalog.open(folder)) as catalog:
        where, values = compile_filter(wanted)
        return set(catalog.documents.doc_ids(list(catalog.documents.numbers(where, values))))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(corpus=st.lists(documents, min_size=1, max_size=6), wanted=filters)
def test_sql_keeps_what_the_plain_reading_keeps(
    corpus: list[Document], wanted: dict[str, Any]
) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE documents (document, doc_id, lang, date, moment, meta)")
        connection.execute("CREATE TABLE texts (document, title, url)")
        for i, one in enumerate(corpus):
            row = (i, "", one.lang, one.date, moment(one.date), json.dumps(dict(one.meta)))
            connection.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?)", row)
            connection.execute("INSERT INTO texts VALUES (?, ?, ?)", (i, one.title, one.url))
        where, values = compile_filter(parse_filter(wanted))
        joined = "documents LEFT JOIN texts USING (document)"
        query = f"SELECT document, {where} FROM {joined} ORDER BY document"
        found = connection.execute(query, values).fetchall()
    assert found == [(i, int(holds(wanted, one))) for i, one in enumerate(corpus)]


@contextlib.contextmanager
def tables(corpus: list[Document]) -> Iterator[tuple[Commit, DocumentTable]]:
    """A commit of one segment of these documents, in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        database = Database(Path("memory"), connection)
        database.define(SCHEMA)
        table = DocumentTable(database)
        table.add(3, [(i, dataclasses.replace(one, doc_id=str(i))) for i, one in enumerate(corpus)])
        n = len(corpus)
        coded = Coded(np.zeros((n, 4), np.uint8), np.zeros(n, np.uint16))
        segment = Segment(3, 0, coded, np.arange(n + 1))
        yield Commit(1, (segment,), (None,), {}), table


def masked(wanted: Filter, commit: Commit, table: DocumentTable) -> list[bool]:
    (mask,) = FilterMasks().of(commit, wanted, table)
    assert mask is not None
    kept: list[bool] = mask.tolist()
    return kept


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(corpus=st.lists(documents, min_size=1, max_size=6), wanted=filters)
def test_columns_and_sql_keep_what_the_plain_reading_keeps(
    corpus: list[Document], wanted: dict[str, Any]
) -> None:
    named = [dataclasses.replace(one, doc_id=str(i)) for i, one in enumerate(corpus)]
    expected = [holds(wanted, one) for one in named]
    with tables(corpus) as (commit, table), pytest.MonkeyPatch.context() as patch:
        assert masked(parse_filter(wanted), commit, table) == expected
        patch.setattr(masks, "COLUMN_DOCUMENTS", 0)
        assert masked(parse_filter(wanted), commit, table) == expected


def test_comparisons_of_one_field_are_read_once() -> None:
    unequal = parse_filter(" ".join(f"topic!=a{i}" for i in range(100)))
    either = parse_filter(
        {
            "operator": "OR",
            "conditions": [
                {"field": "lang", "operator": "==", "value": code} for code in ("fr", "de", "fr")
            ],
        }
    )
    assert folded(unequal) == Condition("meta.topic", "not in", tuple(f"a{i}" for i in range(100)))
    assert folded(either) == Condition("lang", "in", ("fr", "de"))
    assert folded(Logic("NOT", (either,))) == Condition("lang", "not in", ("fr", "de"))


def test_a_field_is_read_once_for_all_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = [Document("", "x", "en", meta={"n": n}) for n in range(5)]
    reads = []
    with tables(corpus) as (commit, table):
        read = table.metadata
        monkeypatch.setattr(
            table, "metadata", lambda *asked: reads.append(asked[1]) or read(*asked)
        )
        kept_masks = FilterMasks()
        for n in range(5):
            (mask,) = kept_masks.of(commit, parse_filter(f"n>={n} other!=1"), table)
            assert mask is not None
            assert mask.sum() == 5 - n
    assert reads == [["n", "other"]]


@pytest.mark.parametrize(
    ("text", "nested"),
    [
        ("lang:fr", {"field": "lang", "operator": "in", "value": ["fr"]}),
        ("date>=2020", {"field": "date", "operator": ">=", "value": "2020"}),
        (
            'publisher:"UN Press"',
            {"field": "meta.publisher", "operator": "in", "value": ["UN Press"]},
        ),
        (
            "meta.year:2020,UN",
            {"field": "meta.year", "operator": "in", "value": ["2020", "UN", 2020]},
        ),
        ('meta.year != "2020"', {"field": "meta.year", "operator": "not in", "value": ["2020"]}),
        (
            'title="say \\"no\\" \\\\"',
            {"field": "title", "operator": "in", "value": ['say "no" \\']},
        ),
        (
            "-id:a",
            {"operator": "NOT", "conditions": [{"field": "id", "operator": "in", "value": ["a"]}]},
        ),
        (
            "n<7",
            {
                "operator": "OR",
                "conditions": [
                    {"field": "meta.n", "operator": "<", "value": "7"},
                    {"field": "meta.n", "operator": "<", "value": 7},
                ],
            },
        ),
        (
            "lang:fr,de  date<2021-03-01",
            {
                "operator": "AND",
                "conditions": [
                    {"field": "lang", "operator": "in", "value": ["fr", "de"]},
                    {"field": "date", "operator": "<", "value": "2021-03-01"},
                ],
            },
        ),
    ],
)
def test_a_line_of_text_says_the_same_as_the_nested_form(text: str, nested: dict[str, Any]) -> None:
    assert parse_filter(text) == parse_filter(nested)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "empty"),
        ("lang", r"character 1: expected a name"),
        ("lang:", r"character 6: expected a value"),
        ('title:"open', r"character 7: expected a value"),
        ("lang:fr,", r"character 9: expected a value"),
        ("date>2020,2021", "one value"),
        ("date>=soon", "a filter's date is 2020"),
        ('x:"a"b', "a space between"),
        ("x" * (MAX_TEXT + 1), "longer than"),
        ({"field": "language", "operator": "==", "value": "fr"}, "known: doc_id, lang"),
        ({"field": "meta.", "operator": "==", "value": "fr"}, "known: doc_id, lang"),
        ({"field": 3, "operator": "==", "value": "fr"}, "known: doc_id, lang"),
        ({"field": "lang", "operator": "~", "value": "fr"}, r"none of: == != "),
        ({"field": "lang", "operator": ["=="], "value": "fr"}, r"none of: == != "),
        ({"field": "lang", "operator": "==", "value": 3}, "compared with text"),
        ({"field": "lang", "operator": "==", "value": ["fr"]}, "compared with text"),
        ({"field": "meta.a", "operator": "==", "value": {}}, "texts, numbers"),
        ({"field": "meta.a", "operator": ">", "value": None}, "text or a number"),
        ({"field": "meta.a", "operator": ">", "value": True}, "text or a number"),
        ({"field": "meta.a", "operator": "==", "value": float("nan")}, "too large"),
        ({"field": "meta.a", "operator": "==", "value": 10**400}, "too large"),
        ({"field": "meta.\ud800", "operator": "==", "value": 1}, "surrogate"),
        ({"field": "meta.a", "operator": "in", "value": "fr"}, "list of values"),
        ({"field": "meta.a", "operator": "in", "value": ["x"] * 5000}, "more than"),
        ({"field": "lang", "operator": "=="}, "a field, an operator and a value"),
        ({"operator": "XOR", "conditions": [{}]}, "AND, OR, NOT"),
        ({"operator": "AND", "conditions": []}, "one condition or more"),
        ({"operator": "AND", "conditions": "x"}, "one condition or more"),
        ({"operator": "AND", "conditions": [3]}, "a filter is"),
        ([], "a filter is"),
        ({}, "a field, an operator"),
    ],
)
def test_what_is_no_filter_is_told(given: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        parse_filter(given)


def test_depth_and_size_are_limited() -> None:
    deep: dict[str, Any] = {"field": "lang", "operator": "==", "value": "fr"}
    for _ in range(MAX_DEPTH - 1):
        deep = {"operator": "NOT", "conditions": [deep]}
    parse_filter(deep)
    with pytest.raises(QueryError, match="too large"):
        parse_filter({"operator": "NOT", "conditions": [deep]})
    with pytest.raises(QueryError, match="too large"):
        parse_filter(" ".join(["a:1"] * 300))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_a_query_error(text: str) -> None:
    try:
        parse_filter(text)
    except QueryError as error:
        assert len(str(error)) < 300


def test_a_filter_is_right_at_any_selectivity(tmp_path: Path, encoder: HashingEncoder) -> None:
    corpus = [
        Document(f"d{i:03d}", "gold river", "en", date=f"{1900 + i}", meta={"n": i})
        for i in range(120)
    ]
    build(corpus, tmp_path / "i", encoder)
    for n in (0, 1, 2, 60, 119, 120):
        wanted = parse_filter(f"n<{n}")
        found = [doc for doc, _ in ranking(tmp_path / "i", "gold", 5, filter=wanted)]
        assert found == [f"d{i:03d}" for i in range(min(n, 5))]
    last = parse_filter("date>=2019")
    assert [doc for doc, _ in ranking(tmp_path / "i", "gold", 5, filter=last)] == ["d119"]


def test_one_and_true_are_different_filters_in_one_reader(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    corpus = [
        Document("a", "gold", "en", meta={"n": 1}),
        Document("b", "gold", "en", meta={"n": True}),
    ]
    build(corpus, tmp_path / "i", encoder)
    query = encoder.encode_queries([Query("q", "gold")])
    with closing(IndexReader.open(tmp_path / "i")) as reader:
        for _ in range(2):
            for value, expected in ((1, "a"), (True, "b"), (1.0, "a")):
                (hits,) = reader.search(query, 9, filter=Condition("meta.n", "==", value))
                assert [hit.doc_id for hit in hits] == [expected]


def test_values_are_bound_and_never_part_of_the_sql() -> None:
    evil = "x') OR 1=1; DROP TABLE documents; --"
    where, values = compile_filter(
        Logic("OR", (Condition(f"meta.{evil}", "==", evil), Condition("title", ">", evil)))
    )
    assert evil not in where
    assert values.count(evil) == 5


def test_a_language_is_spelt_as_the_index_spells_it() -> None:
    found = parse_filter("lang:FRA", language=lambda code: {"FRA": "fr"}[code])
    assert found == Condition("lang", "in", ("fr",))


def test_a_thousand_values_are_a_filter(tmp_path: Path, encoder: HashingEncoder) -> None:
    made = [Document(f"d{i}", "text", "en", meta={"n": i}) for i in range(9)]
    build(made, tmp_path / "i", encoder)
    wanted = ",".join(str(i) for i in range(5, 1500))
    with Searcher("i", IndexReader.open(tmp_path / "i"), encoder) as searcher:
        hits = searcher.search("text", lang="en", filter=f"n:{wanted}")
    assert sorted(hit.id for hit in hits) == ["d5", "d6", "d7", "d8"]
