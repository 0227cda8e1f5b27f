"""The report: one page that needs nothing, safe whoever wrote the texts, and its companions."""

import base64
import csv
import dataclasses
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from evaluations import example_evaluation

from xret.errors import RunError
from xret.eval.evaluation import Evaluation, Interval, SystemResult
from xret.eval.report import read_evaluation, write_report
from xret.eval.report.documents import latex_document, markdown_document
from xret.eval.report.page import MAX_BYTES, page
from xret.eval.report.queries import differences
from xret.eval.report.results import best_systems, significance_mark
from xret.eval.report.text import language_label, shown

ATTACK = "<script>alert(1)</script>\"'&</style>]]>`|\\end{document}%$#_^~"
OVERRIDE = "\u202eabc\u2066d\x1b[2J\x00"
VOID = {"meta", "br", "hr"}


class Page(HTMLParser):
    """Elements with their attributes, and what does not close."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return "".join(data for tag, data in self.words if tag != "style")


def replaced(evaluation: Evaluation, text: str) -> Evaluation:
    """The same evaluation where a stranger wrote every text that a stranger may write."""
    system = evaluation.systems[0]
    worst = tuple(
        dataclasses.replace(query, query_id=text, text=text, top=((text, "en", 0),))
        for query in system.worst_queries
    )
    hostile = dataclasses.replace(
        system, name=text, worst_queries=worst, metadata={text: text}, encoder=text, index=text
    )
    comparisons = tuple(dataclasses.replace(c, baseline=text) for c in evaluation.comparisons)
    return dataclasses.replace(
        evaluation,
        title=text,
        warnings=(text,),
        baseline=text,
        systems=(hostile, *evaluation.systems[1:]),
        comparisons=comparisons,
        queries={query: (text, lang) for query, (_, lang) in evaluation.queries.items()},
        corpus=dataclasses.replace(
            evaluation.corpus, name=text, source=text, citation=text, checksums={text: text}
        ),
        environment=dataclasses.replace(evaluation.environment, command=text, platform=text),
    )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return example_evaluation()


@pytest.fixture(scope="module")
def parsed(evaluation: Evaluation) -> Page:
    return Page(page(evaluation))


def test_the_page_fetches_and_runs_nothing(evaluation: Evaluation, parsed: Page) -> None:
    html = page(evaluation)
    tags = {tag for tag, _ in parsed.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in parsed.elements:
        assert not {"style", "src", "srcset", "action"} & set(attributes), tag
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in html
    assert "@import" not in html


def test_the_policy_allows_the_one_style_and_nothing_else(
    evaluation: Evaluation, parsed: Page
) -> None:
    policy = next(
        meta["content"]
        for meta in parsed.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.findall(r"<style>(.*?)</style>", page(evaluation), re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_elements_close_and_ids_are_met_once(parsed: Page) -> None:
    assert parsed.open == []
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in parsed.elements:
        for name in attributes.get("aria-labelledby", "").split():
            assert name in ids
        if attributes.get("href", "#") != "#":
            assert attributes["href"][1:] in ids


def test_headings_are_in_order(parsed: Page) -> None:
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_tables_have_captions_and_headings_have_scopes(parsed: Page) -> None:
    assert len(parsed.all("table")) == len(parsed.all("caption")) >= 15
    assert all(head.get("scope") in ("col", "row", "rowgroup") for head in parsed.all("th"))
    names = [
        attributes["aria-label"]
        for _, attributes in parsed.elements
        if attributes.get("role") == "region"
    ]
    assert len(names) == len(set(names))
    scrolling = [a for _, a in parsed.elements if a.get("class") == "scroll"]
    assert all(attributes.get("tabindex") == "0" for attributes in scrolling)


def test_drawings_are_named_and_the_ornaments_are_silent(parsed: Page) -> None:
    for svg in parsed.all("svg"):
        assert svg.get("role") == "img" or svg.get("aria-hidden") == "true"


def test_everything_that_was_asked_for_is_on_the_page(parsed: Page) -> None:
    for words in (
        "compared on the 12 queries of both",
        "0.300–0.500",
        "The weakest language pairs of bm25.trec",
        "Recall by depth",
        "Languages that xret-static ranks first",
        "monolingual ceiling",
        "The worst queries of bm25.trec",
        "Time of a query",
        "1.2 MB",
        "ab" * 32,
        "xret eval demo",
        "seed of every random draw",
        "numpy 2.4.6",
        "CC BY-NC 4.0",
        "better on",
    ):
        assert words.lower() in parsed.text.lower(), words


def test_texts_carry_their_language_and_direction(parsed: Page) -> None:
    texts = [a for a in parsed.all("bdi") if a.get("class") == "text"]
    assert {(a["lang"], a["dir"]) for a in texts} == {("en", "ltr"), ("fr", "ltr"), ("ar", "rtl")}


@pytest.mark.parametrize("text", [ATTACK, OVERRIDE, "", " ", "x" * 100_000, "\ud800"])
def test_no_stranger_can_break_the_page(evaluation: Evaluation, text: str) -> None:
    hostile = Page(page(replaced(evaluation, text)))
    honest = [tag for tag, _ in Page(page(evaluation)).elements]
    assert hostile.open == []
    assert {tag for tag, _ in hostile.elements} <= set(honest)
    assert not set("\u202e\u2066\x1b\x00\ud800") & set(hostile.text)
    assert len(hostile.text) < 60_000
    if text == ATTACK:
        assert ATTACK in hostile.text


def test_no_stranger_can_break_the_markdown(evaluation: Evaluation) -> None:
    text = markdown_document(replaced(evaluation, f"{ATTACK}{OVERRIDE}\n# no\n"), [])
    fenced = text.index("## Command")
    assert "<script" not in text[:fenced]
    assert not set("\u202e\x1b\x00") & set(text)
    assert "\n# no" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows]
    tables = "\n".join(str(width) if width else "" for width in widths)
    assert len(rows) > 50
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        found = {len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}
        assert len(found) == 1, (block, tables)


@pytest.mark.parametrize("text", ["plain", ATTACK, "سؤال 疫苗 é – …"])
def test_the_latex_is_whole(evaluation: Evaluation, text: str) -> None:
    document = latex_document(replaced(evaluation, text))
    bare = re.sub(r"\\[{}\\%&#$_]", "", document)
    bare = re.sub(r"(?m)%.*$", "", bare)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    begun = re.findall(r"\\begin\{(\w+)\}", document)
    assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+)\}", document))
    assert begun.count("document") == 1
    for table in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", document, re.S):
        rows = [row for row in table[1].split("\n") if row.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(table[0]) - 1}
    # What is left is set by no engine that has no font of that script.
    assert all(
        ord(letter) < 256 for letter in re.sub(r"\\xretscript\{\w+\}\{[^}]*\}", "", document)
    )


def test_json_gives_the_same_evaluation_back(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path)
    assert read_evaluation(tmp_path / "report.json") == evaluation


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"version": 2}',
        b'{"version": 1}',
        b'{"version": 1, "evaluation": 3}',
        b'{"version": 1, "evaluation": {"title": "x"}}',
        b'{"version": 1, "evaluation": []}',
    ],
)
def test_another_json_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"report\.json"):
        read_evaluation(path)


def test_a_number_of_another_kind_is_refused(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path)
    path = tmp_path / "report.json"
    content = orjson.loads(path.read_bytes())
    content["evaluation"]["systems"][0]["answered"] = "many"
    path.write_bytes(orjson.dumps(content))
    with pytest.raises(RunError, match="whole"):
        read_evaluation(path)


def test_csv_has_every_number_with_all_its_digits(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path)
    with (tmp_path / "per_query.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    read = {(row["system"], row["measure"], row["query_id"]): float(row["value"]) for row in rows}
    assert read == {
        (system.name, measure, query): value
        for system in evaluation.systems
        for measure, values in system.per_query.items()
        for query, value in values.items()
    }
    with (tmp_path / "pairs.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == sum(len(c.values) for s in evaluation.systems for c in s.pairs)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_csv_holds_no_formula(evaluation: Evaluation, tmp_path: Path, name: str) -> None:
    write_report(replaced(evaluation, name), tmp_path)
    with (tmp_path / "systems.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["system"] == f"'{name}"


def test_every_path_is_returned_the_page_first(evaluation: Evaluation, tmp_path: Path) -> None:
    paths = write_report(evaluation, tmp_path / "new" / "folder")
    assert paths[0].name == "report.html"
    written = {path for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert set(paths) == written
    text = (tmp_path / "new" / "folder" / "report.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\((figures/[\w.-]+)\)", text):
        assert (tmp_path / "new" / "folder" / name).is_file()


def test_drawings_stand_alone(evaluation: Evaluation, tmp_path: Path) -> None:
    figures = [p for p in write_report(evaluation, tmp_path) if p.suffix == ".svg"]
    assert len(figures) == 8
    for path in figures:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("<?xml")
        assert "<style>" in text
        assert "var(" not in text


def test_one_query_of_one_system_with_nothing_more_makes_a_report(tmp_path: Path) -> None:
    whole = example_evaluation(("only",), n_langs=1, n_queries=1, measures=("nDCG@10",))
    bare = SystemResult("only", "run", {"nDCG@10": {"q0": 0.0}}, (whole.systems[0].pairs[-1],))
    evaluation = dataclasses.replace(
        whole, systems=(bare,), query_langs=(), doc_langs=(), queries={}, warnings=()
    )
    write_report(evaluation, tmp_path)
    parsed = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert parsed.open == []
    assert "Language pairs" not in parsed.text


@pytest.mark.parametrize(
    ("systems", "n_langs"),
    [(("a", "b", "c"), 20), (("a", "b", "c"), 62), (tuple("abcdefghij"), 24)],
)
def test_the_page_stays_under_its_limit(systems: tuple[str, ...], n_langs: int) -> None:
    evaluation = example_evaluation(systems, n_langs=n_langs, n_queries=1_000)
    html = page(evaluation)
    assert len(html.encode()) <= MAX_BYTES
    assert Page(html).open == []


def test_the_page_gives_up_what_it_must_to_stay_under_its_limit(
    evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page(evaluation)
    assert "The same by R@100" in whole
    monkeypatch.setattr("xret.eval.report.page.MAX_BYTES", len(whole.encode()) - 1)
    less = page(evaluation)
    assert len(less) < len(whole)
    assert "The same by R@100" not in less
    assert "The worst queries" in less


def test_only_significant_differences_are_marked(evaluation: Evaluation) -> None:
    assert significance_mark(evaluation, "bm25.trec", "nDCG@10") == "▲"
    assert significance_mark(evaluation, "bm25.trec", "R@100") == ""
    assert significance_mark(evaluation, "xret-static", "nDCG@10") == ""
    down = tuple(
        dataclasses.replace(c, difference=Interval(-0.1, -0.2, -0.01, 12))
        for c in evaluation.comparisons
    )
    worse = dataclasses.replace(evaluation, comparisons=down)
    assert significance_mark(worse, "bm25.trec", "nDCG@10") == "▼"
    assert "significantly lower than xret-static" in page(worse)


def test_without_a_baseline_the_marks_compare_with_the_first_system(
    evaluation: Evaluation,
) -> None:
    each = dataclasses.replace(evaluation, baseline="")
    assert significance_mark(each, "bm25.trec", "nDCG@10") == "▲"
    assert "lower than xret-static by a paired" in page(each)


def test_queries_that_one_system_does_not_answer_are_in_no_difference(
    evaluation: Evaluation,
) -> None:
    system = dataclasses.replace(evaluation.systems[1], unanswered=("q3",))
    fewer = dataclasses.replace(evaluation, systems=(evaluation.systems[0], system))
    ids = {query for query, _ in differences(fewer, fewer.comparisons[0])}
    assert ids == set(evaluation.queries) - {"q3"}


def test_the_best_is_the_lowest_where_lower_is_better(evaluation: Evaluation) -> None:
    assert best_systems(evaluation, "nDCG@10") == {"bm25.trec"}
    assert best_systems(evaluation, "PEER@20") == {"xret-static"}


def test_a_value_that_is_no_number_is_a_dash(evaluation: Evaluation, tmp_path: Path) -> None:
    nothing = Interval(float("nan"), float("nan"), float("nan"), 0)
    pairs = tuple(
        dataclasses.replace(cell, values={**cell.values, "R@100": nothing})
        for cell in evaluation.systems[0].pairs
    )
    system = dataclasses.replace(evaluation.systems[0], pairs=pairs)
    write_report(dataclasses.replace(evaluation, systems=(system,), comparisons=()), tmp_path)
    for name in ("report.html", "report.md", "report.tex"):
        assert not re.search(r"\bnan\b", (tmp_path / name).read_text(encoding="utf-8"))


def test_half_a_surrogate_pair_is_written_as_a_question_mark(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    write_report(replaced(evaluation, "a\ud800b"), tmp_path)
    assert read_evaluation(tmp_path / "report.json").title == "a?b"


def test_nothing_to_report_and_no_place_for_it_are_said(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="0 systems"):
        write_report(dataclasses.replace(evaluation, systems=()), tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RunError, match="another folder"):
        write_report(evaluation, blocked)


def test_a_language_without_a_name_is_shown_by_its_code() -> None:
    assert language_label("no such code!") == "no such code!"
    assert language_label("") == language_label("und") == "not known"
    assert shown("زبان\u200cها") == "زبان\u200cها"
