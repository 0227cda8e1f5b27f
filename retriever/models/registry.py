"""The encoders known by name: where they come from, what they need, who may use them.

A row says what is known of a model without its files. No revision is invented: None means
that nobody has checked a commit of the model with xret yet; the first `xret model pull`
takes the newest, and writes down which that was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xret.retriever.models.kinds import Kind

__all__ = ["DEFAULT_ENCODER", "ENCODERS", "RegisteredEncoder", "languages_of"]

PRETRAINED = Path(__file__).parents[1] / "pretrained"
DEFAULT_ENCODER = "xret-modular"

# As the models' cards list them; X-MOD's are those of its configuration.
_XMOD = """
    en id vi ru fa sv ja fr de ro ko hu es fi uk da pt no th pl bg nl zh he el it sk hr tr ar cs
    lt hi zh-Hant ca ms sl lv ta bn et az sq sr kk ka fil ur is hy ml mk be la te eu gl mn kn ne
    sw si mr af gu cy eo km ky uz ps pa ga ha am lo ku so my or sa
"""
_XLMR = """
    af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he
    hi hr hu hy id is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om
    or pa pl ps pt ro ru sa sd si sk sl so sq sr su sv sw ta te th fil tr ug uk ur uz vi xh yi zh
"""
_MGTE = """
    af ar az be bg bn ca ceb cs cy da de el en es et eu fa fi fr gl gu he hi hr ht hu hy id is
    it ja jv ka kk km kn ko ky lo lt lv mk ml mn mr ms my ne nl pa pl pt qu ro ru si sk sl so sq
    sr sv sw ta te th fil tr uk ur vi yo zh
"""
_LABSE = """
    af am ar as az be bg bn bo bs ca ceb co cs cy da de el en eo es et eu fa fi fr fy ga gd gl
    gu ha haw he hi hmn hr ht hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi
    mk ml mn mr ms mt my ne nl no ny or pa pl pt ro ru rw si sk sl sm sn so sq sr st su sv sw ta
    te tg th tk fil tr tt ug uk ur uz vi wo xh yi yo zh zu
