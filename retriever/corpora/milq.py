"""MiLQ: queries that mix English with another language, over CLEF and NeuCLIR 2022.

The queries (ELRA-E0047) are licensed: `MILQ_HOME` names the folder that holds them, under the names
of the authors' reproduction guide: `eng_zho_queries_concat.tsv` for NeuCLIR,
`english_swahili_2000-2003_queries_concat.tsv` for CLEF, an id and a text a line.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from xret.errors import CorpusError, LanguageError
from xret.retriever.corpora.clef import ROOMS, clef_part
from xret.retriever.corpora.collection import Choice, Collection, Part
from xret.retriever.corpora.neuclir import news_part
from xret.retriever.corpora.topics import read_queries
from xret.retriever.languages.codes import language_code

__all__ = ["COLLECTION"]

HOME = "MILQ_HOME"
NEWS = ("fas", "rus", "zho")
QUERY_LANGS = ("de", "fi", "fr", "so", "sw", *NEWS)
"""What English is mixed with."""

HOW = (
    "MiLQ is licensed by ELRA (E0047), free for evaluation; set MILQ_HOME to the folder with its "
    "files of queries (eng_zho_queries_concat.tsv, english_swahili_2000-2003_queries_concat.tsv), "
    "and CLEF_HOME to the suite where documents of CLEF are chosen."
)


def _queries_file(lang: str, *, news: bool) -> Path:
    """The file of English mixed with a language. Raises CorpusError with what to do."""
    home = os.environ.get(HOME)
    if not home or not Path(home).is_dir():
        raise CorpusError(f"milq is read from a folder of your own. {HOW}")
    found = [
        path
        for path in sorted(Path(home).rglob("*queries*.tsv"))
        if _mixed(path.name) == {"en", language_code(lang)} and ("2000-2003" in path.name) != news
    ]
    # Title and description together, where the parts have files of their own.
    found.sort(key=lambda path: "concat" not in path.name)
    if not found:
        raise CorpusError(
            f"{home} has no queries that mix English and {language_code(lang)}. {HOW}"
        )
    return found[0]


def _mixed(name: str) -> set[str]:
    """The two languages that the name of a file begins with; nothing where it does not."""
    try:
        return {language_code(word.capitalize()) for word in name.split("_")[:2]}
    except LanguageError:
        return set()


def _part(doc_lang: str, query_lang: str, *, year: str) -> Part:
    news = doc_lang in NEWS
    path = _queries_file(query_lang, news=news)
    whole = news_part(2022, doc_lang, "eng") if news else clef_part(doc_lang, "en", year=year)
    return replace(
        whole, queries=lambda reject: read_queries(path, lang=query_lang, on_reject=reject)
    )


def _parts(choice: Choice) -> Sequence[Part]:
    pairs = [
        (doc, query)
        for doc in choice.doc_langs
        for query in choice.query_langs
        if (query in NEWS) == (doc in NEWS) and (doc in ("en", query))
    ]
    if len({query for _, query in pairs}) > 1:
        raise CorpusError("milq has the same topics in several mixtures; choose one with --lang")
    years = [doc for doc, _ in pairs if doc not in NEWS and choice.split not in ROOMS[doc]]
    if years:
        raise CorpusError(f"clef {choice.split} has no documents in {', '.join(years)} here")
    return [_part(doc, query, year=choice.split) for doc, query in pairs]


COLLECTION = Collection(
    name="milq",
    title="MiLQ: queries that mix English with another language, over CLEF or NeuCLIR 2022",
    doc_langs=("en", "de", "fi", *NEWS),
    query_langs=QUERY_LANGS,
    splits=("2003", "2002", "2001", "2000"),
    licence="licensed by ELRA: free for evaluation, by its own terms",
    source="ELRA-E0047, in the folder that MILQ_HOME names; documents of clef and neuclir-2022",
    checksums="none: the files are the user's own",
    citation="Kim, Yun, Hwang: MiLQ: Benchmarking IR Models for Bilingual Web Search with Mixed "
    "Language Queries. EMNLP 2025.",
    query_template="title and description, as the file has them; the language of a query is that "
    "which English is mixed with",
    judged="the topics that CLEF or NeuCLIR judged; a split is a year of CLEF",
    how=HOW,
    parts=_parts,
)
