"""An xret index as a search model of mteb (its SearchProtocol: `index`, then `search`).

    from xret.eval.mteb_search import IndexSearch

    mteb.evaluate(IndexSearch.of_encoder("xret-static", folder="indices"), tasks)

The language of every text reaches our routing: that of its own row (a column `lang` or
`language`), else the one language of the task's subset, else the one identified among those
of the subset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import langcodes

from xret.errors import ConfigError, MissingLibraryError, RunError
from xret.index.search.reader import IndexReader
from xret.retriever.build import IndexBuild
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.languages.codes import language_code
from xret.retriever.languages.identification import identify_language
from xret.retriever.models.kinds import Kind
from xret.retriever.models.registry import ENCODERS
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.searcher import Searcher
from xret.types import MAX_K, UNDETERMINED, Document, LangSource, Query

if TYPE_CHECKING:
    from mteb.models.model_meta import ModelMeta

__all__ = ["INSTALL", "IndexSearch", "iso_language_script"]

INSTALL = "mteb is not installed; install it with: pip install 'xret[eval]'"
QUERIES_AT_ONCE = 256
LANG_COLUMNS = ("lang", "language")


class IndexSearch:
    """What mteb calls to index a corpus and to search it.

    Made by `of_encoder`, which builds an index for each task, split and subset, or by
    `of_index`, which answers from one that is there. Close it when done.
    """

    def __init__(self, encoder: Encoder, folder: Path | None, searcher: Searcher | None) -> None:
        self._encoder = encoder
        self._folder = folder
        self._searcher = searcher

    @classmethod
    def of_encoder(
        cls, encoder: str, *, folder: str | Path, options: EncoderOptions | None = None
    ) -> IndexSearch:
        """Indices go into `folder` and stay there: another run adds only what is new."""
        return cls(load_encoder(encoder, options=options), Path(folder), None)

    @classmethod
    def of_index(cls, index: str | Path) -> IndexSearch:
        """An index, by name or folder, that holds every document of the task."""
        searcher = Searcher.open(index)
        return cls(searcher.encoder, None, searcher)

    def close(self) -> None:
        """Close the index that is open."""
        if self._searcher is not None:
            self._searcher.close()
            self._searcher = None

    @property
    def mteb_model_meta(self) -> ModelMeta:
        """Name, fingerprint as the revision, and the encoder's languages in mteb's spelling."""
        try:
            from mteb.models.model_meta import ModelMeta, ScoringFunction
        except ImportError as error:
            raise MissingLibraryError(INSTALL) from error
        spec = self._encoder.spec
        row = ENCODERS.get(spec.name)
        single = row is not None and row.kind is Kind.BI_ENCODER
        return ModelMeta(
            loader=None,
            name=spec.name if spec.name.count("/") == 1 else f"xret/{Path(spec.name).name}",
            revision=spec.fingerprint,
            release_date=None,
            languages=[iso_language_script(code) for code in spec.languages],
            n_parameters=None,
            memory_usage_mb=None,
            max_tokens=None,
            embed_dim=spec.dim,
            license=None,
            open_weights=True,
            public_training_code=None,
            public_training_data=None,
            framework=[],
            similarity_fn_name=ScoringFunction.DOT_PRODUCT if single else ScoringFunction.MAX_SIM,
            use_instructions=False,
            training_datasets=None,
            model_type=["dense" if single else "late-interaction"],
        )

    def index(
        self,
        corpus: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        **_: Any,
    ) -> None:
        """Index the corpus, or check that the index there holds it."""
        langs = subset_languages(task_metadata, hf_subset)
        documents = (_document(row, langs) for row in corpus)
        if self._folder is None:
            self._check(documents)
            return
        self.close()
        name = f"{task_metadata.name}-{hf_subset}-{hf_split}".replace("/", "-")
        folder = self._folder / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        for _step in IndexBuild(documents, folder, self._encoder).run():
            pass
        self._searcher = Searcher(folder.name, IndexReader.open(folder), self._encoder)

    def search(
        self,
        queries: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_subset: str,
        top_k: int,
        top_ranked: Any = None,
        **_: Any,
    ) -> dict[str, dict[str, float]]:
        """Scores of the best documents by query; as many as mteb asks for.

        Raises RunError for a reranking task, and where no index is open.
        """
        if top_ranked is not None:
            raise RunError(
                f"{task_metadata.name} reranks given candidates; an index searches all documents"
            )
        if self._searcher is None:
            raise RunError("nothing is indexed yet; mteb calls index before search")
        langs = subset_languages(task_metadata, hf_subset)
        asked = [_query(row, langs) for row in queries]
        found: dict[str, dict[str, float]] = {}
        for start in range(0, len(asked), QUERIES_AT_ONCE):
            batch = asked[start : start + QUERIES_AT_ONCE]
            ranked = self._searcher.rank(batch, min(top_k, MAX_K))
            for query, hits in zip(batch, ranked, strict=True):
                found[query.query_id] = {hit.doc_id: float(hit.score) for hit in hits}
        return found

    def _check(self, documents: Iterator[Document]) -> None:
        """That the open index has the corpus's documents, and no others to rank above them."""
        if self._searcher is None:
            raise ConfigError("the index is closed; open it again with IndexSearch.of_index")
        wanted = {document.doc_id for document in documents}
        reader = self._searcher.reader
        held = {document.doc_id for document in reader.documents(sorted(wanted))}
        total = reader.info().documents
        if held != wanted or total != len(wanted):
            raise RunError(
                f"the index {self._searcher.name} holds {len(held):,} of the {len(wanted):,} "
                f"documents of this task and {total - len(held):,} others; build one of this task "
                "alone with IndexSearch.of_encoder"
            )


