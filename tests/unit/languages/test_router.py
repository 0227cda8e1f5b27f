"""Every text through one adapter, in order, and every choice on record."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xret.errors import LanguageError
from xret.retriever.languages.relatives import known_languages
from xret.retriever.languages.router import LanguageRouter, Policy, Route

ADAPTERS = ("en", "es", "pt", "ar", "sw", "zh", "zh-Hant", "no")
LANGS = st.sampled_from([*known_languages(), "und", "fra_Latn", "nb", "uz-Cyrl"])


@given(
    st.lists(LANGS, max_size=30),
    st.lists(st.sampled_from(ADAPTERS), min_size=1, unique=True),
    st.sampled_from([Policy.NEAREST, Policy.DEFAULT]),
)
@settings(deadline=None)
def test_grouping_holds_every_position_once_in_order(
    langs: list[str], adapters: list[str], policy: Policy
) -> None:
    router = LanguageRouter(adapters, policy=policy)
    groups = router.group(langs)
    assert sorted(p for positions in groups.values() for p in positions) == list(range(len(langs)))
    for adapter, positions in groups.items():
        assert adapter in adapters
        assert positions == sorted(positions)
        assert {router.route(langs[p]).adapter for p in positions} == {adapter}


@given(st.lists(LANGS, max_size=30), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_language_takes_the_same_route_whatever_its_neighbours(langs, random) -> None:  # type: ignore[no-untyped-def]
    alone = {lang: LanguageRouter(ADAPTERS).route(lang) for lang in langs}
    shuffled = list(langs)
    random.shuffle(shuffled)
    router = LanguageRouter(ADAPTERS)
    router.group(shuffled)
    assert {lang: router.route(lang) for lang in langs} == alone


@given(st.lists(LANGS, max_size=20))
@settings(deadline=None)
def test_every_choice_is_recorded(langs: list[str]) -> None:
    router = LanguageRouter(ADAPTERS)
    taken = [router.route(lang) for lang in langs]
    assert set(taken) == set(router.routes.values())
    assert all(route.lang == lang for lang, route in router.routes.items())


def test_a_language_goes_through_its_own_adapter_where_there_is_one() -> None:
    router = LanguageRouter(ADAPTERS)
    assert router.route("spa_Latn") == Route("es", "es", "own")
    assert router.route("nb") == Route("nb", "no", "own")
    assert router.route("zh-TW").adapter == "zh-Hant"
    assert router.route("es").describe() == ""


def test_nearest_goes_through_a_relative_and_says_so() -> None:
    route = LanguageRouter(ADAPTERS, policy=Policy.NEAREST).route("gl")
    assert (route.adapter, route.how) == ("pt", "nearest")
    assert route.describe() == "Galician through the Portuguese adapter"
    assert route.reason == "both Galician-Portuguese, Latin script"


def test_strict_refuses_with_the_adapters_that_exist() -> None:
    router = LanguageRouter(["fr", "en"], policy=Policy.STRICT)
    with pytest.raises(LanguageError, match=r"Galician \(gl\).*strict.*exist for: en, fr"):
        router.route("gl")
    assert router.routes == {}
    assert router.route("fr").how == "own"


def test_the_default_takes_what_has_no_adapter() -> None:
    router = LanguageRouter(ADAPTERS, policy=Policy.DEFAULT, default="sw")
    assert router.route("gl") == Route("gl", "sw", "default", "the default adapter")
    assert router.route("pt").how == "own"


@pytest.mark.parametrize("policy", Policy)
def test_text_of_unknown_language_goes_to_the_default_under_every_policy(policy: Policy) -> None:
    route = LanguageRouter(ADAPTERS, policy=policy, default="ar").route("und")
    assert (route.adapter, route.how) == ("ar", "default")
    assert route.describe() == "Text of unknown language through the Arabic adapter"


def test_the_default_is_english_or_else_the_first() -> None:
    assert LanguageRouter(["fr", "en"]).default == "en"
    assert LanguageRouter(["fr", "de"]).default == "fr"


def test_policies_can_be_given_by_name() -> None:
    assert LanguageRouter(ADAPTERS, policy=Policy("strict")).policy is Policy.STRICT


def test_what_cannot_route_is_refused() -> None:
    with pytest.raises(LanguageError, match="no language adapters"):
        LanguageRouter([])
    with pytest.raises(LanguageError, match=r"default adapter 'de' does not exist.*en, fr"):
        LanguageRouter(["fr", "en"], default="de")
    with pytest.raises(LanguageError, match="no language code or name"):
        LanguageRouter(ADAPTERS).route("no such language")
