"""Drawings of a report: colours that can be told apart, scales, shapes in their places."""

import dataclasses
import math
import re
import xml.etree.ElementTree as ET
from importlib.resources import files
from itertools import pairwise

import pytest
from evaluations import example_evaluation
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.eval.evaluation import Evaluation
from xret.eval.report.bars import document_chart, query_chart
from xret.eval.report.charts import MAX_BARS, difference_chart, recall_chart, share_chart
from xret.eval.report.colours import THEMES, contrast, custom_properties
from xret.eval.report.heat_map import heat_chart, heat_scale, heat_table, measure_scale
from xret.eval.report.sections import charts
from xret.eval.report.svg import Scale, nice_step
from xret.retriever.alignment import HEAT_STEPS

SVG = "{http://www.w3.org/2000/svg}"
TEXT_ON = [
    ("ink", "page"),
    ("muted", "page"),
    ("link", "page"),
    ("ink", "raised"),
    ("notice-ink", "notice"),
    *((f"heat-{n}-ink", f"heat-{n}") for n in range(HEAT_STEPS)),
]
SHAPES_ON = [
    ("border", "page"),
    ("notice-edge", "page"),
    *((f"system-{n}", "page") for n in range(6)),
]


def oklab_lightness(colour: str) -> float:
    """Björn Ottosson's L of a colour."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    r, g, b = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    long = 0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b
    medium = 0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b
    short = 0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b
    cubes = [math.cbrt(value) for value in (long, medium, short)]
    return 0.2104542553 * cubes[0] + 0.7936177850 * cubes[1] - 0.0040720468 * cubes[2]


def drawn(svg: str) -> ET.Element:
    return ET.fromstring(svg)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return example_evaluation(("a", "b", "c.trec"), n_langs=6, n_queries=30)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("front", "back"), TEXT_ON)
def test_text_can_be_read_in_both_themes(theme: str, front: str, back: str) -> None:
    colours = custom_properties(theme)
    assert contrast(colours[front], colours[back]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("front", "back"), SHAPES_ON)
def test_shapes_stand_out_in_both_themes(theme: str, front: str, back: str) -> None:
    colours = custom_properties(theme)
    assert contrast(colours[front], colours[back]) >= 3


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")


@pytest.mark.parametrize("theme", THEMES)
def test_the_heat_ramp_has_even_steps_of_lightness(theme: str) -> None:
    ramp = [oklab_lightness(THEMES[theme][f"heat-{step}"]) for step in range(HEAT_STEPS)]
    steps = [after - before for before, after in pairwise(ramp)]
    assert all(step < 0 for step in steps) if theme == "light" else all(s > 0 for s in steps)
    assert max(map(abs, steps)) < 1.15 * min(map(abs, steps))


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_of_the_style_sheets_is_one_of_the_theme(theme: str) -> None:
    folder = files("xret.eval.report")
    style = "".join(folder.joinpath(name).read_text() for name in ("page.css", "chart.css"))
    assert set(re.findall(r"var\(--([\w-]+)\)", style)) <= set(custom_properties(theme))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_heat_classes_hold_every_value_and_rise_with_it(values: list[float]) -> None:
    scale = heat_scale(values)
    assert 1 <= scale.classes <= HEAT_STEPS
    borders = scale.borders()
    slack = scale.step * 1e-6
    assert borders[0] <= min(values) + slack
    assert borders[-1] >= max(values) - slack
    levels = [scale.level(value) for value in sorted(values)]
    assert levels == sorted(levels)
    assert 0 <= levels[0] <= levels[-1] < HEAT_STEPS


@settings(deadline=None)
@given(st.floats(1e-6, 1e6), st.integers(1, 20))
def test_a_nice_step_covers_the_span_and_no_smaller_one_does(span: float, most: int) -> None:
    step = nice_step(span, most)
    assert step * most >= span * (1 - 1e-5)
    assert step / 2.6 * most < span
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(mantissa - nice) for nice in (1, 2, 2.5, 5, 10)) < 1e-6


def test_the_heat_table_says_what_is_missing_framed_and_worst() -> None:
    evaluation = example_evaluation()
    system = evaluation.systems[0]
    table = drawn(heat_table(evaluation, system, "nDCG@10", measure_scale(evaluation, "nDCG@10")))
    rows = table.findall("./tbody/tr")
    cells = {
        (row_lang, doc_lang): cell
        for row_lang, row in zip(evaluation.query_langs, rows, strict=True)
        for doc_lang, cell in zip((*evaluation.doc_langs, None), row.findall("td"), strict=True)
    }
    assert "".join(cells["ar", "fr"].itertext()) == "– no judged query"
    assert "missing" in (cells["ar", "fr"].get("class") or "")
    assert all("same" in (cells[lang, lang].get("class") or "") for lang in evaluation.doc_langs)
    worst = system.worst_pair("nDCG@10")
    assert worst is not None
    for pair, cell in cells.items():
        assert ("weakest pair" in "".join(cell.itertext())) == (
            pair == (worst.query_lang, worst.doc_lang)
        )
        found = system.cell(*pair)
        if found is not None:
            number = f"{found.values['nDCG@10'].mean:.2f}".removeprefix("0")
            assert "".join(cell.itertext()).startswith(number)


def test_every_drawing_is_xml_with_a_name_and_a_description(evaluation: Evaluation) -> None:
    made = list(charts(evaluation))
    assert len({chart.key for chart in made}) == len(made) == 3 + 3 + 2 + 1 + 2
    for chart in made:
        root = drawn(chart.svg)
        assert root.get("role") == "img"
        title, described = root[0], root[1]
        assert (title.tag, described.tag) == (f"{SVG}title", f"{SVG}desc")
        assert root.get("aria-labelledby") == f"{title.get('id')} {described.get('id')}"
        assert len(title.text or "") > 5 and len(described.text or "") > 20
        assert "nan" not in chart.svg


def test_nothing_is_drawn_outside_its_frame(evaluation: Evaluation) -> None:
    for chart in charts(evaluation):
        root = drawn(chart.svg)
        width, height = float(root.get("width", 0)), float(root.get("height", 0))
        for box in root.iter(f"{SVG}rect"):
            x, y, w, h = (float(box.get(key, 0)) for key in ("x", "y", "width", "height"))
            assert x >= 0 and y >= 0 and x + w <= width and y + h <= height, chart.key
        for text in root.iter(f"{SVG}text"):
            assert 0 <= float(text.get("x", 0)) <= width
            assert 0 <= float(text.get("y", 0)) <= height, chart.key


def test_recall_points_stand_at_their_depth_and_height(evaluation: Evaluation) -> None:
    root = drawn(recall_chart(evaluation, key="r").svg)
    curves = [p.get("d", "") for p in root.iter(f"{SVG}path") if "curve" in p.get("class", "")]
    points = [tuple(map(float, point.split())) for point in curves[-1].removeprefix("M").split("L")]
    (x1, y1), (x10, _), (x100, _), (_, y1000) = points
    assert x100 - x10 == pytest.approx(x10 - x1, abs=0.2)
    grid = [p.get("d", "") for p in root.iter(f"{SVG}path") if p.get("class") in ("grid", "base")]
    assert f"{y1000:g}" in " ".join(grid)
    assert (y1 - y1000) / 210 == pytest.approx(0.8, abs=0.001)


def test_shares_fill_the_column_and_keep_one_order(evaluation: Evaluation) -> None:
    for system in evaluation.systems:
        root = drawn(share_chart(evaluation, system, key="s").svg)
        columns: dict[float, float] = {}
        for box in root.iter(f"{SVG}rect"):
            if float(box.get("width", 0)) > 12:
                x = float(box.get("x", 0))
                columns[x] = columns.get(x, 0) + float(box.get("height", 0))
        assert len(columns) == len(system.share_ranks) + 1
        assert all(height == pytest.approx(220, abs=0.1) for height in columns.values())


def test_differences_are_sorted_and_as_high_as_they_are() -> None:
    evaluation = example_evaluation(n_queries=20)
    comparison = evaluation.comparisons[0]
    root = drawn(difference_chart(evaluation, comparison, key="d").svg)
    bars = [p.get("d", "") for p in root.iter(f"{SVG}path") if "fill" in p.get("class", "").split()]
    heights = [
        (float(zero) - float(end)) / 105
        for zero, end in re.findall(r" ([\d.]+)V([\d.]+)h", "".join(bars))
    ]
    before, after = (s.per_query["nDCG@10"] for s in evaluation.systems)
    expected = sorted((after[q] - before[q] for q in after), reverse=True)
    assert heights == pytest.approx(expected, abs=0.01)


def test_many_differences_are_thinned_and_keep_both_ends() -> None:
    evaluation = example_evaluation(n_queries=1_500)
    chart = difference_chart(evaluation, evaluation.comparisons[0], key="d")
    bars = re.findall(r" ([\d.]+)V([\d.]+)h", chart.svg)
    assert len(bars) == MAX_BARS
    assert "600 of 1,500 queries" in chart.svg
    before, after = (s.per_query["nDCG@10"] for s in evaluation.systems)
    most = max(after[q] - before[q] for q in after)
    assert (float(bars[0][0]) - float(bars[0][1])) / 105 == pytest.approx(most, abs=0.01)


def test_systems_differ_by_shape_and_dash_not_only_by_colour(evaluation: Evaluation) -> None:
    root = drawn(recall_chart(evaluation, key="r").svg)
    marks = [m for m in root.iter() if "mark" in (m.get("class") or "").split()]
    shapes = {re.sub(r"[\d. -]+", "", m.get("d") or m.tag) for m in marks}
    assert len(shapes) == 3
    style = files("xret.eval.report").joinpath("chart.css").read_text()
    dashes = re.findall(r"\.curve\.s\d\{stroke-dasharray:([\d ]+)\}", style)
    assert len(set(dashes)) == 5


def test_a_ceiling_without_a_bar_is_no_zero() -> None:
    evaluation = example_evaluation(("a",))
    pairs = tuple(
        cell
        for cell in evaluation.systems[0].pairs
        if cell.doc_lang is None or cell.query_lang == cell.doc_lang or cell.doc_lang == "en"
    )
    system = dataclasses.replace(evaluation.systems[0], pairs=pairs)
    chart = document_chart(dataclasses.replace(evaluation, systems=(system,)), "nDCG@10", key="b")
    assert "– of .80" in chart.svg
    assert ".00 of .80" not in chart.svg


def test_bars_are_as_long_as_their_values(evaluation: Evaluation) -> None:
    root = drawn(query_chart(evaluation, "nDCG@10", key="b").svg)
    boxes = [box for box in root.iter(f"{SVG}rect") if "s0" in box.get("class", "")]
    widths = {float(box.get("width", 0)) for box in boxes}
    assert len(boxes) == 6
    assert sorted(widths) == [pytest.approx(0.3 * (312 - 98), abs=0.01)]


def test_a_scale_by_logarithms_clips_to_its_ends() -> None:
    scale = Scale(1, 100, 0, 200, logarithmic=True)
    assert scale(10) == pytest.approx(100)
    assert (scale(0.5), scale(1_000)) == (0, 200)


def test_a_map_of_many_languages_is_drawn_without_numbers() -> None:
    evaluation = example_evaluation(("a",), n_langs=40, n_queries=40)
    scale = measure_scale(evaluation, "nDCG@10")
    chart = heat_chart(evaluation, evaluation.systems[0], "nDCG@10", scale, key="m")
    root = drawn(chart.svg)
    classes = [text.get("class") or "" for text in root.iter(f"{SVG}text")]
    assert not any(name.startswith("on") for name in classes)
    cells = sum(
        (p.get("d") or "").count("M")
        for p in root.iter(f"{SVG}path")
        if re.fullmatch(r"h\d", p.get("class") or "")
    )
    assert cells == 40 * 40 - 1
    absent = [p for p in root.iter(f"{SVG}path") if p.get("class") == "absent"]
    assert [(p.get("d") or "").count("M") for p in absent] == [1]
