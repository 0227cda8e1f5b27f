"""The report of an evaluation: a page, tables for papers, numbers and drawings."""

from __future__ import annotations

from xret.eval.report.folder import write_report
from xret.eval.report.stored import read_evaluation

__all__ = ["read_evaluation", "write_report"]
