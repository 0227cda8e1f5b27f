"""What a translation table keeps, and which tables are refused."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from tiny_translation import write_tiny_table

from xret.errors import ModelError
from xret.retriever.translation import table as tables
from xret.retriever.translation.named import open_table
from xret.retriever.translation.table import FACTS, TABLE_FILE, TranslationTable, write_table


def changed(folder: Path, **facts: object) -> Path:
    """The table of a folder with other facts in its metadata."""
    path = folder / TABLE_FILE
    with safe_open(path, framework="np") as stored:
        told = json.loads(stored.metadata()[FACTS]) | facts
    save_file(load_file(path), path, metadata={FACTS: json.dumps(told)})
    return folder


def test_rows_come_back_in_their_order_with_their_probabilities(tmp_path: Path) -> None:
    table = write_tiny_table(tmp_path)
    german = table.language("de")
    assert german is not None
    assert [name for name, _ in german.translations("bank") or ()] == ["bank", "bench"]
    shares = [share for _, share in german.translations("bank") or ()]
    assert shares == pytest.approx([0.6, 0.4], abs=1 / 255)
    assert german.translations("die") == ()
    assert german.translations("unbekannt") is None
    assert sum(shares) <= 1


def test_a_relative_without_a_table_is_read_by_the_one_of_its_words(tmp_path: Path) -> None:
    write_table(tmp_path / TABLE_FILE, "en", ["sun"], {"no": {"sol": (1, [(0, 1.0)])}}, probes={})
    table = TranslationTable.open(tmp_path)
    nynorsk = table.language("nn")
    assert nynorsk is not None and nynorsk.translations("sol") == (("sun", 1.0),)
    assert table.language("fi") is None


def test_backwards_follows_bayes(tmp_path: Path) -> None:
    rows = {"de": {"fluss": (8.0, [(0, 1.0)]), "strom": (4.0, [(0, 0.5), (1, 0.5)])}}
    write_table(tmp_path / TABLE_FILE, "en", ["river", "stream"], rows, probes={})
    german = TranslationTable.open(tmp_path).language("de")
    assert german is not None
    (first, share), (second, other) = german.backwards["river"]
    assert (first, second) == ("fluss", "strom")
    assert share == pytest.approx(8 / 10, abs=0.01) and share + other == pytest.approx(1)


def test_equal_tables_have_equal_bytes_and_fingerprints(tmp_path: Path) -> None:
    one, other = write_tiny_table(tmp_path / "a"), write_tiny_table(tmp_path / "b")
    assert one.path.read_bytes() == other.path.read_bytes()
    assert one.fingerprint == other.fingerprint


def test_another_text_analysis_is_refused_by_its_version(tmp_path: Path) -> None:
    write_tiny_table(tmp_path)
    changed(tmp_path, analysis="0+snowball-3.0.1")
    with pytest.raises(ModelError, match=r"analysis 0\+snowball.*train the\s+table again"):
        TranslationTable.open(tmp_path)


def test_another_stemmer_is_told_by_what_it_makes_of_words(tmp_path: Path) -> None:
    write_tiny_table(tmp_path)
    version = f"{tables.analysis_version().partition('+')[0]}+snowball-0.0"
    same = TranslationTable.open(changed(tmp_path, analysis=version))
    assert same.language("de") is not None
    probes = {"de": [["Mondlandschaft", ["mondlandschaft-as-it-was"]]]}
    other = TranslationTable.open(changed(tmp_path, probes=probes))
    assert other.language("ru") is not None
    with pytest.raises(ModelError, match="the terms of de in"):
        other.language("de")


@pytest.mark.parametrize("name", ["de.targets", "de.lengths", "en.terms"])
def test_arrays_that_do_not_belong_together_are_refused(tmp_path: Path, name: str) -> None:
    table = write_tiny_table(tmp_path)
    tensors = load_file(table.path)
    with safe_open(table.path, framework="np") as stored:
        metadata = stored.metadata()
    save_file(tensors | {name: tensors[name][:-1]}, table.path, metadata=metadata)
    with pytest.raises(ModelError):
        TranslationTable.open(tmp_path).language("de")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no translation table"):
        open_table(str(tmp_path / "nowhere"))
    (tmp_path / TABLE_FILE).write_bytes(b"no table")
    with pytest.raises(ModelError, match="no readable translation table"):
        open_table(str(tmp_path))
    save_file({}, tmp_path / TABLE_FILE, metadata={FACTS: '{"format": "another"}'})
    with pytest.raises(ModelError, match="of this version"):
        open_table(str(tmp_path))
