"""Languages of an X-MOD checkpoint as it spells them (`en_XX`, `zh_CN`), and as BCP 47 codes.

Elsewhere an adapter is named by the code alone. torch is not imported here.
"""

from __future__ import annotations

from collections.abc import Sequence

from xret.errors import LanguageError
from xret.retriever.languages.codes import language_code

__all__ = ["XMOD_ADAPTERS", "adapter_name", "adapter_spelling"]

# In checkpoint order: the position in this table is the id in `facebook/xmod-base`.
_SPELLINGS = """
    en_XX id_ID vi_VN ru_RU fa_IR sv_SE ja_XX fr_XX de_DE ro_RO ko_KR hu_HU es_XX fi_FI uk_UA
    da_DK pt_XX no_XX th_TH pl_PL bg_BG nl_XX zh_CN he_IL el_GR it_IT sk_SK hr_HR tr_TR ar_AR
    cs_CZ lt_LT hi_IN zh_TW ca_ES ms_MY sl_SI lv_LV ta_IN bn_IN et_EE az_AZ sq_AL sr_RS kk_KZ
    ka_GE tl_XX ur_PK is_IS hy_AM ml_IN mk_MK be_BY la_VA te_IN eu_ES gl_ES mn_MN kn_IN ne_NP
    sw_KE si_LK mr_IN af_ZA gu_IN cy_GB eo_EO km_KH ky_KG uz_UZ ps_AF pa_IN ga_IE ha_NG am_ET
    lo_LA ku_TR so_SO my_MM or_IN sa_IN
"""
# The two whose code is not the first half of the spelling: CLDR takes Tagalog for Filipino.
_RENAMED = {"zh_TW": "zh-Hant", "tl_XX": "fil"}

XMOD_ADAPTERS: dict[str, str] = {
    _RENAMED.get(spelling, spelling.partition("_")[0]): spelling for spelling in _SPELLINGS.split()
}
"""The 81 languages of X-MOD: BCP 47 code to the checkpoint's spelling."""

_NAMES = {spelling: code for code, spelling in XMOD_ADAPTERS.items()}


def adapter_name(spelling: str) -> str:
    """The BCP 47 code of an adapter as a checkpoint spells it.

    Raises LanguageError for a spelling that means no language.

    >>> adapter_name("zh_TW"), adapter_name("rw_RW")
    ('zh-Hant', 'rw')
    """
    return _NAMES.get(spelling) or language_code(spelling)


def adapter_spelling(adapter: str, installed: Sequence[str]) -> str:
    """How a checkpoint with those installed languages spells an adapter.

    Raises LanguageError where it has no such adapter, naming those that it has.
    """
    for spelling in installed:
        if adapter_name(spelling) == adapter:
            return spelling
    names = ", ".join(sorted(adapter_name(spelling) for spelling in installed))
    raise LanguageError(f"the model has no adapter {adapter!r}; it has {names}")
