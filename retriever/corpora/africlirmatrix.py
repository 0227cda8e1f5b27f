"""AfriCLIRMatrix: English titles of Wikipedia over articles in 15 African languages."""

from __future__ import annotations

from collections.abc import Sequence

from xret.retriever.corpora.collection import Choice, Collection, Part
from xret.retriever.corpora.download import UrlFile
from xret.retriever.corpora.hub import HubFiles
from xret.retriever.corpora.pins import collection_folder
from xret.retriever.corpora.qrels import read_qrels
from xret.retriever.corpora.topics import read_queries

__all__ = ["COLLECTION"]

REPO, REVISION = "castorini/africlirmatrix", "640a77e33ab4ceb4ae7da6e9cc3cc3016fbf36af"
TOPICS_COMMIT = "29941eca075cc5488f1260af54165b3e6a2282d5"
TOPICS = f"https://raw.githubusercontent.com/{REPO}/{TOPICS_COMMIT}/test"
NAMES = {
    "afr": "afrikaans",
    "amh": "amharic",
    "ary": "moroccan_arabic",
    "arz": "egyptian_arabic",
    "hau": "hausa",
    "ibo": "igbo",
    "nso": "northern_sotho",
    "sna": "shona",
    "som": "somali",
    "swa": "swahili",
    "tir": "tigrinya",
    "twi": "twi",
    "wol": "wolof",
    "yor": "yoruba",
    "zul": "zulu",
}
# md5 of topics and of judgements at that commit.
MD5 = {
    "afr": ("59a7330babcc180dde8b3f69b1698954", "165c7450e4e06629f61d0569d7eaea46"),
    "amh": ("a3d33532acb4f2ee9b7c7c5ebe705fe7", "3638d221d9d0344a651fd81121602f9a"),
    "ary": ("c74ee10ceba31214bf06f3106b58af3b", "17283a0c0aed95fafd59ab85193d75c5"),
    "arz": ("649533a1337c4a43c1a1ea9ae875bf55", "f2f33b962b37a9416c7ac212c8a790e3"),
    "hau": ("72d870bbaf0051f21c60461858f18326", "671365cf1bcebafa6237d80040893325"),
    "ibo": ("c8beba0bbbcab65c7fa7bd0c09f5c478", "ec138ee4499c641dd72a4f8aa865669c"),
    "nso": ("1c900bace6ab56977c93748aa2fcc0b1", "de86730807f9562355de205aabfc4d3f"),
    "sna": ("bab5395f16ac83f178aa26ca70993f39", "96e27c4dafd542db1e73711b82997a9c"),
    "som": ("c37a1dc9d31cea79949172c454f7551b", "589b7d82f00313b026ae445340927a3c"),
    "swa": ("8c3d5762e636d9fda3aeb88d36bdf454", "54e7abe67f242982d04b64069881cf42"),
    "tir": ("39b7de9136c6cd2917d67c4782c8da06", "fd6869219209dc388db68a549663de03"),
    "twi": ("ae9bb797ddfcc7318f58cf276df1bbc7", "baaffee3f616c47f93d7b1467d4edfcb"),
    "wol": ("24fdd53f48e2bf72b0bded77de888b43", "07746a4e8160d4d1b6e04ba5ac9c8fdd"),
    "yor": ("5ad36d80c01ebdef970c675ef771ac9e", "332d1f4423ef63a8ae22ff37373904aa"),
    "zul": ("ee27b465eddf9187142898a885c66e5d", "2ae0ac6e898a625ebbbc3d9c3315b603"),
}


def _file(kind: str, name: str, md5: str) -> UrlFile:
    return UrlFile(f"{TOPICS}/{kind}/{name}", collection_folder("africlirmatrix") / name, md5)


def _parts(choice: Choice) -> Sequence[Part]:
    return [_part(lang) for lang in choice.doc_langs]


def _part(lang: str) -> Part:
    pattern = f"africlirmatrix-v1.0-{NAMES[lang]}/*.jsonl*"
    docs = HubFiles(REPO, REVISION, (pattern,), "africlirmatrix")
    topics = _file("queries", f"topics.africlirmatrix-v1.0.en.{lang}.tsv", MD5[lang][0])
    judged = _file("qrels", f"qrels.africlirmatrix-v1.0.en.{lang}.txt", MD5[lang][1])
    return Part(
        name=lang,
        doc_lang=lang,
        sources=(docs, topics, judged),
        documents=docs.records,
        queries=lambda reject: read_queries(topics.local(), lang="en", on_reject=reject),
        qrels=lambda: read_qrels(judged.local()),
    )


COLLECTION = Collection(
    name="africlirmatrix",
    title="AfriCLIRMatrix: English titles over Wikipedia in 15 African languages",
    doc_langs=tuple(NAMES),
    query_langs=("en",),
    default_query_langs=("en",),
    licence="Apache-2.0; CC BY-SA (Wikipedia text)",
    source=f"https://huggingface.co/datasets/{REPO}; topics https://github.com/{REPO}",
    revision=f"{REVISION} (documents), {TOPICS_COMMIT} (topics and judgements)",
    checksums="the hub's (documents), md5 of the published files (topics, judgements)",
    citation="Ogundepo, Zhang, Sun, Duh, Lin: AfriCLIRMatrix: Enabling Cross-Lingual "
    "Information Retrieval for African Languages. EMNLP 2022.",
    grades="4 to 6, by retrieval score; only relevant documents are listed",
    judged="those with judgements; 500 of the 1,000 Igbo topics have none",
    own_ids=frozenset({"documents"}),
    parts=_parts,
)
