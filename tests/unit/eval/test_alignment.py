"""Alignment, fertility and verdicts, against the slow way and on sentences made here."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from encoders import HashingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from xret.errors import CorpusError, DimensionMismatchError, LanguageError, ModelError
from xret.eval.alignment import (
    AlignmentShares,
    SentencePool,
    mexa_hits,
    neuron_correlation,
    pooled,
    retrieval_hits,
)
from xret.eval.evaluation import Interval
from xret.eval.fertility import Fertility, read_tokenizer
from xret.eval.fitness import (
    LanguageFitness,
    check_languages,
    encoder_tokenizer,
    judge,
    threshold_doubts,
    worst_first,
)
from xret.eval.parallel_sentences import (
    ParallelSentences,
    draw_sentences,
    read_parallel_corpus,
    read_parallel_file,
)
from xret.retriever.models.registry import PRETRAINED
from xret.retriever.opening.encoder import load_encoder
from xret.types import Embeddings

WORDS = ("river", "moon", "bread", "stone", "cloud", "lamp", "horse", "snow")


def sentences(n: int) -> list[str]:
    return [f"{WORDS[i % 8]} number {i} of {WORDS[i // 8 % 8]}" for i in range(n)]


@st.composite
def two_sides(draw: st.DrawFn) -> tuple[Embeddings, Embeddings]:
    """n texts on either side, of 1 to 4 vectors each; numbers repeat, so that ties occur."""
    n = draw(st.integers(1, 6))
    sides = []
    for _ in range(2):
        sizes = draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
        numbers = draw(
            st.lists(st.integers(-2, 2), min_size=3 * sum(sizes), max_size=3 * sum(sizes))
        )
        values = np.array(numbers, np.float32).reshape(-1, 3)
        sides.append(Embeddings(values, np.cumsum([0, *sizes]).astype(np.int64)))
    return sides[0], sides[1]


@settings(deadline=None, max_examples=60)
@given(two_sides())
def test_hits_are_those_of_plain_loops(sides: tuple[Embeddings, Embeddings]) -> None:
    left, right = sides
    n = len(left)
    scores = [
        [sum(max(float(q @ t) for t in right[j]) for q in left[i]) for j in range(n)]
        for i in range(n)
    ]
    assert retrieval_hits(left, right).tolist() == [
        all(scores[i][i] > scores[i][j] for j in range(n) if j != i) for i in range(n)
    ]
    a, b = (
        np.rint(64 * np.stack([rows.sum(axis=0) for rows in side])).astype(np.float32)
        for side in sides
    )
    cosines = a @ b.T
    assert mexa_hits(a, b).tolist() == [
        all(
            cosines[i][i] > cosines[i][j] and cosines[i][i] > cosines[j][i]
            for j in range(n)
            if j != i
        )
        for i in range(n)
    ]


def test_one_vector_stands_for_the_mean_of_many() -> None:
    values = np.array([[1, 0], [0, 1], [0, 3], [0, 0]], np.float32)
    found = pooled(Embeddings(values, np.array([0, 2, 3, 4])))
    assert found == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [0, 1], [0, 0]]))
    with pytest.raises(DimensionMismatchError):
        mexa_hits(values, values[:2])


def test_translations_that_share_nothing_align_by_chance_only() -> None:
    """Word for word equal: all hits. Another vocabulary: none. Half and half: half."""
    english = sentences(40)
    pool = SentencePool(HashingEncoder(), english)
    same = pool.align(english, "en")
    assert (same.mexa.mean, same.to_english.mean, same.from_english.mean) == (1, 1, 1)
    foreign = [f"zq{i}x kw{i}y" for i in range(40)]
    assert pool.align(foreign, "xx").retrieval < 0.1
    half = pool.align(english[:20] + foreign[20:], "xx")
    assert 0.5 <= half.to_english.mean < 0.6
    assert half.to_english.low < 0.5 < half.to_english.high
    assert half.to_english.queries == 40
    with pytest.raises(ValueError, match="39 texts for 40"):
        pool.align(english[:39], "en")


def test_fertility_of_a_tokenizer_that_is_known(tmp_path: Path) -> None:
    pieces = {"[UNK]": 0, "the": 1, "cat": 2, "##s": 3, "sl": 4, "##ee": 5, "##p": 6}
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    read = read_tokenizer(tmp_path)
    assert read is not None
    found = read.fertility(["cats, sleep xyz!"], ["the cat"])
    assert found == Fertility(6 / 3, "word", 6 / 2, 1 / 3)
    assert read.fertility(["", "..."], ["the"]).unknown == 0


def test_a_word_of_which_one_piece_is_known_is_not_unknown(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.BPE({"<unk>": 0, "a": 1, "b": 2}, [], unk_token="<unk>"))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    read = read_tokenizer(tmp_path)
    assert read is not None
    assert read.fertility(["azb zz zy ab"], ["ab"]).unknown == 0.5


def test_scripts_without_spaces_are_counted_by_character() -> None:
    read = read_tokenizer(PRETRAINED / "xret-static", static=True)
    assert read is not None
    chinese = read.fertility(["我们今天去北京。"], ["We are going to Beijing today."])
    assert chinese.unit == "character"
    assert 0.3 < chinese.pieces_per_unit <= 1
    assert chinese.unknown == 0
    tibetan = read.fertility(["བོད་ཀྱི་སྐད་ཡིག"], ["the Tibetan language"])
    assert (tibetan.unit, tibetan.unknown) == ("word", 1.0)


def test_an_encoder_without_a_tokenizer_has_no_fertility(tmp_path: Path) -> None:
    assert read_tokenizer(tmp_path) is None
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="not a readable tokenizer"):
        read_tokenizer(tmp_path)
    drawn = draw_sentences({"fr": [(s, s) for s in sentences(30)]}, n=30)
    found = next(iter(check_languages(HashingEncoder(), drawn)))
    assert (found.fertility, found.verdict, found.trained) == (None, "fit", True)


def alignment(retrieval: float, mexa: float = 0.9) -> AlignmentShares:
    share = Interval(retrieval, retrieval, retrieval, 200)
    return AlignmentShares(Interval(mexa, mexa, mexa, 200), share, share)


@pytest.mark.parametrize(
    ("retrieval", "mexa", "unknown", "verdict"),
    [
        (0.8, 0.5, 0.0499, "fit"),
        (0.7999, 0.5, 0.0, "weak"),
        (0.8, 0.4999, 0.0, "weak"),
        (0.8, 0.5, 0.05, "weak"),
        (0.5, 0.5, 0.0, "weak"),
        (0.4999, 0.9, 0.0, "unfit"),
        (0.9, 0.9, 0.25, "unfit"),
    ],
)
def test_the_verdict_turns_at_the_documented_thresholds(
    retrieval: float, mexa: float, unknown: float, verdict: str
) -> None:
    found, reasons = judge(alignment(retrieval, mexa), Fertility(1.0, "word", 1.0, unknown))
    assert found == verdict
    assert bool(reasons) == (verdict != "fit")
    without, _ = judge(alignment(retrieval, mexa), None)
    assert without == ("fit" if unknown >= 0.05 else verdict)


def test_the_worst_language_comes_first() -> None:
    def fitness(lang: str, verdict: str, retrieval: float) -> LanguageFitness:
        return LanguageFitness(
            lang,
            verdict,
            (),
            alignment(retrieval),
            None,
            False,
            "",
            200,
            200,
            21.0,
            (),  # type: ignore[arg-type]
        )

    found = [
        fitness("a", "fit", 0.9),
        fitness("b", "unfit", 0.9),
        fitness("c", "unfit", 0.1),
        fitness("d", "weak", 0.7),
    ]
    assert [each.lang for each in worst_first(found)] == ["c", "b", "d", "a"]
    assert threshold_doubts(found) == []


def test_pairs_are_drawn_once_each_and_alike_by_seed() -> None:
    texts = sentences(150)
    pairs = [(f"{s} fr", s) for s in texts]
    doubled = [*pairs, ("", "x"), ("y", " "), pairs[0], ("other", texts[1]), (pairs[2][0], "new")]
    found = ParallelSentences.drawn("fr", doubled, n=100, seed=3)
    assert (len(found.texts), found.available) == (100, 150)
    assert len(set(found.english)) == 100
    assert all(
        text == f"{english} fr" for text, english in zip(found.texts, found.english, strict=True)
    )
    assert [note for note in found.notes if "left out" in note] == [
        "2 pairs with an empty side are left out",
        "3 pairs that repeat a sentence are left out",
    ]
    assert found == ParallelSentences.drawn("fr", doubled, n=100, seed=3)
    assert found.texts != ParallelSentences.drawn("fr", doubled, n=100, seed=4).texts


def test_too_few_pairs_say_how_many_are_needed() -> None:
    pairs = [(f"{s} fr", s) for s in sentences(25)]
    with pytest.raises(CorpusError, match=r"19 different .* at least 20 are needed, and 100 for"):
        ParallelSentences.drawn("fr", pairs[:19], n=100)
    assert "only 25 pairs" in ParallelSentences.drawn("fr", pairs, n=100).notes[0]


def test_a_language_with_too_few_is_left_out_where_nobody_named_it() -> None:
    pairs = {
        lang: [(f"{s} {lang}", s) for s in sentences(n)] for lang, n in (("fr", 30), ("de", 5))
    }
    said: list[str] = []
    assert [each.lang for each in draw_sentences(pairs, n=30, on_few=said.append)] == ["fr"]
    assert len(said) == 1
    assert "5 different sentence pairs in German (de)" in said[0]
    with pytest.raises(CorpusError, match="German"):
        draw_sentences(pairs, n=30)
    with pytest.raises(CorpusError, match="German"):
        draw_sentences({"de": pairs["de"]}, n=30, on_few=said.append)


GERMAN = "Die Regierung hat gestern beschlossen, dass die Steuern im Jahr {} gesenkt werden."


@pytest.mark.parametrize(
    ("lang", "text", "doubt"),
    [
        ("fr", GERMAN, "look like German (de), not fr"),
        ("de", GERMAN, None),
        ("ru", GERMAN, "in the script Latn, not known to write Russian"),
        ("fo", "The government decided yesterday that taxes fall in {}.", "look like English"),
    ],
)
def test_texts_in_another_language_than_said_are_noticed(
    lang: str, text: str, doubt: str | None
) -> None:
    pairs = [(text.format(1900 + i), f"english {i}") for i in range(100)]
    notes = ParallelSentences.drawn(lang, pairs, n=100).notes
    assert bool(notes) == bool(doubt)
    assert doubt is None or doubt in notes[0]


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_a_file_may_name_its_languages_or_leave_it_to_the_reader(tmp_path: Path) -> None:
    two = write(tmp_path / "a.tsv", "\ufeffeau\twater\r\n\npain\tbread\n")
    assert read_parallel_file(two, ["fr"]) == {"fr": [("eau", "water"), ("pain", "bread")]}
    lines = "swh_Latn\tmaji\twater\nfra\teau\twater\nen\twater\twater\n"
    three = tmp_path / "b.tsv.gz"
    three.write_bytes(gzip.compress(lines.encode()))
    assert read_parallel_file(three, []) == {"fr": [("eau", "water")], "sw": [("maji", "water")]}
    assert read_parallel_file(three, ["sw"]) == {"sw": [("maji", "water")]}


@pytest.mark.parametrize(
    ("text", "langs", "said"),
    [
        ("", ["fr"], "is empty"),
        ("a\tb\nc\n", ["fr"], "a.tsv:2: 1 columns; line 1 has 2"),
        ("a\tb\nfr\tc\td\n", ["fr"], "a.tsv:2: 3 columns; line 1 has 2"),
        ("a\n", ["fr"], "a.tsv:1: 1 columns"),
        ("a\tb\n", [], "does not say the language"),
        ("a\tb\n", ["fr", "de"], "does not say the language"),
        ("fr\ta\tb\n", ["de"], "has no sentences in de; it has fr"),
        ("en\ta\tb\n", [], "no sentence in another language than English"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(
    tmp_path: Path, text: str, langs: list[str], said: str
) -> None:
    with pytest.raises(CorpusError) as error:
        read_parallel_file(write(tmp_path / "a.tsv", text), langs)
    assert said in str(error.value)


def test_a_language_that_does_not_exist_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "fr\ta\tb\nxyzzy\tc\td\n")
    with pytest.raises(LanguageError, match=r"a\.tsv:2: 'xyzzy'"):
        read_parallel_file(path, [])
    (tmp_path / "b.tsv").write_bytes(b"a\tb\n\xff\tc\n")
    with pytest.raises(CorpusError, match=r"b\.tsv:2: not UTF-8"):
        read_parallel_file(tmp_path / "b.tsv", ["fr"])
    with pytest.raises(CorpusError, match="no such file"):
        read_parallel_file(tmp_path / "c.tsv", ["fr"])


def corpus(folder: Path, doc_lang: str, query_lang: str) -> Path:
    """Three documents and their translations as queries, joined by judgements."""
    folder.mkdir()
    for name, lang in (("corpus", doc_lang), ("queries", query_lang)):
        lines = [
            json.dumps({"_id": f"{name}{i}", "text": f"{lang} {i}", "lang": lang}) for i in range(3)
        ]
        write(folder / f"{name}.jsonl", "\n".join(lines))
    write(folder / "qrels.tsv", "".join(f"queries{i}\t0\tcorpus{i}\t1\n" for i in range(3)))
    return folder


def test_judgements_join_sentences_in_either_direction(tmp_path: Path) -> None:
    expected = {"sw": [(f"sw {i}", f"en {i}") for i in range(3)]}
    there = corpus(tmp_path / "a", "en", "sw")
    back = corpus(tmp_path / "b", "sw", "en")
    for folder in (there, back):
        assert read_parallel_corpus(str(folder), []) == expected
        assert read_parallel_corpus(str(folder), ["sw"]) == expected
        with pytest.raises(CorpusError, match="fr"):
            read_parallel_corpus(str(folder), ["fr"])
    neither = corpus(tmp_path / "c", "fr", "sw")
    with pytest.raises(CorpusError, match=r"no query in en|joins a sentence with one in English"):
        read_parallel_corpus(str(neither), [])


def test_questions_with_several_answers_are_no_translations(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "a", "en", "sw")
    write(
        folder / "qrels.tsv",
        "queries0\t0\tcorpus0\t1\nqueries0\t0\tcorpus1\t1\n"
        "queries1\t0\tcorpus1\t1\nqueries2\t0\tcorpus2\t0\n",
    )
    assert read_parallel_corpus(str(folder), []) == {"sw": [("sw 1", "en 1")]}


def test_the_embedded_encoder_serves_swahili_and_not_tibetan(shared: Path) -> None:
    """FLORES sentences, the real encoder: what was measured must not drift unseen."""
    pairs = read_parallel_corpus(str(shared / "data" / "eval" / "flores200-sent"), ["sw", "bo"])
    encoder = load_encoder("xret-static")
    found = {
        fitness.lang: fitness
        for fitness in check_languages(
            encoder,
            draw_sentences(pairs, n=100),
            tokenizer=encoder_tokenizer("xret-static", encoder),
        )
    }
    assert found["sw"].verdict == "fit"
    assert found["bo"].verdict == "unfit"
    assert found["sw"].available > 1000
    assert found["bo"].fertility is not None
    assert found["bo"].fertility.unknown > 0.9


def test_a_modular_encoder_is_checked_through_the_adapters_of_both_languages(
    tmp_path: Path,
) -> None:
    """The same sentences under another language's name take another way, and align less."""
    from tiny_models import tiny_colbert_xm

    folder = tiny_colbert_xm(tmp_path / "model")
    encoder = load_encoder(str(folder))
    texts = sentences(24)
    pairs = [(text, text) for text in texts]
    drawn = draw_sentences({"fr": pairs, "ca": pairs}, n=24)
    tokenizer = encoder_tokenizer(str(folder), encoder)
    found, without = check_languages(encoder, drawn, tokenizer=tokenizer)
    same = SentencePool(encoder, texts).align(texts, "en")
    assert same.mexa.mean == 1.0
    assert found.alignment.mexa.mean < 1.0
    assert found.adapter == ""  # its own
    assert without.adapter.startswith("Catalan through the ")
    assert found.fertility is not None
    assert found.fertility.parity == 1.0
    foreign = tokenizer and tokenizer.fertility(["ꙮꙮ ꙮ river"], ["river"])
    assert foreign is not None
    assert foreign.unknown == pytest.approx(2 / 3)


def test_neuron_correlation_is_the_mean_of_the_dimensions() -> None:
    random = np.random.default_rng(2)
    left, right = random.normal(size=(2, 30, 5)).astype("f4")
    right += left
    right[:, 4] = 3.0
    said = [np.corrcoef(left[:, d], right[:, d])[0, 1] for d in range(4)]
    assert neuron_correlation(left, right) == pytest.approx(sum(said) / 5, abs=1e-5)
    assert neuron_correlation(left, -left) == pytest.approx(-1, abs=1e-5)
