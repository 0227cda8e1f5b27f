"""What the server counts of itself, in Prometheus' text format; nothing of what people ask."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xret.retriever.answer import SearchAnswer

__all__ = ["Gauge", "Metrics"]

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MAX_LANGUAGES = 300
"""Languages of questions that are told apart; clients can name thousands."""

STAGES = ("encode", "search", "fetch", "rerank", "explain")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})

Labels = tuple[str, ...]
Gauge = tuple[str, str, Mapping[Labels, float], Labels]
"""Name, help, values by labels, and the names of these."""


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds


class Metrics:
    """Counted on the event loop alone: one thread at a time."""

    def __init__(self) -> None:
        self._requests: Counter[Labels] = Counter()
        self._routes: dict[Labels, _Histogram] = {}
        self._stages: dict[Labels, _Histogram] = {}
        self._languages: Counter[Labels] = Counter()

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """route: the template of the address, which has nothing of the request in it."""
        known = method if method in METHODS else "other"
        self._requests[route, known, str(status)] += 1
        self._routes.setdefault((route,), _Histogram()).add(seconds)

    def count_search(self, answer: SearchAnswer, *, index: str) -> None:
        for stage in STAGES:
            taken_ms: float = getattr(answer.timings, f"{stage}_ms")
            if taken_ms or stage in ("encode", "search", "fetch"):
                self._stages.setdefault((index, stage), _Histogram()).add(taken_ms / 1000)
        known = (index, answer.query.lang)
        full = known not in self._languages and len(self._languages) >= MAX_LANGUAGES
        self._languages[(index, "other") if full else known] += 1

    def text(self, gauges: Iterable[Gauge]) -> str:
        """All of it. gauges: what is measured at this moment."""
        lines: list[str] = []
        _add(
            lines,
            "xret_requests_total",
            "counter",
            "Requests by route and status.",
            self._requests,
            ("route", "method", "status"),
        )
        refused = Counter[Labels]()
        for (_, _, status), count in self._requests.items():
            if status in ("429", "503"):
                refused[status,] += count
        help_of_refusals = "Requests answered with 429 or 503."
        _add(lines, "xret_refusals_total", "counter", help_of_refusals, refused, ("status",))
        name, told = "xret_request_seconds", "How long requests took."
        _add_histograms(lines, name, told, self._routes, ("route",))
        name, told = "xret_stage_seconds", "How long the stages of searches took."
        _add_histograms(lines, name, told, self._stages, ("index", "stage"))
        told = "Searches by the language of the question."
        labels = ("index", "lang")
        _add(lines, "xret_query_languages_total", "counter", told, self._languages, labels)
        for gauge_name, told, values, labels_of in gauges:
            _add(lines, gauge_name, "gauge", told, values, labels_of)
        return "\n".join([*lines, ""])


def _add(
    lines: list[str],
    name: str,
    kind: str,
    told: str,
    values: Mapping[Labels, float],
    labels: Labels,
) -> None:
    lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labelled(labels, own)} {value:g}" for own, value in sorted(values.items())]


def _add_histograms(
    lines: list[str], name: str, told: str, histograms: Mapping[Labels, _Histogram], labels: Labels
) -> None:
    lines += [f"# HELP {name} {told}", f"# TYPE {name} histogram"]
    bounds = [*map(str, BUCKETS_S), "+Inf"]
    for own, histogram in sorted(histograms.items()):
        seen = 0
        for bound, count in zip(bounds, histogram.counts, strict=True):
            seen += count
            lines.append(f"{name}_bucket{_labelled((*labels, 'le'), (*own, bound))} {seen}")
        lines.append(f"{name}_sum{_labelled(labels, own)} {histogram.total_s:.6f}")
        lines.append(f"{name}_count{_labelled(labels, own)} {seen}")


def _labelled(names: Labels, values: Labels) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
