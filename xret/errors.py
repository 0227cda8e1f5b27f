"""What can go wrong, as one tree.

Every error that crosses a public border is one of these. The message says what was
wrong, what was found and what to do; the command line prints it without a traceback.

    XretError
    ├── ConfigError            a setting or an xret.toml that cannot be used
    ├── LanguageError          a language code or name that does not exist
    ├── CorpusError            a corpus, query or qrels file that cannot be read as one
    │   ├── UnknownCorpusError     a corpus name nobody registered
    │   └── DuplicateIdError       one document id twice, with different content
    ├── ModelError             a model folder that cannot be used
    │   └── UnknownModelError      a model name nobody registered
    ├── MissingLibraryError    an optional library is not installed
    ├── UnusableIndexError            an index that cannot be used
    │   ├── IndexNotFoundError     no index of that name or at that path
    │   ├── DamagedIndexError      a file is missing, cut or changed
    │   ├── EncoderMismatchError   the index was built by another encoder
    │   ├── IndexLockedError       another process is writing to it
    │   ├── ReplacedIndexError     another index lies where it was opened
    │   └── ShardError             a part of a sharded index does not answer
    ├── QueryError             an empty or oversized query, or a k out of range
    │   └── UnknownDocumentError   an index has no document of that id
    ├── DeadlineError          a search was stopped before its end
    ├── RerankError            a reranker gave nothing to order documents by
    ├── DimensionMismatchError vectors of different dimensions
    ├── TranslationError       a translator gave nothing, or not what was asked for
    ├── RunError               a run or qrels that cannot be evaluated
    ├── TrainingError          training cannot start or cannot go on
    └── ServerError            the server cannot start
"""

from typing import ClassVar

__all__ = [
    "ConfigError",
    "CorpusError",
    "DamagedIndexError",
    "DeadlineError",
    "DimensionMismatchError",
    "DuplicateIdError",
    "EncoderMismatchError",
    "IndexLockedError",
    "IndexNotFoundError",
    "LanguageError",
    "MissingLibraryError",
    "ModelError",
    "QueryError",
    "ReplacedIndexError",
    "RerankError",
    "RunError",
    "ServerError",
    "ShardError",
    "TrainingError",
    "TranslationError",
    "UnknownCorpusError",
    "UnknownDocumentError",
    "UnknownModelError",
    "UnusableIndexError",
    "XretError",
]


class XretError(Exception):
    """Root of the tree. `code` is the stable name in JSON, `exit_status` the shell's."""

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 2


class ConfigError(XretError):
    """A setting or an xret.toml that cannot be used."""

    code = "config"


class LanguageError(XretError):
    """A language code or name that does not exist."""

    code = "language"


class CorpusError(XretError):
    """A corpus, query or qrels file that cannot be read as one."""

    code = "corpus"


class UnknownCorpusError(CorpusError):
    """A corpus name that nobody registered."""

    code = "corpus_unknown"


class DuplicateIdError(CorpusError):
    """One document id twice, with different content."""

    code = "duplicate_id"


class ModelError(XretError):
    """A model folder that cannot be used."""

    code = "model"


class UnknownModelError(ModelError):
    """A model name that nobody registered."""

    code = "model_unknown"


class MissingLibraryError(XretError):
    """An optional library is not installed; the message carries the install line."""

    code = "missing_library"


class UnusableIndexError(XretError):
    """An index that cannot be used."""

    code = "index"


class IndexNotFoundError(UnusableIndexError):
    """No index of that name or at that path."""

    code = "index_not_found"


class DamagedIndexError(UnusableIndexError):
    """A file of the index is missing, cut or changed; the message names it."""

    code = "index_damaged"


class EncoderMismatchError(UnusableIndexError):
    """The index was built by another encoder, told apart by content."""

    code = "encoder_mismatch"


class IndexLockedError(UnusableIndexError):
    """Another process is writing to the index."""

    code = "index_locked"


class ReplacedIndexError(UnusableIndexError):
    """Another index lies where this one was opened."""

    code = "index_replaced"


class ShardError(UnusableIndexError):
    """A part of a sharded index does not answer, or not as one of it; the message names it."""

    code = "shard"


class QueryError(XretError):
    """An empty or oversized query, or a number of hits out of range."""

    code = "query"


class DeadlineError(XretError):
    """A search was stopped before its end: its time was over, or nobody waited for it."""

    code = "deadline"
    exit_status = 1


class RerankError(XretError):
    """A reranker gave nothing to order documents by; searches keep the order they had."""

    code = "rerank"
    exit_status = 1


class UnknownDocumentError(QueryError):
    """An index has no document of that id."""

    code = "unknown_document"


class DimensionMismatchError(XretError):
    """Vectors of different dimensions met."""

    code = "dimension_mismatch"


class TranslationError(XretError):
    """A translator gave nothing, or not what was asked for; what came before is kept."""

    code = "translation"
    exit_status = 1


class RunError(XretError):
    """A run or qrels that cannot be evaluated."""

    code = "run"


class TrainingError(XretError):
    """Training cannot start or cannot go on."""

    code = "training"
    exit_status = 1


class ServerError(XretError):
    """The server cannot start."""

    code = "server"
