"""What `xret search` counts and groups, as it is typed; the same as over HTTP."""

import json
from pathlib import Path

from command_line import Xret
from starlette.testclient import TestClient

import xret as library
from xret.server.app import create_app
from xret.server.settings import ServerSettings

QUESTION = "Warum sind Korallenriffe wichtig für Fische?"


def test_json_is_the_answer_of_the_server(xret: Xret, demo_folder: Path) -> None:
    words = ("--facet", "lang", "--facet", "topic", "--field", "topic", "--text", "-k", "2")
    done = xret("search", str(demo_folder), QUESTION, *words, "--group-by", "lang", "--json")
    typed = json.loads(done.stdout)
    asked = {
        "query": QUESTION,
        "facets": ["lang", "topic"],
        "fields": ["topic"],
        "text": True,
        "limit": 2,
        "group_by": "lang",
    }
    with library.open(demo_folder) as searcher:
        app = create_app({"demo": searcher}, settings=ServerSettings())
        with TestClient(app) as client:
            served = client.post("/v1/search", json=asked).json()
    varying = {"request_id", "took_ms", "timings"}
    assert typed.keys() == served.keys()
    for name in typed.keys() - varying:
        assert typed[name] == served[name], name
    assert typed["query"]["lang_source"] == "identified" and len(typed["groups"]) > 3


def test_groups_and_facets_are_printed(xret: Xret, demo_folder: Path) -> None:
    asked = ("search", str(demo_folder), "coral", "--lang", "en", "-k", "1")
    done = xret(*asked, "--group-by", "lang", "--facet", "lang", "--highlight")
    langs = [line.split("\t")[2] for line in done.stdout.splitlines()[1:]]
    assert len(langs) == len(set(langs)) > 3
    assert "lang, of the best 256: " in done.stderr
