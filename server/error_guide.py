"""What each error code means and what to do about it: the pages that errors point at."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ERROR_GUIDE"]

ERROR_GUIDE: Mapping[str, tuple[str, str]] = {
    "ambiguous_length": (
        "A request said in two ways how long its body is.",
        "Send Content-Length or Transfer-Encoding, not both.",
    ),
    "body_too_large": (
        "The body is larger than the server takes.",
        "Send less at once; who runs the server can raise max_body_bytes.",
    ),
    "bad_request": ("The request could not be read.", "Look at its syntax."),
    "config": ("A setting of the server cannot be used.", "See the server's log."),
    "corpus": ("A document cannot be read as one.", "The message says why."),
    "corpus_unknown": ("No corpus is registered under that name.", "See the server's log."),
    "deadline": (
        "The request was stopped when its time was over.",
        "Ask for less, with a simpler filter, or give a larger timeout_ms.",
    ),
    "dimension_mismatch": ("Vectors of different widths met.", "See the server's log."),
    "duplicate_id": (
        "A document's id is there with other content.",
        "Give every document its own id, or put it with replace.",
    ),
    "encoder_mismatch": (
        "The index was built by another encoder than the one it was opened with.",
        "Who runs the server sees more in its log.",
    ),
    "error": ("Something failed.", "See the server's log."),
    "forbidden": (
        "The key may not do that.",
        "Use a key with the scope that the message names.",
    ),
    "index": ("An index cannot be used.", "See the server's log."),
    "index_damaged": (
        "A file of the index is missing, cut or changed.",
        "Restore it from a copy or build it again; the server's log names the file.",
    ),
    "index_locked": ("Another process writes to the index.", "Try again."),
    "index_not_found": (
        "No index of that name is served, or not to this key.",
        "GET /v1/indexes lists those that are.",
    ),
    "index_replaced": (
        "Another index lies in the place of the one that was open.",
        "Try again: it is opened anew.",
    ),
    "internal": ("Something failed that should not.", "See the server's log."),
    "invalid_json": (
        "The body is not JSON in UTF-8.",
        "NaN, infinite numbers and lone surrogates are no JSON either.",
    ),
    "invalid_request": (
        "A field or parameter is missing, unknown or out of its bounds.",
        "The message names it; /docs lists what each address takes.",
    ),
    "keys_unreadable": (
        "The server's file of keys cannot be read, so that no request is let in.",
        "Who runs the server sees why in its log.",
    ),
    "language": (
        "A language is named that there is not.",
        "Use a code such as fr, sw or zh-Hant.",
    ),
    "malformed_http": ("The request is not valid HTTP/1.1.", "Look at its head."),
    "mcp_not_installed": (
        "The server runs without the library for the Model Context Protocol.",
        "Install xret[mcp] where it runs.",
    ),
    "method_not_allowed": (
        "The address does not take that method.",
        "The Allow header lists those it takes.",
    ),
    "missing_library": ("A library is not installed.", "See the server's log."),
    "model": ("A model cannot be used.", "See the server's log."),
    "model_not_found": ("No such model is served.", "GET /v1/models lists those that are."),
    "model_unknown": ("No model is registered under that name.", "See the server's log."),
    "no_single_vector": (
        "The encoder makes several vectors of a text.",
        "Serve an index of a bi-encoder to get embeddings, or let this one score pairs.",
    ),
    "no_vectors": ("The index is searched by words and has no vectors.", "Use another model."),
    "not_found": ("Nothing is served at this address.", "/docs lists what is."),
    "not_ready": (
        "The server starts, stops, or an index of it cannot be used.",
        "Send searches elsewhere and try again after the time in Retry-After.",
    ),
    "overloaded": (
        "More is asked than can be answered.",
        "Try again after the time in Retry-After.",
    ),
    "query": ("The question or the filter cannot be used.", "The message says why."),
    "request_timeout": ("The body came too slowly.", "Send it faster, or less of it."),
    "rerank": ("The reranker gave no scores.", "See the server's log."),
    "run": ("A ranking cannot be evaluated.", "See the server's log."),
    "server": ("The server cannot do that.", "The message says why."),
    "shard": (
        "A part of the index does not answer.",
        "Try again; who runs the server finds in its log which part, and may allow answers without "
        "it.",
    ),
    "task_unknown": (
        "There is no task of that id, or it is forgotten.",
        "Tasks are kept for a week after they end.",
    ),
    "text_too_long": ("A text is longer than the server takes.", "Cut it."),
    "timeout": ("The texts took too long.", "Send fewer at once."),
    "training": ("Training failed.", "See the log."),
    "translation": ("A translator gave nothing.", "See the server's log."),
    "too_many_requests": (
        "The key has had its requests of this minute.",
        "Try again after the time in Retry-After.",
    ),
    "too_many_texts": ("More texts than the server takes at once.", "Send fewer."),
    "unauthorized": (
        "The request has no key, or one that does not exist or has expired.",
        "Send a key as Authorization: Bearer KEY, or as X-API-Key.",
    ),
    "unknown_document": ("The index has no document of that id.", "Search finds ids."),
    "unknown_host": (
        "The request is for a host name that the server does not answer to.",
        "Ask by localhost or an address; who runs the server can name others (allow_hosts).",
    ),
    "unsupported_media_type": (
        "The body is of a kind that is not taken.",
        "Send JSON, uncompressed, with Content-Type application/json.",
    ),
    "writes_off": (
        "The server takes no changes of documents.",
        "Who runs it sees why in its log: another server may have the folder of its tasks.",
    ),
}
"""By code: what went wrong, and what to do."""
