"""A copy of a model for some languages: fewer pieces, fewer adapters, the same vectors.

The rows of pieces are most of a multilingual model, and a service in two languages uses a
fraction of them (Abdaoui et al. 2020). What is taken away is what the texts of the served
languages do not use; that their vectors are the same is not argued but tried, before the
copy gets its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from xret.errors import ConfigError, LanguageError, ModelError
from xret.retriever.encoder import Encoder, EncoderOptions
from xret.retriever.encoders.sentence_model import SentenceModel
from xret.retriever.encoders.transformer import TransformerEncoder
from xret.retriever.encoders.wordpieces import split_words
from xret.retriever.languages.codes import language_code
from xret.retriever.models.kinds import Kind
from xret.retriever.models.layout import check_loadable, model_kind
from xret.retriever.models.location import model_location
from xret.retriever.models.published import published_folder
from xret.retriever.models.registry import ENCODERS
from xret.retriever.modules.installed_languages import InstalledLanguages
from xret.retriever.opening.encoder import load_encoder
from xret.retriever.trim.folder import (
    FileBytes,
    left_out,
    model_entries,
    table_rows,
    write_trimmed,
)
from xret.retriever.trim.language_modules import write_modules
from xret.retriever.trim.named_texts import named_rows, named_texts
from xret.retriever.trim.piece_choice import PieceChoice
from xret.retriever.trim.report import CARD, TrimReport, write_card
from xret.retriever.trim.served_texts import ServedTexts, whole_text
from xret.retriever.trim.settings import TOKENIZER, Change
from xret.retriever.trim.texts import read_trim_texts
from xret.retriever.trim.vocabulary import Vocabulary, written_scripts
from xret.retriever.xmod.xmod_folder import CARDS
from xret.types import UNDETERMINED, Document, Progress, Query, Work, finished

__all__ = ["ModelTrim", "trim_model", "trim_steps"]

TOLERANCE = 1e-6
"""Largest difference of two numbers that still are the same, in float32."""

_SHOWN = 60


def trim_steps(
    model: str,
    output: Path,
    *,
    langs: Sequence[str],
    texts: Sequence[str] = (),
    min_count: int = 1,
    pieces: int = 0,
) -> Work[TrimReport]:
    """Copy a model with only the vocabulary and the adapters of the languages served.

    texts: files, folders or names of corpora whose pieces are kept; without any, every piece in
    the languages' scripts. Raises ConfigError, LanguageError and ModelError as `ModelTrim` does.
    """
    if min_count > 1 and not texts:
        raise ConfigError("--min-count counts the pieces of texts; give --text as well")
    if pieces and not texts:
        raise ConfigError("--pieces adds to the pieces of texts; give --text as well")
    codes = [language_code(spelling) for spelling in langs]
    unread: set[str] = set()
    read = (lambda: read_trim_texts(texts, codes, unread)) if texts else None
    trim = ModelTrim(model, output, langs=codes, texts=read, min_count=min_count, pieces=pieces)
    report = yield from trim.run()
    return replace(report, unread=tuple(sorted(unread)))


trim_model = finished(trim_steps)
"""The same, run to its end: returns the result alone."""


class ModelTrim:
    """Trimming of one model, once. `report` is there when `run` has come to its end.

    model: a name or a folder, as `load_encoder` takes it. output: a folder that does not exist
    or is empty. langs: those served. texts: called for each reading of the texts whose pieces
    are kept; None keeps every piece of the languages' scripts. min_count: how often a piece
    must occur; above 1 texts with rarer pieces have other vectors, and are counted. pieces:
    with how many the vocabulary is filled up by the likeliest others, 0 for none: what is read
    then is more than the texts, a language of little text above all.

    Raises ConfigError for an output that is taken, LanguageError for a language that the model
    does not have, ModelError for a model that cannot be trimmed.
    """

    def __init__(
        self,
        model: str,
        output: Path,
        *,
        langs: Sequence[str],
        texts: Callable[[], Iterable[Document]] | None = None,
        min_count: int = 1,
        pieces: int = 0,
    ) -> None:
        if min_count < 1:
            raise ConfigError(f"min_count is {min_count}; a piece is kept from 1 occurrence on")
        self.model = model
        self.folder = model_location(model)
        self.output = output
        self.langs = tuple(dict.fromkeys(map(language_code, langs)))
        if not self.langs or UNDETERMINED in self.langs:
            raise LanguageError("name the languages that the model is to serve, such as sw and en")
        _check_output(output, self.folder)
        _check_model(self.folder)
        self.installed = InstalledLanguages.of(self.folder)
        self.installed.check(self.langs)
        self.scripts = written_scripts(self.langs)
        self.texts = None if texts is None else ServedTexts(texts, self.langs)
        self.min_count, self.pieces = min_count, pieces
        self.report: TrimReport | None = None

    def run(self) -> Work[TrimReport]:
        """Choose, write aside, compare, and only then give the copy its name.

        Raises CorpusError for texts in none of the languages, ModelError where a text would
        get other vectors, OSError where the disk refuses; nothing is left behind then.
        """
        if self.texts is not None:
            self.texts.check()
        whole = self._load(self.model)
        choice = self._choice(whole)
        if self.texts is None:
            choice.by_scripts()
        else:
            yield from choice.by_texts(self.texts, min_count=self.min_count, pieces=self.pieces)
        change = Change(
            choice.order,
            table_rows(self.folder),
            self.langs,
            self.installed.spellings(self.langs),
            self._named_prompts(),
        )
        with published_folder(self.output) as aside:
            files: list[FileBytes] = []
            yield from self._write(aside, change, files)
            apart = [0.0]
            yield from self._compare(whole, self._load(str(aside)), choice.compared, apart)
            self.report = self._report(choice, change, files, max(apart))
            write_card(self.folder, aside, self.report)
        return self.report

    def _load(self, model: str) -> Encoder:
        """The model itself, or the copy; of X-MOD's adapters only those that are served."""
        if model_kind(model_location(model)) is Kind.STATIC:
            return load_encoder(model)
        adapters = None if self.installed.spellings(self.langs) is None else self.langs
        options = EncoderOptions(adapters=adapters, backend="torch", device="cpu")
        return load_encoder(model, options=options)

    def _named_prompts(self) -> dict[str, str] | None:
        """Prompts that the registry says instead of the model's files; a copy has no name."""
        registered = ENCODERS.get(self.model)
        return dict(registered.prompts) if registered and registered.prompts else None

    def _choice(self, whole: Encoder) -> PieceChoice:
        vocabulary, prompts = _vocabulary(self.folder, whole)
        fixed = named_rows(self.folder) & vocabulary.pieces.keys()
        named = [*named_texts(self.folder), *prompts]
        always = vocabulary.needed(self.scripts, said=named)
        return PieceChoice(vocabulary, self.langs, self.scripts, always, fixed, prompts)

    def _write(self, aside: Path, change: Change, files: list[FileBytes]) -> Iterator[Progress]:
        """Every file but the card; language modules last, since they are bound to the rest."""
        names = [
            name
            for name in model_entries(self.folder)
            if name.as_posix() != CARD and (name.parts[0] != CARDS or name.stem in self.langs)
        ]
        for done, name in enumerate(names, 1):
            files.append(write_trimmed(self.folder, aside, name, change))
            yield Progress("write", done, len(names), "files")
        if self.installed.beside:
            base = self._load(str(aside)).spec.fingerprint
            files += write_modules(self.folder, aside, self.installed, langs=self.langs, base=base)

    def _compare(
        self, whole: Encoder, trimmed: Encoder, documents: Sequence[Document], apart: list[float]
    ) -> Iterator[Progress]:
        """Encode each text by both, as a document and as a query; how far apart goes to `apart`.

        Raises ModelError for a text with other vectors, or more or fewer of them.
        """
        for done, document in enumerate(documents, 1):
            query = Query("", whole_text(document), document.lang)
            for one, other in (
                (whole.encode_documents([document]), trimmed.encode_documents([document])),
                (whole.encode_queries([query]), trimmed.encode_queries([query])),
            ):
                if one.values.shape != other.values.shape:
                    what = f"are {len(one.values)} before and {len(other.values)} after"
                elif (found := float(np.abs(one.values - other.values).max())) > TOLERANCE:
                    what = f"differ by {found:.1e}"
                else:
                    apart.append(found)
                    continue
                raise ModelError(
                    f"trimmed, {self.model} would not give the same vectors: those of "
                    f"{query.text[:_SHOWN]!r} ({document.lang}) {what}; nothing was written"
                )
            yield Progress("compare", done, len(documents), "texts")

    def _report(
        self, choice: PieceChoice, change: Change, files: Sequence[FileBytes], apart: float
    ) -> TrimReport:
        smaller = choice.vocabulary.smaller(choice.order)
        return TrimReport(
            model=self.model,
            output=str(self.output),
            chosen_by="scripts" if self.texts is None else "texts",
            languages=self.langs,
            scripts=tuple(sorted(self.scripts)),
            pieces_before=change.rows,
            pieces_after=len(change.order),
            module=self.installed.kind,
            languages_before=self.installed.langs,
            languages_after=self.installed.served(self.langs),
            files=tuple(files),
            compared=len(choice.compared),
            largest_difference=apart,
            lines=choice.lines,
            identical=choice.identical,
            skipped=self.texts.skipped if self.texts else 0,
            held_out=choice.held_out,
            scripts_unread=choice.vocabulary.scripts_lost(smaller),
            languages_unread=smaller.unread_langs(self.langs),
            left_out=left_out(self.folder),
        )


