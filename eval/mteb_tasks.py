"""CLIRudit, HC4 and CIRAL as retrieval tasks of mteb, read through our own collections.

    from xret.eval.mteb_tasks import CIRALRetrieval

    mteb.evaluate(model, CIRALRetrieval().filter_languages(["swa"]))

Every row carries the language of its text in a column `lang`. What is fetched, checked and
cached is what `xret corpus pull` fetches. A subset is `query language-document language`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xret.config import home
from xret.errors import MissingLibraryError
from xret.eval.mteb_search import INSTALL, iso_language_script
from xret.retriever.corpora.collection import Corpus
from xret.retriever.corpora.pins import Pins
from xret.retriever.corpora.registry import find_collection, open_corpus
from xret.retriever.languages.codes import language_code

try:
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata
except ImportError as error:  # the whole module is about mteb, and nothing imports it unasked
    raise MissingLibraryError(INSTALL) from error

__all__ = ["TASKS", "CIRALRetrieval", "CLIRuditRetrieval", "CollectionRetrieval", "HC4Retrieval"]

UNPINNED = "pinned on first use"
"""A revision that the first download decides and `xret corpus info` shows, not we."""


class CollectionRetrieval(AbsTaskRetrieval):
    """A task whose documents, queries and judgements are those of one of our collections.

    collection: its name. subsets: (query language, document language) by the task's subset, in
    the collection's codes.
    """

    collection: str
    subsets: dict[str, tuple[str, str]]

    def load_data(self, *_: Any, **__: Any) -> None:
        """Fetch what is not in the cache; documents go through a file, not through memory."""
        if self.data_loaded:
            return
        self.dataset = {}
        for subset in self.hf_subsets:
            self.dataset[subset] = {}
            for split in self.eval_splits:
                corpus = self._open(subset, split)
                # First what is small: reading it pins the revision that the rows are kept by.
                queries = [
                    {"id": query.query_id, "text": query.text, "lang": query.lang}
                    for query in corpus.queries()
                ]
                self.dataset[subset][split] = {
                    "queries": Dataset.from_list(queries),
                    "relevant_docs": corpus.qrels(),
                    "corpus": self._documents(subset, split),
                    "top_ranked": None,
                }
        self.data_loaded = True

    def _open(self, subset: str, split: str) -> Corpus:
        return _open(self.collection, *self.subsets[subset], split)

    def _documents(self, subset: str, split: str) -> Dataset:
        """The rows, kept on disk by collection, language and revision."""
        query_lang, doc_lang = self.subsets[subset]
        return Dataset.from_generator(
            _rows,
            cache_dir=str(home() / "corpora" / "mteb"),
            gen_kwargs={
                "collection": self.collection,
                "query_lang": query_lang,
                "doc_lang": doc_lang,
                "split": split,
                "revision": _revision(self.collection),
            },
        )


def _open(collection: str, query_lang: str, doc_lang: str, split: str) -> Corpus:
    known = find_collection(collection)
    return open_corpus(
        collection,
        doc_langs=[doc_lang],
        query_langs=[query_lang],
        split=split if split in known.splits else None,
    )


def _rows(
    collection: str, query_lang: str, doc_lang: str, split: str, revision: str
) -> Iterator[dict[str, str]]:
    """Every document that can be read. revision: what the rows on disk are told apart by."""
    del revision
    corpus = _open(collection, query_lang, doc_lang, split)
    for document in corpus.documents(on_reject=lambda _: None):
        yield {
            "id": document.doc_id,
            "title": document.title,
            "text": document.text,
            "lang": document.lang,
        }


def _revision(collection: str) -> str:
    """The commit in the catalogue, else the commit that was read first; None before that."""
    known = find_collection(collection)
    repo = known.source.removeprefix("https://huggingface.co/datasets/")
    return known.revision or Pins(collection).commit(repo) or UNPINNED


def _eval_langs(subsets: dict[str, tuple[str, str]]) -> dict[str, list[str]]:
    return {
        name: [iso_language_script(language_code(lang)) for lang in pair]
        for name, pair in subsets.items()
    }


_CLIRUDIT = {"eng-fra": ("en", "fr")}
_HC4 = {f"eng-{lang}": ("eng", lang) for lang in ("fas", "rus", "zho")}
_CIRAL = {
    "eng-hau": ("en", "ha"),
    "eng-som": ("en", "so"),
    "eng-swa": ("en", "sw"),
    "eng-yor": ("en", "yo"),
}


class CLIRuditRetrieval(CollectionRetrieval):
    """English author keywords to French abstracts of Érudit."""

    collection = "clirudit"
    subsets = _CLIRUDIT
    metadata = TaskMetadata(
        name="CLIRuditRetrieval",
        description="English author keywords, three at a time, retrieve the French title and "
        "abstract of academic articles that carry all of them.",
        reference="https://arxiv.org/abs/2504.16264",
        dataset={"path": "ftvalentini/clirudit", "revision": UNPINNED},
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=_eval_langs(_CLIRUDIT),
        main_score="ndcg_at_10",
        domains=["Academic", "Written"],
        task_subtypes=["Article retrieval"],
        license="cc-by-nc-4.0",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation=r"""
