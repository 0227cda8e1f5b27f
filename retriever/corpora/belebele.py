"""Belebele: questions and FLORES passages, parallel in 122 language varieties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from xret.retriever.corpora.collection import Choice, Collection, Part
from xret.retriever.corpora.columns import good_fields
from xret.retriever.corpora.hub import HubConfig
from xret.retriever.corpora.qrels import Qrels
from xret.retriever.corpora.records import Record
from xret.retriever.languages.codes import language_code
from xret.types import Query

__all__ = ["COLLECTION"]

REPO, REVISION = "mteb/belebele", "979a211276faa22f671e69d096634193567cfd05"
_CODES = """
    acm_Arab afr_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab
    asm_Beng azj_Latn bam_Latn ben_Beng ben_Latn bod_Tibt bul_Cyrl cat_Latn ceb_Latn ces_Latn
    ckb_Arab dan_Latn deu_Latn ell_Grek eng_Latn est_Latn eus_Latn fin_Latn fra_Latn fuv_Latn
    gaz_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hin_Latn hrv_Latn hun_Latn
    hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kac_Latn kan_Knda
    kat_Geor kaz_Cyrl kea_Latn khk_Cyrl khm_Khmr kin_Latn kir_Cyrl kor_Hang lao_Laoo lin_Latn
    lit_Latn lug_Latn luo_Latn lvs_Latn mal_Mlym mar_Deva mkd_Cyrl mlt_Latn mri_Latn mya_Mymr
    nld_Latn nob_Latn npi_Deva npi_Latn nso_Latn nya_Latn ory_Orya pan_Guru pbt_Arab pes_Arab
    plt_Latn pol_Latn por_Latn ron_Latn rus_Cyrl shn_Mymr sin_Latn sin_Sinh slk_Latn slv_Latn
    sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn
    tam_Taml tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tsn_Latn tso_Latn tur_Latn ukr_Cyrl
    urd_Arab urd_Latn uzn_Latn vie_Latn war_Latn wol_Latn xho_Latn yor_Latn zho_Hans zho_Hant
    zsm_Latn zul_Latn
"""
LANGS = tuple(_CODES.split())


def _config(lang: str) -> HubConfig:
    return HubConfig(REPO, REVISION, lang, "test", "belebele")


def _rows(lang: str) -> Iterator[tuple[str, Any]]:
    """Rows with the number of their passage, which is the same in every language.

    Passages are parallel by their source address; two of one address are told apart by their
    order.
    """
    rows = [fields for _, fields in good_fields(_config(lang).records())]
    numbers = {link: n for n, link in enumerate(sorted({str(row["link"]) for row in rows}))}
    texts: dict[str, dict[str, int]] = {}
    for row in rows:
        known = texts.setdefault(str(row["link"]), {})
        place = known.setdefault(str(row["flores_passage"]), len(known))
        yield f"{numbers[str(row['link'])]:03}.{place}", row


def _documents(lang: str) -> Iterator[Record]:
    seen = set()
    for number, row in _rows(lang):
        if number not in seen:
            seen.add(number)
            fields = {"id": f"bb-{number}:{lang}", "text": row["flores_passage"]}
            yield Record({**fields, "url": str(row["link"])}, f"{REPO}: {lang} {number}")


def _queries(lang: str) -> Iterator[Query]:
    for number, row in _rows(lang):
        query_id = f"bb-{number}-q{row['question_number']}:{lang}"
        yield Query(query_id, str(row["question"]), language_code(lang))


def _part(doc_lang: str, query_langs: Sequence[str]) -> Part:
    def queries(_: object) -> Iterator[Query]:
        for lang in query_langs:
            yield from _queries(lang)

    def qrels() -> Qrels:
        found: Qrels = {}
        for lang in query_langs:
            for number, row in _rows(lang):
                query_id = f"bb-{number}-q{row['question_number']}:{lang}"
                found[query_id] = {f"bb-{number}:{doc_lang}": 1}
        return found

    files = tuple(_config(lang) for lang in dict.fromkeys((doc_lang, *query_langs)))
    return Part(
        name=doc_lang,
        doc_lang=doc_lang,
        sources=files,
        documents=lambda: _documents(doc_lang),
        queries=queries,
        qrels=qrels,
    )


def _parts(choice: Choice) -> Sequence[Part]:
    return [_part(lang, choice.query_langs or choice.doc_langs) for lang in choice.doc_langs]


COLLECTION = Collection(
    name="belebele",
    title="Belebele: questions to FLORES passages, parallel in 122 language varieties",
    doc_langs=LANGS,
    query_langs=LANGS,
    default_query_langs=("eng_Latn",),
    documents=dict.fromkeys(LANGS, 488),
    licence="CC BY-SA 4.0",
    source=f"https://huggingface.co/datasets/{REPO}",
    revision=REVISION,
    checksums="the hub's, of every file at that commit",
    citation="Bandarkar, Liang, Muller, Artetxe, Shukla, Husa, Goyal, Krishnan, Zettlemoyer, "
    "Khabsa: The Belebele Benchmark: a Parallel Reading Comprehension Dataset in 122 Language "
    "Variants. ACL 2024.",
    template="the passage; no title",
    grades="1 the passage the question is about",
    judged="900 questions a language over 488 passages",
    parts=_parts,
)