def _vocabulary(folder: Path, encoder: Encoder) -> tuple[Vocabulary, list[str]]:
    """The vocabulary as the encoder uses it, and what it sets before texts, "" too.

    Raises ModelError for a tokenizer that is none of the `tokenizers` library's.
    """
    files = [name for name in model_entries(folder) if name.name == TOKENIZER]
    tokens: Tokenizer | None = None
    prompts = {""}
    if isinstance(encoder, TransformerEncoder):
        model = encoder.document_model
        if isinstance(model, SentenceModel):
            tokens = model.tokens
            prompts |= {model.prompt("query") or "", model.prompt("document") or ""}
    elif files:
        tokens = Tokenizer.from_file(str(folder / files[0]))
    if tokens is None or len(files) != 1:
        raise ModelError(
            f"{folder} has {len(files)} files {TOKENIZER}; a model with exactly one can be "
            "trimmed. Save the model with a fast tokenizer of transformers, which writes it"
        )
    prepare = _static_words if model_kind(folder) is Kind.STATIC else str
    vocabulary, rows = Vocabulary(tokens, prepare=prepare), table_rows(folder)
    if vocabulary.size > rows:
        raise ModelError(
            f"the tokenizer in {folder} belongs to another model: it has {vocabulary.size} pieces, "
            f"and the model {rows} rows"
        )
    return vocabulary, sorted(prompts)


def _static_words(text: str) -> str:
    """A text as the static encoder hands it to its tokenizer."""
    return " ".join(split_words(text))


def _check_output(output: Path, folder: Path) -> None:
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise ConfigError(f"{output} is no folder; name one that does not exist yet")
    if output.is_dir() and next(output.iterdir(), None) is not None:
        raise ConfigError(f"{output} is not empty; name a folder that does not exist yet")
    if output.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"{output} lies inside the model that is trimmed; name another folder")


def _check_model(folder: Path) -> None:
    if model_kind(folder) is not Kind.STATIC:
        check_loadable(folder)
    if (folder / "masks").is_dir():
        raise ModelError(
            f"{folder} has sparse masks, which name weights by their places in the whole model; "
            "fold them into it or take them out, then trim"
        )
