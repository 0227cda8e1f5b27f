"""The table of a paper: its numbers, its marks, and its files."""

import csv
import dataclasses
import io
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from evaluations import example_evaluation

from xret.errors import ConfigError, RunError
from xret.eval.comparison import finished_evaluation
from xret.eval.environment import corpus_facts
from xret.eval.evaluation import Evaluation
from xret.eval.randomisation import paired_randomisation
from xret.eval.rankings import RunRankings
from xret.eval.report.documents import latex_document
from xret.eval.report.findings import findings
from xret.eval.report.latex_text import latex_text
from xret.eval.report.page import page
from xret.eval.report.paper import paper_table, significantly_above
from xret.eval.report.paper_files import check_paper_paths, write_paper_table
from xret.eval.report.results import matrix_table
from xret.eval.report.stored import read_evaluation, write_evaluation
from xret.eval.report.table import Cell, Table, latex
from xret.eval.runner import PairEvaluation
from xret.eval.significance import holm
from xret.eval.trec import RunFile
from xret.retriever.corpora.qrels import Qrels
from xret.types import Hit, Query, Run

N = 12
LANGS = ("de", "fr", "sw")


def _evaluation(places: dict[str, Sequence[int]], *, baseline: str | None = None) -> Evaluation:
    """Systems that put the relevant document of a language at a place of their own; German
    questions are asked too, and a French document is relevant to half of the questions only."""
    queries = [Query(f"{lang}{n}", "x", lang) for lang in ("en", "de") for n in range(N)]
    documents = {f"{n}.{lang}": lang for lang in LANGS for n in range(3 * N)}
    qrels: Qrels = {}
    for query in queries:
        n = int(query.query_id[2:])
        wanted = [lang for lang in LANGS if lang != "fr" or n % 2]
        qrels[query.query_id] = {f"{n}.{lang}": 1 for lang in wanted}
    evaluations = []
    for name, at in places.items():
        hits = {}
        for query in queries:
            n = int(query.query_id[2:])
            ranking = []
            for lang, place in zip(LANGS, at, strict=True):
                others = [f"{N + k}.{lang}" for k in range(place + n % 2)]
                ranking += [*others, f"{n}.{lang}"]
            hits[query.query_id] = [Hit(doc, -float(r)) for r, doc in enumerate(ranking)]
        file = RunFile(Run(name, hits))
        rankings = RunRankings(name, file, documents)
        evaluation = PairEvaluation(rankings, queries, qrels, measures=["RR@10", "OwnShare@10"])
        for _ in evaluation.progress():
            pass
        evaluations.append(evaluation)
    facts = corpus_facts("made", source=None, queries=queries, qrels=qrels, languages={}, files=())
    return finished_evaluation("made", evaluations, corpus=facts, baseline=baseline)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return _evaluation({"good": (0, 1, 3), "bad": (2, 1, 0)})


def _texts(row: Sequence[Cell | str]) -> list[str]:
    return [cell if isinstance(cell, str) else cell.text + cell.mark for cell in row]


def test_a_column_is_of_queries_in_other_languages_and_averages_are_of_columns_and_of_queries(
    evaluation: Evaluation,
) -> None:
    # RR of place p is 1 / (p + 1), for odd questions 1 / (p + 2); over German documents only
    # the 12 English questions count, over French ones 6 and 6 odd ones, over Swahili ones all.
    german, french, swahili = (1 + 1 / 2) / 2, 1 / 3, (1 / 4 + 1 / 5) / 2
    macro = (german + french + swahili) / 3
    micro = (12 * german + 12 * french + 24 * swahili) / 48
    table = paper_table(evaluation, "RR@10")
    assert table.headings == ("system", "de", "fr", "sw", "Avg", "micro", "mixed", "OwnShare@10")
    wanted = [f"{value:.3f}" for value in (german, french, swahili, macro, micro)]
    row = [cell if isinstance(cell, str) else cell.text for cell in table.rows[0]]
    assert row[1:6] == wanted
    assert [c.queries for c in evaluation.columns[:4]] == [12, 12, 24, 48]


