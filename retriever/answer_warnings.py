"""What an answer says beside its hits: what was not read of a query, what has changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xret.errors import LanguageError
from xret.index.storage.documents import MAX_FIELDS
from xret.index.words.expected import analysis_part
from xret.retriever.encoder import Encoder
from xret.retriever.encoders.unread_letters import UnreadLetters
from xret.retriever.languages.codes import language_name
from xret.retriever.lexical.analysis import analysis_version
from xret.retriever.lexical.words import WORDS_SETTING
from xret.types import UNDETERMINED, Mode

__all__ = [
    "changed_routes",
    "missing_shards",
    "mode_of_unread",
    "nothing_found",
    "unknown_fields",
    "unread_warnings",
]

SHOWN_FIELDS = 20


def mode_of_unread(settings: Mapping[str, str], asked: Mode | None) -> Mode:
    """How a question is answered of which nothing is read: by words where the index, of those
    settings, has them and nobody asked for vectors."""
    has_words = analysis_part(settings.get(WORDS_SETTING, "")) == analysis_version()
    return "lexical" if has_words and asked != "dense" else "dense"


def missing_shards(missing: Sequence[str], *, what: str = "the answer") -> list[str]:
    """That parts of the index did not answer, and which."""
    if not missing:
        return []
    n = "a shard" if len(missing) == 1 else f"{len(missing)} shards"
    return [f"{what} is partial: {n} of the index did not answer: {'; '.join(missing)}"]


def nothing_found(lang: str) -> str:
    """That words found nothing, in a language that nobody gave."""
    read = "as no language's" if lang == UNDETERMINED else f"as {language_name(lang)}"
    return f"its words, read {read}, are in no document; say what language it is in (--lang)"


def unread_warnings(unread: UnreadLetters, mode: Mode) -> list[str]:
    """That most letters of a query were not read, where they were not. mode: of its answer."""
    if not unread.mostly:
        return []
    so = "its vectors say little"
    if mode == "lexical":
        so = "it was answered by words alone"
    elif unread.silent:
        so = "it has no vectors, and nothing is found by them; search by words (--mode lexical)"
    return [f"the encoder's vocabulary does not write {unread.described()} of the query; {so}"]


def changed_routes(
    encoder: Encoder, recorded: Mapping[str, Mapping[str, str]], langs: Iterable[str]
) -> list[str]:
    """Of these languages, those whose texts go another way than when they were indexed.

    recorded: by language the adapters that its documents went through.
    """
    through = {lang: _adapter_now(encoder, lang) for lang in langs}
    return [
        f"documents in {language_name(lang)} were indexed through the {language_name(earlier)} "
        f"adapter, and queries in it go through the {language_name(now)} one; build the index "
        "anew to take that for both"
        for lang, now in sorted(through.items())
        for earlier in sorted(recorded[lang].keys() - {now})
        if now
    ]


def unknown_fields(names: Iterable[str], known: Mapping[str, int]) -> list[str]:
    """That no document has metadata of these names. known: those that documents have."""
    lost = [name for name in names if name not in known]
    if not lost or len(known) >= MAX_FIELDS:
        return []
    there = ", ".join([*known][:SHOWN_FIELDS]) or "none"
    return [f"no document has the metadata field {', '.join(map(repr, lost))}; known: {there}"]


def _adapter_now(encoder: Encoder, lang: str) -> str:
    """The adapter that texts in a language go through; empty where a strict policy has none."""
    try:
        route = encoder.route(lang)
    except LanguageError:
        return ""
    return "" if route is None else route.adapter
