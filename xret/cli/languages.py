"""Languages as options name them: `--lang` is the question's, `--doc-lang` the documents'.

Until they were so everywhere, `--query-lang` was the question's and `--lang` the documents'.
That is still read, with a notice, and not shown in help.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from xret.cli.output import message

__all__ = ["OldQueryLang", "OldQueryLangs", "documents_lang", "question_lang", "spelt_langs"]

OldQueryLang = Annotated[str | None, typer.Option("--query-lang", hidden=True)]
OldQueryLangs = Annotated[list[str] | None, typer.Option("--query-lang", hidden=True)]


def question_lang(lang: str | None, query_lang: str | None) -> str | None:
    """The question's language, from `--lang` or its old spelling."""
    if query_lang is not None:
        message("--query-lang is the old spelling of --lang")
    return query_lang if lang is None else lang


def documents_lang(doc_lang: str | None, lang: str | None) -> str | None:
    """The documents' language, from `--doc-lang` or, of a command without a question, `--lang`."""
    if lang is not None:
        message("--lang is the old spelling of --doc-lang in this command")
    return lang if doc_lang is None else doc_lang


def spelt_langs(
    lang: Sequence[str] | None, doc_lang: Sequence[str] | None, query_lang: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """(the questions' languages, the documents') of a command that takes several of each.

    With `--query-lang` beside it, `--lang` is the documents', as it was.
    """
    if not query_lang:
        return [*(lang or ())], [*(doc_lang or ())]
    if not lang:
        message("--query-lang is the old spelling of --lang")
        return [*query_lang], [*(doc_lang or ())]
    message(
        "read the old way, --lang as the documents' language; write --lang for --query-lang, "
        "and --doc-lang for --lang"
    )
    return [*query_lang], [*lang, *(doc_lang or ())]
