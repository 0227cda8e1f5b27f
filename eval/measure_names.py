"""Names of measures: those of ir_measures, and what other programs call the same."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import ir_measures

from xret.errors import RunError
from xret.eval.fairness import FAIRNESS_MEASURES, fairness_measure
from xret.eval.own_measures import LitschkoAP

__all__ = ["is_fairness", "measure_names", "parsed_measure"]

OTHERS: dict[str, str] = {
    "ndcg": "nDCG",
    "ndcg_cut": "nDCG",
    "ndcg_burges": "nDCG(dcg='exp-log2')",
    "map": "AP",
    "map_cut": "AP",
    "mean_average_precision": "AP",
    "average_precision": "AP",
    "ap": "AP",
    "p": "P",
    "precision": "P",
    "r": "R",
    "recall": "R",
    "rr": "RR",
    "mrr": "RR",
    "mrr_cut": "RR",
    "recip_rank": "RR",
    "reciprocal_rank": "RR",
    "success": "Success",
    "hit_rate": "Success",
    "hitrate": "Success",
    "bpref": "Bpref",
    "rprec": "Rprec",
    "r_precision": "Rprec",
    "infap": "infAP",
    "err": "ERR",
    "rbp": "RBP(p=0.9)",
    "judged": "Judged",
    "accuracy": "Accuracy",
    "iprec_at_recall": "IPrec",
    "iprec": "IPrec",
    "set_p": "SetP",
    "set_relative_p": "SetP(relative=True)",
    "set_recall": "SetR",
    "set_map": "SetAP",
    "set_f": "SetF",
    "num_q": "NumQ",
    "num_ret": "NumRet",
    "num_rel": "NumRel",
    "num_rel_ret": "NumRet(rel=1)",
    "litschkoap": "LitschkoAP",
    "compat": "Compat",
}
"""Ours by the name in trec_eval, ranx, BEIR and MTEB, in lower case, without the cutoff."""

SPELLING = re.compile(r"(?P<stem>[A-Za-z_-]+?)(?:[@_.](?P<cutoff>\d+(?:\.\d+)?))?")
GAINS = re.compile(r"gains=(\{[^}]*\})\s*,?\s*")
BAD_CUTOFF = re.compile(r"@(?!\d+(\.\d+)?$)[^()]*$")
SEPARATOR = re.compile(r"[\s,]+(?![^(]*\))")
"""What separates measures that are written in one word: white space or commas, but those
within brackets."""


def measure_names(asked: Sequence[str]) -> list[str]:
    """The measures asked for, each by itself: `"nDCG@10 RR"` and `nDCG@10,RR` are two.

    >>> measure_names(["nDCG@10,RR", "SetF(beta=0.5,rel=2)"])
    ['nDCG@10', 'RR', 'SetF(beta=0.5,rel=2)']
    """
    names = [name for text in asked for name in SEPARATOR.split(text.strip()) if name]
    return [_fairness_name(name) or name for name in names]


def is_fairness(name: str) -> bool:
    """Whether a measure is one between languages, which needs the documents' languages."""
    return fairness_measure(name) is not None


def parsed_measure(name: str) -> Any:
    """The measure of ir_measures, or ours in its form.

    Understood are ir_measures' own names and those of `OTHERS` with `@k`, `_k` or `.k` behind.
    Raises RunError for a name that nobody has, with the nearest one.
    """
    if name.partition("@")[0] == "LPR":
        raise RunError(
            f"{name!r} was not the rate of its paper, which is over pools of translations, and is "
            f"withdrawn; what it was is {name.replace('LPR', 'OwnFirst', 1)}"
        )
    if re.split("[(@]", name)[0] in FAIRNESS_MEASURES:
        raise RunError(
            f"{name!r} has no cutoff that is a number from 1; write {re.split('[(@]', name)[0]}@20"
        )
    try:
        parsed = _parsed(name)
    except RunError:
        translated = _translated(name)
        if translated is None:
            raise
        parsed = _parsed(translated)
    cutoff = parsed.params.get("cutoff")
    if cutoff is not None and (not isinstance(cutoff, int) or cutoff < 1):
        # trec_eval's library ends the whole process on it.
        raise _no_cutoff(name)
    return parsed


def _no_cutoff(name: str) -> RunError:
    return RunError(f"{name!r} has no cutoff that is a number from 1, such as nDCG@10")


def _parsed(name: str) -> Any:
    own = name.startswith("LitschkoAP")
    # The parser says what is wrong by NameError, SyntaxError, ValueError, KeyError, and more.
    try:
        parsed = _with_gains(name.removeprefix("Litschko") if own else name)
        if own:
            parsed = LitschkoAP(**parsed.params)  # type: ignore[no-untyped-call]
        str(parsed)  # a parameter that the measure does not have is met here only
    except KeyError as error:
        raise RunError(f"unknown measure {name!r}: it has no parameter {error}") from error
    except Exception as error:
        if BAD_CUTOFF.search(name):
            raise _no_cutoff(name) from error
        near = ", ".join(_nearest(name))
        reason = f"did you mean {near}?" if near else f"{error}; there are nDCG@10, R@100, AP, RR"
        raise RunError(f"unknown measure {name!r}: {reason}") from error
    return parsed


def _with_gains(name: str) -> Any:
    """The measure as ir_measures reads it; its parser knows no number below 0, as a gain or a
    grade may be."""
    gains = GAINS.search(name)
    if gains is None or "-" not in gains[1]:
        return ir_measures.parse_measure(name)
    parsed = ir_measures.parse_measure(name.replace(gains[0], "", 1))
    pairs = {int(grade): int(gain) for grade, gain in ast.literal_eval(gains[1]).items()}
    return type(parsed)(**{**parsed.params, "gains": pairs})


def _translated(name: str) -> str | None:
    """What another program's name means here; None where it is none."""
    match = SPELLING.fullmatch(name.strip())
    ours = OTHERS.get(match["stem"].lower().replace("-", "_")) if match else None
    if match is None or ours is None:
        return None
    return ours if match["cutoff"] is None else f"{ours}@{match['cutoff']}"


def _fairness_name(name: str) -> str | None:
    """A measure between languages however its letters are written."""
    stem = re.split("[(@]", name)[0]
    same = (known for known in FAIRNESS_MEASURES if known.lower() == stem.lower())
    return next((f"{known}{name[len(stem) :]}" for known in same), None)


def _nearest(name: str) -> Iterator[str]:
    """Names that are nearly this one, with its cutoff; at most two."""
    stem, at, cutoff = re.split(r"\(", name, maxsplit=1)[0].partition("@")
    known = {one.lower(): one for one in (*ir_measures.measures.registry, *FAIRNESS_MEASURES)}
    known |= OTHERS
    close = difflib.get_close_matches(stem.lower(), known, n=2, cutoff=0.7)
    for ours in dict.fromkeys(known[one] for one in close):
        yield f"{ours}{at}{cutoff}"
