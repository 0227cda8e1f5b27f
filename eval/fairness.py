"""Fairness between languages in a list that mixes them.

Each function takes one ranking (document ids, best first), the grades of one query and the
documents' languages, and gives one value, or None where the measure says nothing of the query.
A document whose language is not known takes a rank and counts for no language.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from xret.errors import RunError
from xret.eval.equal_rank import equal_rank, probability_of_equal_expected_rank
from xret.types import UNDETERMINED

__all__ = [
    "FAIRNESS_MEASURES",
    "alpha_ndcg_lang",
    "attention_fairness",
    "fairness_measure",
    "own_language_first",
    "own_language_share",
]

Languages = Mapping[str, str]
Grades = Mapping[str, int]
FairnessMeasure = Callable[[Sequence[str], Grades, Languages, str], float | None]

ALPHA = 0.5
"""Of alpha-nDCG: how much less a further relevant document of one language is worth."""

NAME = re.compile(
    r"(?P<name>PEER|EqualRank|AWRF|OwnFirst|alpha_nDCG_lang|OwnShare)"
    r"(?:\(weights=(?P<weights>\{[^()]*\})\))?@(?P<cutoff>[1-9]\d{0,4})"
)


def attention_fairness(
    ranking: Sequence[str], grades: Grades, langs: Languages, *, cutoff: int
) -> float | None:
    """AWRF@k, attention-weighted rank fairness (Sapiezynski et al. 2019), as in TREC 2022's
    Fair Ranking track (Ekstrand et al.).

    1 minus the Jensen-Shannon divergence (in nats, as the track computes it) between the
    attention that each language gets, 1 / log2(max(rank, 2)) a document, and the share that it
    has of the judged relevant documents. From 1 - ln 2 = 0.31 (never the right language) to 1.
    None where nothing of a known language was ranked, or nothing relevant is.

    >>> langs = {"a": "en", "b": "fr"}
    >>> attention_fairness(["a", "b"], {"a": 1, "b": 1}, langs, cutoff=10)
    1.0
    >>> round(attention_fairness(["a"], {"a": 1, "b": 1}, langs, cutoff=10), 4)
    0.7842
    """
    attention: dict[str, float] = {}
    for rank, doc_id in enumerate(ranking[:cutoff], start=1):
        if lang := langs.get(doc_id):
            attention[lang] = attention.get(lang, 0.0) + 1 / math.log2(max(rank, 2))
    target = Counter(langs[d] for d, grade in grades.items() if grade > 0 and langs.get(d))
    if not attention or not target:
        return None
    return 1.0 - _jensen_shannon(attention, target)


def own_language_first(
    ranking: Sequence[str], grades: Grades, langs: Languages, *, cutoff: int, query_lang: str
) -> float | None:
    """OwnFirst@k: whether the first relevant document is in the query's language.

    Its mean over queries is how often a system prefers that language where others have
    something relevant too. (The language preference rate of MLAIRE, 2605.07249, is another
    number: over pools of translations of one passage.)

    None where that cannot be told: no relevant document in the query's language or none in
    another, or none of them within the cutoff. Neither end is better as such.

    >>> langs = {"a": "en", "b": "fr"}
    >>> own_language_first(["b", "a"], {"a": 1, "b": 1}, langs, cutoff=10, query_lang="en")
    0.0
    """
    relevant = {langs[d] for d, grade in grades.items() if grade > 0 and langs.get(d)}
    if query_lang not in relevant or len(relevant) < 2:
        return None
    for doc_id in ranking[:cutoff]:
        if grades.get(doc_id, 0) > 0 and langs.get(doc_id):
            return float(langs[doc_id] == query_lang)
    return None


def own_language_share(
    ranking: Sequence[str], langs: Languages, *, cutoff: int, query_lang: str
) -> float | None:
    """OwnShare@k: how much of the first k documents is in the query's language.

    None where nothing was ranked or the query's language is not known. Even is the language's
    share of what there is to find; neither end is better as such.

    >>> own_language_share(["a", "b"], {"a": "en", "b": "fr"}, cutoff=10, query_lang="en")
    0.5
    """
    shown = ranking[:cutoff]
    if not shown or query_lang in ("", UNDETERMINED):
        return None
    return sum(langs.get(doc_id) == query_lang for doc_id in shown) / len(shown)


def alpha_ndcg_lang(
    ranking: Sequence[str], grades: Grades, langs: Languages, *, cutoff: int
) -> float | None:
    """alpha-nDCG@k (Clarke et al., SIGIR 2008), a document's language as its one nugget.

    The n-th relevant document of a language is worth (1 - alpha) ** (n - 1), discounted by
    log2(1 + rank); alpha is 0.5; the ideal list takes the languages in turn. None for a query
    without a relevant document of a known language.

    >>> langs = {"a": "en", "b": "en", "c": "fr"}
    >>> grades = dict.fromkeys(langs, 1)
    >>> alpha_ndcg_lang(["a", "c", "b"], grades, langs, cutoff=3)
    1.0
    >>> round(alpha_ndcg_lang(["a", "b", "c"], grades, langs, cutoff=3), 4)
    0.9652
    """
    relevant = {d: langs[d] for d, grade in grades.items() if grade > 0 and langs.get(d)}
    if not relevant:
        return None
    gains = [
        (1 - ALPHA) ** nth for count in Counter(relevant.values()).values() for nth in range(count)
    ]
    ideal = _discounted(sorted(gains, reverse=True)[:cutoff])
    seen: Counter[str] = Counter()
    found = []
    for doc_id in ranking[:cutoff]:
        lang = relevant.get(doc_id)
        found.append(0.0 if lang is None else (1 - ALPHA) ** seen[lang])
        if lang is not None:
            seen[lang] += 1
    return _discounted(found) / ideal


def fairness_measure(name: str) -> FairnessMeasure | None:
    """The measure of that name and cutoff, like `PEER@20`; None for any other name.

    What it takes: a ranking, grades, languages by document and the query's language.
    """
    found = NAME.fullmatch(name)
    if found is None or (found["weights"] and found["name"] != "PEER"):
        return None
    cutoff = int(found["cutoff"])
    if found["name"] == "PEER":
        weights = None if found["weights"] is None else _weights(found["weights"])
        return lambda ranking, grades, langs, _query_lang: probability_of_equal_expected_rank(
            ranking, grades, langs, cutoff=cutoff, weights=weights
        )
    if found["name"] == "OwnFirst":
        return lambda ranking, grades, langs, query_lang: own_language_first(
            ranking, grades, langs, cutoff=cutoff, query_lang=query_lang
        )
    if found["name"] == "OwnShare":
        return lambda ranking, _grades, langs, query_lang: own_language_share(
            ranking, langs, cutoff=cutoff, query_lang=query_lang
        )
    chosen = {
        "EqualRank": equal_rank,
        "AWRF": attention_fairness,
        "alpha_nDCG_lang": alpha_ndcg_lang,
    }[found["name"]]
    return lambda ranking, grades, langs, _query_lang: chosen(ranking, grades, langs, cutoff=cutoff)


FAIRNESS_MEASURES: Mapping[str, str] = {
    "PEER": "probability of equal expected rank, the authors' number (Yang et al. 2024)",
    "EqualRank": "PEER by the Kruskal-Wallis test of ranks, what was not retrieved last",
    "AWRF": "attention-weighted rank fairness, 1 - Jensen-Shannon (Sapiezynski et al. 2019)",
    "OwnFirst": "share of queries whose first relevant document is in their language",
    "OwnShare": "share of the list that is in the query's language",
    "alpha_nDCG_lang": "alpha-nDCG, alpha 0.5, the language as nugget (Clarke et al. 2008)",
}
"""What each says, by the name that stands before the cutoff."""


def _weights(written: str) -> dict[int, float]:
    """Weights of grades as they are written, `{1:0.5,3:0.5}`. Raises RunError for others."""
    try:
        weights = {int(grade): float(w) for grade, w in ast.literal_eval(written).items()}
    except (ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise RunError(
            f"the weights {written} are no grades with numbers: {{1:0.5,3:0.5}}"
        ) from error
    if abs(sum(weights.values()) - 1) > 1e-6:
        raise RunError(f"the weights {written} are {sum(weights.values()):g} together, not 1")
    return weights


def _discounted(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _jensen_shannon(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The divergence of two distributions, in nats; neither need sum to 1."""
    sums = sum(one.values()), sum(other.values())
    divergence = 0.0
    for lang in sorted({*one, *other}):
        p, q = one.get(lang, 0) / sums[0], other.get(lang, 0) / sums[1]
        for share in (p, q):
            if share > 0:
                divergence += share * math.log(2 * share / (p + q)) / 2
    return max(divergence, 0.0)
