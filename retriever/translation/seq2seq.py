"""Translation by a local model: Marian, M2M-100 or NLLB, by transformers or CTranslate2."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import langcodes

from xret.errors import LanguageError, MissingLibraryError, ModelError, TranslationError
from xret.retriever.corpora.flores_languages import FLORES_LANGS
from xret.retriever.languages.codes import language_code
from xret.retriever.models.hashes import file_hash

__all__ = ["Seq2SeqTranslator"]

MAX_TOKENS = 512
MARK = re.compile(r">>[\w-]+<<")
SCRIPTS = {"zh": "Hans", "sr": "Cyrl", "uz": "Latn"}
"""The script that is meant where a code names none."""

BEAMS = 4
_FILES = (".json", ".safetensors", ".bin", ".spm", ".model", ".txt")
_INSTALL = {
    "transformers": "pip install transformers torch",
    "ctranslate2": "pip install ctranslate2",
}


class Seq2SeqTranslator:
    """A model in a folder, with its tokenizer; beam search of 4, texts cut at 512 tokens.

    A folder with a `model.bin` and no weights in safetensors is read by CTranslate2, any other
    by transformers. Models of many languages are told both by the tokens that NLLB (`fra_Latn`) and
    M2M-100 (`__fr__`) have for them, a Marian model of several target languages by that which it
    has for the target (`>>fra<<`); a model without such tokens is of one pair, and trusted.
    """

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        files = sorted(p for p in folder.iterdir() if p.suffix in _FILES and p.is_file())
        self.fingerprint = "model-" + _joined([f"{p.name} {file_hash(p)}" for p in files])
        weights = list(folder.glob("*.safetensors"))
        self._fast = (folder / "model.bin").is_file() and not weights
        if not self._fast and not weights:
            raise ModelError(f"{folder} holds no model.safetensors and no CTranslate2 model")
        transformers = _library("transformers")
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True
            )
            if self._fast:
                self._model: Any = _library("ctranslate2").Translator(str(folder))
            else:
                self._model = transformers.AutoModelForSeq2SeqLM.from_pretrained(
                    folder, local_files_only=True, use_safetensors=True
                ).eval()
        except ImportError as error:  # the tokenizer of Marian and others is read by one
            needed = "sentencepiece" if "sentencepiece" in str(error).lower() else str(error)
            raise MissingLibraryError(
                f"the tokenizer in {folder} needs {needed}; install it with: "
                "pip install sentencepiece"
            ) from error
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(f"{folder} cannot be opened as a translator: {error}") from error

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Raises TranslationError for a language that a model of many does not have."""
        texts = self._marked(texts, target)
        first, last = self._token(source), self._token(target)
        if first and last:
            self._tokenizer.src_lang = first
        elif first or last:
            unknown = target if first else source
            raise TranslationError(f"{self.name} has no token for {unknown}; it is not one of its")
        return self._by_ctranslate2(texts, last) if self._fast else self._by_torch(texts, last)

    def _by_torch(self, texts: Sequence[str], last: str) -> list[str]:
        torch = _library("torch")
        batch = self._tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=MAX_TOKENS
        )
        kwargs = {"forced_bos_token_id": self._number(last)} if last else {}
        with torch.inference_mode():
            made = self._model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                num_beams=BEAMS,
                max_new_tokens=MAX_TOKENS,
                do_sample=False,
                **kwargs,
            )
        texts_out: list[str] = self._tokenizer.batch_decode(made, skip_special_tokens=True)
        return texts_out

    def _by_ctranslate2(self, texts: Sequence[str], last: str) -> list[str]:
        tokens = self._tokenizer
        numbers = tokens(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        prefix = [[last]] * len(texts) if last else None
        results = self._model.translate_batch(
            [tokens.convert_ids_to_tokens(one) for one in numbers],
            target_prefix=prefix,
            beam_size=BEAMS,
            max_decoding_length=MAX_TOKENS,
        )
        best = [tokens.convert_tokens_to_ids(result.hypotheses[0]) for result in results]
        texts_out: list[str] = [tokens.decode(one, skip_special_tokens=True) for one in best]
        return texts_out

    def _marked(self, texts: Sequence[str], target: str) -> Sequence[str]:
        """The texts as a Marian model of several targets wants them, others as they are."""
        marks = {token for token in self._tokenizer.get_vocab() if MARK.fullmatch(token)}
        if not marks:
            return texts
        mark = next((m for name in _opus_names(target) if (m := f">>{name}<<") in marks), None)
        if mark is None:
            raise TranslationError(
                f"{self.name} translates to several languages, and not to {target}; it has "
                f"{' '.join(sorted(marks)[:20])}"
            )
        return [f"{mark} {text}" for text in texts]

    def _token(self, lang: str) -> str:
        """The model's own name of a language, empty where it has none."""
        known = self._tokenizer.get_vocab()
        names = [*_flores_names(lang), f"__{lang.partition('-')[0]}__"]
        return next((name for name in names if name in known), "")

    def _number(self, token: str) -> int:
        return int(self._tokenizer.convert_tokens_to_ids(token))


def _opus_names(lang: str) -> list[str]:
    """What OPUS may call a language: its code in two or three letters, with a script or without."""
    code, _, script = lang.partition("-")
    long = langcodes.Language.get(code).to_alpha3()
    # Of Chinese and Arabic OPUS names the variety that is written.
    stems = [code, long, *{"zh": ["cmn"], "ar": ["ara", "arb"]}.get(code, [])]
    with_script = [f"{stem}_{script or SCRIPTS.get(code, '')}" for stem in stems]
    return [*with_script, *stems]


def _flores_names(lang: str) -> list[str]:
    """FLORES's codes of a language, the one that means just it first."""
    names = []
    for name in FLORES_LANGS:
        try:
            code = language_code(name)
        except LanguageError:
            continue
        if code.partition("-")[0] == lang.partition("-")[0]:
            names.append((code != lang, len(code), name))
    return [name for *_, name in sorted(names)]


def _joined(parts: Sequence[str]) -> str:
    import xxhash

    return xxhash.xxh3_128_hexdigest("\n".join(parts).encode())


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingLibraryError(
            f"this translator needs {name}; install it with: {_INSTALL.get(name, name)}"
        ) from error