@inproceedings{valentini-etal-2025-clirudit,
  author = {Valentini, Francisco and Kozlowski, Diego and Lariviere, Vincent},
  booktitle = {Proceedings of the 5th Workshop on Multilingual Representation Learning},
  pages = {226--242},
  title = {{CLIR}udit: Cross-Lingual Information Retrieval of Scientific Documents},
  year = {2025},
}
""",
    )


class HC4Retrieval(CollectionRetrieval):
    """English titles and descriptions to news in Persian, Russian and Chinese."""

    collection = "hc4"
    subsets = _HC4
    metadata = TaskMetadata(
        name="HC4Retrieval",
        description="English topics, title and description, retrieve Common Crawl news in "
        "Chinese, Persian and Russian, judged on three grades.",
        reference="https://github.com/hltcoe/HC4",
        dataset={"path": "neuclir/hc4", "revision": _revision("hc4")},
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=_eval_langs(_HC4),
        main_score="ndcg_at_20",
        domains=["News", "Written"],
        task_subtypes=["Article retrieval"],
        license="multiple",
        annotations_creators="expert-annotated",
        dialect=[],
        sample_creation="found",
        bibtex_citation=r"""
@inproceedings{lawrie2022hc4,
  author = {Lawrie, Dawn and Mayfield, James and Oard, Douglas W. and Yang, Eugene},
  booktitle = {Advances in Information Retrieval: 44th European Conference on IR Research},
  title = {{HC4}: A New Suite of Test Collections for Ad Hoc {CLIR}},
  year = {2022},
}
""",
    )


class CIRALRetrieval(CollectionRetrieval):
    """English questions to news passages in Hausa, Somali, Swahili and Yoruba."""

    collection = "ciral"
    subsets = _CIRAL
    metadata = TaskMetadata(
        name="CIRALRetrieval",
        description="English questions retrieve passages of African news in Hausa, Somali, "
        "Swahili and Yoruba.",
        reference="https://github.com/ciralproject/ciral",
        dataset={"path": "CIRAL/ciral", "revision": _revision("ciral")},
        type="Retrieval",
        category="t2t",
        modalities=["text"],
        eval_splits=["test-a"],
        eval_langs=_eval_langs(_CIRAL),
        main_score="ndcg_at_20",
        domains=["News", "Written"],
        task_subtypes=["Article retrieval"],
        license="apache-2.0",
        annotations_creators="human-annotated",
        dialect=[],
        sample_creation="found",
        bibtex_citation=r"""
@inproceedings{adeyemi2024ciral,
  author = {Adeyemi, Mofetoluwa and others},
  booktitle = {Proceedings of the 47th International ACM SIGIR Conference},
  title = {{CIRAL}: A Test Collection for {CLIR} Evaluations in African Languages},
  year = {2024},
}
""",
    )


TASKS = (CLIRuditRetrieval, HC4Retrieval, CIRALRetrieval)