def test_letters_name_the_systems_that_are_significantly_worse_in_that_column(
    evaluation: Evaluation,
) -> None:
    good, bad = (_texts(row) for row in paper_table(evaluation, "RR@10").rows)
    assert (good[0], bad[0]) == ("goodᵃ", "badᵇ")
    assert good[1].endswith("ᵇ") and bad[3].endswith("ᵃ")
    assert good[2] == bad[2] == "0.333"
    assert significantly_above(evaluation, "good", "RR@10", "de") == {"bad": True}
    assert significantly_above(evaluation, "bad", "RR@10", "fr") == {}


def test_marks_are_those_of_a_test_of_each_column_corrected_over_all_of_them(
    evaluation: Evaluation,
) -> None:
    by_lang = []
    for lang, (one, other) in zip(LANGS, ((0, 2), (1, 1), (3, 0)), strict=True):
        counted = [n for n in range(N) if lang != "fr" or n % 2] * (1 if lang == "de" else 2)
        moved = [1 / (other + 1 + n % 2) - 1 / (one + 1 + n % 2) for n in counted]
        by_lang.append(paired_randomisation(np.array(moved), seed=0).p)
    tests = [t for t in evaluation.column_tests if t.doc_lang is not None]
    assert [t.p for t in tests] == pytest.approx(by_lang, abs=1e-3)
    assert [t.p_holm for t in tests] == holm([t.p for t in tests])


def test_with_a_baseline_cells_are_above_or_below_it() -> None:
    evaluation = _evaluation({"good": (0, 1, 3), "bad": (2, 1, 0)}, baseline="good")
    good, bad = (_texts(row) for row in paper_table(evaluation, "RR@10").rows)
    assert good[0] == "good"
    assert bad[1].endswith("▼") and bad[3].endswith("▲") and not bad[2].endswith(("▼", "▲"))
    assert "▲ above and ▼ below good" in paper_table(evaluation, "RR@10").note


def test_many_languages_stand_in_the_rows() -> None:
    evaluation = example_evaluation(n_langs=20)
    columns = tuple(
        dataclasses.replace(one, system=system, doc_lang=lang)
        for one in _evaluation({"good": (0, 1, 3)}).columns[:1]
        for system in ("xret-static", "bm25.trec")
        for lang in (*evaluation.doc_langs, None)
    )
    columns = tuple(dataclasses.replace(c, measure="nDCG@10") for c in columns)
    table = paper_table(dataclasses.replace(evaluation, columns=columns), "nDCG@10")
    assert len(table.headings) == 3
    assert [row[0] for row in table.rows] == [*evaluation.doc_langs, "Avg", "micro", "mixed"]


def test_without_languages_there_is_the_list_of_all_documents() -> None:
    evaluation = dataclasses.replace(
        example_evaluation(), columns=(), column_tests=(), doc_langs=()
    )
    table = paper_table(evaluation, "nDCG@10")
    assert table.headings == ("system", "all")


def test_a_matrix_has_the_averages_of_pairs_of_two_languages(evaluation: Evaluation) -> None:
    table = matrix_table(evaluation, evaluation.system("good"), "RR@10")
    german, french, swahili = (1 + 1 / 2) / 2, 1 / 3, (1 / 4 + 1 / 5) / 2
    rows = {str(row[0]).partition("\xa0")[0]: row[1:] for row in table.rows}
    assert rows["English"][3] == f"{(german + french + swahili) / 3:.3f}"
    assert rows["German"][3] == f"{(french + swahili) / 2:.3f}"
    assert rows["Avg"][2] == f"{swahili:.3f}"


