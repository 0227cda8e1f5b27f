"""Parallel text: every shape is read alike by every command that takes --parallel."""

import gzip
import json
from pathlib import Path

import pytest

from xret.errors import CorpusError
from xret.eval.parallel_sentences import read_parallel_file
from xret.retriever.training.recipes.records import ExampleReader

PAIRS = [("eau", "water"), ("pain", "bread")]
SHAPES = {
    "two.tsv": "eau\twater\npain\tbread\n",
    "three.tsv": "fr\teau\twater\nfra\tpain\tbread\n",
    "four.tsv.gz": "fr\ten\teau\twater\n\nfra\teng\tpain\tbread\n",
    "said.jsonl": "".join(
        json.dumps({"source": a, "target": b, "source_lang": "fr", "target_lang": "en"}) + "\n"
        for a, b in PAIRS
    ),
    "unsaid.jsonl": "".join(json.dumps({"source": a, "target": b}) + "\n" for a, b in PAIRS),
}


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", SHAPES)
def test_checking_adding_and_aligning_read_every_shape(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, SHAPES[name])
    assert read_parallel_file(path, ["fr"]) == {"fr": PAIRS}
    reader = ExampleReader(parallel=True, source_lang="fr", target_lang="en")
    list(reader.read([path]))
    found = [(e.query, e.positive, e.query_lang, e.positive_lang) for e in reader.examples]
    assert found == [(*pair, "fr", "en") for pair in PAIRS]


def test_english_may_stand_on_either_side_and_other_pairs_are_passed_over(tmp_path: Path) -> None:
    text = "en\tfr\twater\teau\nde\tfr\tBrot\tpain\nfr\ten\tpain\tbread\n"
    assert read_parallel_file(write(tmp_path / "a.tsv", text), []) == {"fr": PAIRS}


@pytest.mark.parametrize("text", ["a\tb\nfr\tc\td\n", "fr\ta\tb\nfr\ten\tc\td\n", "a\tb\nc\n"])
def test_shapes_do_not_mix_in_a_file(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.tsv", text)
    said = r"a.tsv:2: \d columns; line 1 has \d; each line is text<TAB>text, lang<TAB>text"
    with pytest.raises(CorpusError, match=said):
        read_parallel_file(path, ["fr"])
    with pytest.raises(CorpusError, match=said):
        list(ExampleReader(parallel=True).read([path]))