"""

_PICKLE = "published, as far as is known, as pytorch_model.bin only: needs a converted copy"
_REMOTE = "needs Python code from the hub, which xret never runs: refused unless a converted copy"


@dataclass(frozen=True, slots=True)
class RegisteredEncoder:
    """A row of the registry. `folder` is where a shipped encoder lies, `repo` its id on the hub.

    revision: a 40-hex commit, or None for "unpinned: pinned on first use and recorded".
    max_tokens and query_tokens: of a document and of a query, None where the model's files
    say. prompts: by task, where the model's files do not bring them. note: what to know
    before using it. commercial: whether the licence allows commercial use. earlier: of a shipped
    encoder, the editions before this one by the fingerprints that indices record of them.
    """

    kind: Kind
    licence: str
    languages: tuple[str, ...] = ()
    repo: str | None = None
    revision: str | None = None
    folder: Path | None = None
    dim: int | None = None
    max_tokens: int | None = None
    query_tokens: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    language_adapters: bool = False
    commercial: bool = True
    note: str = ""
    earlier: Mapping[str, str] = field(default_factory=dict)

    @property
    def shipped(self) -> bool:
        """Whether its weights are in this installation of the package."""
        return self.folder is not None and (self.folder / "config.json").is_file()


def _e5(size: str, dim: int) -> RegisteredEncoder:
    return RegisteredEncoder(
        kind=Kind.BI_ENCODER,
        licence="MIT",
        languages=tuple(_XLMR.split()),
        repo=f"intfloat/multilingual-e5-{size}",
        dim=dim,
        max_tokens=512,
        query_tokens=512,
        prompts={"query": "query: ", "document": "passage: "},
    )


ENCODERS: dict[str, RegisteredEncoder] = {
    "xret-static": RegisteredEncoder(
        kind=Kind.STATIC,
        licence="CC-BY-SA-4.0",
        revision="0.1.0",
        folder=PRETRAINED / "xret-static",
    ),
    "xret-modular": RegisteredEncoder(
        kind=Kind.LATE_INTERACTION,
        licence="CC-BY-SA-4.0",
        revision="0.3.0",
        language_adapters=True,
        folder=PRETRAINED / "xret-modular",
        earlier={
            "7c99590ca749dfb5ac9d43d3a6e79762": "first",  # a vector a word
            "1e4c3bf50a0a6953ea37a61a38c81d65": "first",  # a vector a text
            "9293f1c69356fb3b24ee2a9962e0e551": "second",  # pooled by 3
            "6f26d5df3943403468f5eedc0a46861f": "second",  # pooled by 2
            "a70b5cac33eb9d0fa92c3b79ad91256e": "second",  # a vector a text
            "aff4ae729ca24b536ef458a6ac977cc6": "second",  # the same, of the folder pooled by 2
        },
    ),
    "colbert-xm": RegisteredEncoder(
        kind=Kind.LATE_INTERACTION,
        licence="MIT",
        languages=tuple(_XMOD.split()),
        repo="antoinelouis/colbert-xm",
        dim=128,
        max_tokens=256,
        query_tokens=32,
        language_adapters=True,
    ),
    "dpr-xm": RegisteredEncoder(
        kind=Kind.BI_ENCODER,
        licence="MIT",
        languages=tuple(_XMOD.split()),
        repo="antoinelouis/dpr-xm",
        dim=768,
        max_tokens=512,
        query_tokens=512,
        language_adapters=True,
    ),
    "bge-m3": RegisteredEncoder(
        kind=Kind.BI_ENCODER,
        licence="MIT",
        languages=tuple(_XLMR.split()),
        repo="BAAI/bge-m3",
        dim=1024,
        max_tokens=8192,
        query_tokens=8192,
        note=_PICKLE,
    ),
    "bge-m3-multi-vector": RegisteredEncoder(
        kind=Kind.LATE_INTERACTION,
        licence="MIT",
        languages=tuple(_XLMR.split()),
        repo="BAAI/bge-m3",
        dim=1024,
        max_tokens=8192,
        query_tokens=8192,
        note=_PICKLE + ", with the projection of colbert_linear.pt as its Dense module",
    ),
    "multilingual-e5-small": _e5("small", 384),
    "multilingual-e5-base": _e5("base", 768),
    "multilingual-e5-large": _e5("large", 1024),
    "gte-multilingual-base": RegisteredEncoder(
        kind=Kind.BI_ENCODER,
        licence="Apache-2.0",
        languages=tuple(_MGTE.split()),
        repo="Alibaba-NLP/gte-multilingual-base",
        dim=768,
        max_tokens=8192,
        query_tokens=8192,
        note=_REMOTE,
    ),
    "arctic-embed-l-v2.0": RegisteredEncoder(
        kind=Kind.BI_ENCODER,
        licence="Apache-2.0",
        languages=tuple(_MGTE.split()),
        repo="Snowflake/snowflake-arctic-embed-l-v2.0",
        dim=1024,
        max_tokens=8192,
        query_tokens=8192,
        prompts={"query": "query: "},
    ),
    "LaBSE": RegisteredEncoder(
        kind=Kind.BI_ENCODER,
        licence="Apache-2.0",
        languages=tuple(_LABSE.split()),
        repo="sentence-transformers/LaBSE",
        dim=768,
        max_tokens=256,
        query_tokens=256,
    ),
    "mLateOn": RegisteredEncoder(
        kind=Kind.LATE_INTERACTION,
        licence="unknown",
        repo="lightonai/mLateOn",
        note="nothing of it is verified, not even its id on the hub; read its card",
    ),
    "jina-colbert-v2": RegisteredEncoder(
        kind=Kind.LATE_INTERACTION,
        licence="CC-BY-NC-4.0",
        repo="jinaai/jina-colbert-v2",
        dim=128,
        max_tokens=8192,
        query_tokens=32,
        commercial=False,
        note=_REMOTE + "; 89 languages by its card, not listed here",
    ),
}


def languages_of(registered: RegisteredEncoder) -> list[str]:
    """BCP 47 codes; a shipped encoder's come from its configuration, not from its weights."""
    if registered.folder is None or not registered.shipped:
        return list(registered.languages)
    config = json.loads((registered.folder / "config.json").read_text(encoding="utf-8"))
    return [str(code) for code in config["languages"]]