def test_it_is_written_as_its_end_says(evaluation: Evaluation, tmp_path: Path) -> None:
    paths = [tmp_path / f"t{end}" for end in (".md", ".tex", ".csv", ".html")]
    markdown, latex, table, html = (
        write_paper_table(evaluation, path).read_text(encoding="utf-8") for path in paths
    )
    assert "| goodᵃ | **0.750**ᵇ |" in markdown
    assert r"\toprule" in latex and r"\textbf{0.750}$^{b}$" in latex
    assert "<strong>0.750</strong>ᵇ" in html and html.startswith("<!doctype html>")
    good, bad = csv.DictReader(io.StringIO(table))
    assert float(good["de"]) == 0.75 and good["de above"] == "bad" and bad["de above"] == ""
    assert float(good["Avg"]) == pytest.approx((0.75 + 1 / 3 + 0.225) / 3)


def test_other_ends_and_places_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"its end must be \.md, \.tex, \.csv, \.html"):
        check_paper_paths([tmp_path / "t.pdf"])
    with pytest.raises(ConfigError, match="name a file in a folder that is there"):
        check_paper_paths([tmp_path / "no" / "t.md"])
    with pytest.raises(RunError, match="name another file"):
        write_paper_table(example_evaluation(), tmp_path / "no" / "t.md")


def test_columns_and_their_tests_are_stored(evaluation: Evaluation, tmp_path: Path) -> None:
    write_evaluation(evaluation, tmp_path / "e.json")
    again = read_evaluation(tmp_path / "e.json")
    assert (again.columns, again.column_tests) == (evaluation.columns, evaluation.column_tests)


def test_sentences_before_the_tables_are_few_however_many_systems_there_are() -> None:
    evaluation = _evaluation({f"system{n}": (n % 3, 1, n // 3) for n in range(12)})
    assert len(evaluation.comparisons) > 60
    sentences = findings(evaluation)
    assert len(sentences) <= 10
    assert any("of all 66 comparisons by RR@10" in sentence for sentence in sentences)
    told = dataclasses.replace(evaluation, warnings=tuple(f"warning {n}." for n in range(40)))
    assert "warning 11." in page(told) and "warning 12." not in page(told)
    assert "and 28 more" in page(told)


def test_paper_has_the_tests_that_open_at_a_click_on_a_screen(evaluation: Evaluation) -> None:
    html = page(evaluation)
    printed = html.partition('<div class="printed">')[2]
    assert "Every comparison, adjusted" in printed.partition("</caption>")[0]
    assert ".printed{display:none}" in html
    assert ".printed{display:block}" in html.partition("@media print")[2]


def test_a_script_without_a_font_is_named_and_its_text_kept_for_engines_that_have_one() -> None:
    assert latex_text("run 搜索") == r"run \xretscript{Hani}{搜索}{{[}U+641C U+7D22]}"
    thai = "ภาษาไทยเป็นภาษา"
    assert latex_text(thai) == rf"\xretscript{{Thai}}{{{thai}}}{{{{[}}Thai, 15 characters]}}"
    assert latex_text("ひらがな 漢字").startswith(r"\xretscript{Jpan}{ひらがな 漢字}")
    assert latex_text("☃ λ é") == r"{[}U+2603] $\lambda$ é"
    table = Table("c", ("a", "b"), "ll", (("x", "한국어"),))
    assert r"\providecommand{\xretscript}" in latex(table, "t")
    assert r"\xretscript" not in latex(Table("c", ("a",), "l", (("é",),)), "t")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs TeX")
@pytest.mark.parametrize("name", ["", "[x] 100%_&#$~^{é} łódź ąő λΩ 搜索 سؤال شكرا جزيلا ☃ ▲ᵃᵇ\\"])
def test_the_latex_compiles(evaluation: Evaluation, tmp_path: Path, name: str) -> None:
    renamed = dataclasses.replace(evaluation.systems[0], name=name or evaluation.systems[0].name)
    evaluation = dataclasses.replace(evaluation, systems=(renamed, *evaluation.systems[1:]))
    document = latex_document(evaluation)
    # A script that the user's preamble sets, beside those that nothing sets.
    document = document.replace(
        r"\begin{document}", r"\newcommand\xretHani[1]{Han}\begin{document}"
    )
    (tmp_path / "report.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "report.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert name or b"Overfull" not in done.stdout
    assert (tmp_path / "report.pdf").is_file()