def subset_languages(task_metadata: Any, hf_subset: str) -> tuple[str, ...]:
    """BCP 47 codes of a task's subset; () where the task does not say."""
    by_subset = task_metadata.hf_subsets_to_langscripts
    codes: Sequence[str] = by_subset.get(hf_subset, ())
    return tuple(dict.fromkeys(language_code(code) for code in codes))


def iso_language_script(code: str) -> str:
    """mteb's spelling of a language: ISO 639-3 and the script.

    >>> [iso_language_script(code) for code in ("fr", "zh-Hant", "sw")]
    ['fra-Latn', 'zho-Hant', 'swa-Latn']
    """
    language = langcodes.Language.get(code).maximize()
    return f"{language.to_alpha3()}-{language.script}"


def _document(row: Mapping[str, Any], langs: Sequence[str]) -> Document:
    title, text = str(row.get("title") or ""), str(row.get("text") or "")
    lang, source, confidence = _language(row, f"{title} {text}", langs)
    return Document(
        str(row["id"]), text, lang, title=title, lang_source=source, lang_confidence=confidence
    )


def _query(row: Mapping[str, Any], langs: Sequence[str]) -> Query:
    text = row["text"]
    if not isinstance(text, str):
        raise RunError("xret searches with plain questions; conversations are not supported")
    if row.get("instruction"):
        raise RunError("xret searches with plain questions; instructions are not supported")
    lang, source, _ = _language(row, text, langs)
    return Query(str(row["id"]), text, lang, source)


def _language(
    row: Mapping[str, Any], text: str, langs: Sequence[str]
) -> tuple[str, LangSource, float]:
    """(code, how it is known, confidence): of the row, of the subset, else identified."""
    given = next((row[name] for name in LANG_COLUMNS if row.get(name)), None)
    if given is not None:
        return language_code(str(given)), "given", 1.0
    if len(langs) == 1:
        return langs[0], "given", 1.0
    found, confidence = identify_language(text, candidates=langs or None)
    return found, "unknown" if found == UNDETERMINED else "identified", round(confidence, 4)
