"""Corpora whose documents depend on the language of the queries."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

from xret.retriever.corpora.registry import open_corpus


def write_pair(folder: Path, lang: str, words: str) -> None:
    folder.mkdir(parents=True)
    for kind, text, code in (("corpus", f"the {words}", "en"), ("queries", words, lang)):
        record = {"_id": f"{lang}-{kind}", "text": text, "lang": code}
        (folder / f"{kind}.jsonl").write_text(json.dumps(record) + "\n")
    (folder / "qrels.tsv").write_text(f"{lang}-queries\t0\t{lang}-corpus\t1\n")


def test_each_pair_of_a_folder_has_an_index_of_its_own(
    xret: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    write_pair(tmp_path / "pairs" / "deu-eng", "de", "gold river")
    write_pair(tmp_path / "pairs" / "fra-eng", "fr", "silver moon")
    for lang in ("deu", "fra"):
        done = xret("eval", "pairs", "--lang", lang, "--measure", "Success@1", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["results"][-1]["measures"]["Success@1"] == 1.0


def test_a_collection_of_pairs_is_named_by_its_pairs() -> None:
    names = {
        open_corpus("tatoeba", doc_langs=["eng"], query_langs=[lang]).name
        for lang in ("deu", "fra", "all")
    }
    assert len(names) == 3
    assert max(len(name or "") for name in names) < 200
