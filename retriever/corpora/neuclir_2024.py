"""NeuCLIR 2024: the track's last year, its own topics and judgements out of your folder.

ir_datasets lists none of that year's files. `NEUCLIR_2024_HOME` names the folder that holds
them as TREC gives them: topics as JSON lines in the layout of the years before, in a file whose
name has `topics` in it (and `tech` for those over technical documents), judgements in four columns
in files like `2024-qrels.rus.with-gains.txt`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from xret.errors import CorpusError
from xret.retriever.corpora.catalogue import CatalogueFile
from xret.retriever.corpora.collection import Choice, Collection, Part, paired_parts
from xret.retriever.corpora.neuclir import DOCUMENTS, NEWS_LICENCE, SHORT
from xret.retriever.corpora.neuclir_tech import ABSTRACTS, abstract_records
from xret.retriever.corpora.qrels import Qrels, read_qrels
from xret.retriever.corpora.records import read_records
from xret.retriever.corpora.topics import Wording, read_queries

__all__ = ["COLLECTION"]

HOME = "NEUCLIR_2024_HOME"
HOW = (
    "Set NEUCLIR_2024_HOME to the folder with the track's files of 2024, from "
    "https://trec.nist.gov/data/neuclir2024.html: the topics (*topics*.jsonl; *tech* for the "
    "technical ones) and the judgements (2024-qrels.rus.with-gains.txt and so on)."
)
TECHNICAL = "technical"


@dataclass(frozen=True, slots=True)
class _Track:
    """The files of one of the two tasks, known by their names."""

    technical: bool

    def topics(self) -> Path:
        return self._file("topics", ".jsonl", "")

    def qrels(self, lang: str) -> Qrels:
        """The judgements of one language; of technical documents there is that of Chinese."""
        return read_qrels(self._file("qrels", "", "" if self.technical else lang))

    def _file(self, kind: str, end: str, lang: str) -> Path:
        home = os.environ.get(HOME)
        if not home or not Path(home).is_dir():
            raise CorpusError(f"neuclir-2024 is read from a folder of your own. {HOW}")
        found = [
            path
            for path in sorted(Path(home).rglob("*"))
            if path.is_file()
            and kind in path.name
            and path.name.removesuffix(".gz").endswith(end)
            and lang in path.name
            and ("tech" in path.name) == self.technical
        ]
        # With the gains, where the grades of the judges are there too.
        found.sort(key=lambda path: "gains" not in path.name)
        if not found:
            what = f"{kind} of {'technical documents' if self.technical else lang or 'news'}"
            raise CorpusError(f"{home} has no {what}. {HOW}")
        return found[0]


def _part(doc_lang: str, query_lang: str, suffix: str, *, technical: bool) -> Part:
    track = _Track(technical)
    wording = Wording(("title", "description"), None if query_lang == "eng" else query_lang)
    news = CatalogueFile("neuclir", f"1/{SHORT[doc_lang]}/docs")
    return Part(
        name=TECHNICAL if technical else doc_lang,
        doc_lang=doc_lang,
        sources=(ABSTRACTS if technical else news,),
        documents=abstract_records if technical else lambda: read_records(news.path()),
        queries=lambda reject: read_queries(track.topics(), wording=wording, on_reject=reject),
        qrels=lambda: track.qrels(doc_lang),
        query_suffix=suffix,
    )


def _parts(choice: Choice) -> Sequence[Part]:
    if choice.split == TECHNICAL and choice.doc_langs != ("zho",):
        raise CorpusError("the technical documents of NeuCLIR are Chinese: --doc-lang zho")
    return paired_parts(choice, partial(_part, technical=choice.split == TECHNICAL))


COLLECTION = Collection(
    name="neuclir-2024",
    title="TREC NeuCLIR 2024: English topics over news (several languages are MLIR) or over "
    "technical documents",
    doc_langs=tuple(DOCUMENTS),
    query_langs=("eng", *DOCUMENTS),
    default_query_langs=("eng",),
    splits=("news", TECHNICAL),
    licence=NEWS_LICENCE,
    source="topics and judgements in the folder that NEUCLIR_2024_HOME names; documents as of "
    "neuclir-2022 and neuclir-tech",
    checksums="md5 of ir_datasets (documents); none of the user's own files",
    citation="Lawrie, MacAvaney, Mayfield, Soldaini, Yang, Yates: Overview of the TREC 2024 "
    "NeuCLIR Track. arXiv 2509.14355, 2025.",
    query_template="title and description; in another language the human translation",
    grades="the gains, where the folder has them",
    judged="the topics that the files of judgements hold",
    how=HOW,
    parts=_parts,
)
