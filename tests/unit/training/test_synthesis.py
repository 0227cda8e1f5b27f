"""Questions made of a corpus: by a chat model over HTTP, by a folder, by the documents' words."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tiny_rerankers import tiny_qwen3

from xret.errors import ConfigError, CorpusError, TrainingError
from xret.retriever.languages.identification import identify_language
from xret.retriever.training.recipes.records import ExampleReader
from xret.retriever.training.synthesis.asked_file import AskedFile, AskedLine
from xret.retriever.training.synthesis.chat import ChatGenerator
from xret.retriever.training.synthesis.extractive import ExtractiveGenerator
from xret.retriever.training.synthesis.filters import fit_questions
from xret.retriever.training.synthesis.local_model import LocalGenerator
from xret.retriever.training.synthesis.prompt import prompt_messages, read_reply, shot_languages
from xret.retriever.training.synthesis.questions import SyntheticQuestion
from xret.retriever.training.synthesis.settings import Synthesis
from xret.retriever.training.synthesis.source_passages import SourcePassage, draw_passages
from xret.retriever.training.synthesis.synthesis import synthesise
from xret.retriever.translation.named import SHIPPED_TABLE, open_table
from xret.types import Document, finish

SUBJECTS = ("whales", "bridges", "glaciers", "violins", "lighthouses", "tea gardens")
LIBRARY = SourcePassage(
    "a#0",
    "a",
    "The library of the town was damaged by water",
    "The old library of the town was damaged by water in March. Nobody was hurt.",
    "en",
)


class Chat:
    """An OpenAI-shaped server. statuses: of the next replies, then 200 each."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.statuses: list[int] = []
        self.say: Callable[[str], str] = _say

    def answer(self, body: dict[str, Any]) -> tuple[int, bytes]:
        self.asked.append(body)
        status = self.statuses.pop(0) if self.statuses else 200
        content = self.say(body["messages"][-1]["content"])
        usage = {"prompt_tokens": 100, "completion_tokens": 7}
        reply = {"choices": [{"message": {"role": "assistant", "content": content}}]}
        return status, json.dumps(reply | {"usage": usage}).encode()


def _say(asked: str) -> str:
    number = re.search(r"number (\d+)", asked)
    assert number
    lang = asked.rpartition(": ")[2]
    subject = SUBJECTS[int(number[1]) % len(SUBJECTS)]
    said = {
        "English": f"What is written about the {subject} with number {number[1]}?",
        "German": f"Was wird über das Thema {subject} mit der Nummer {number[1]} geschrieben?",
    }
    return f"Summary: it is about {subject}.\nQuestion: {said[lang]}"


@pytest.fixture
def chat() -> Iterator[Chat]:
    state = Chat()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            state.keys.append(self.headers.get("Authorization"))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, content = state.answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthesis") / "docs.jsonl"
    rows = [
        {
            "id": f"d{n}",
            "title": f"About {SUBJECTS[n % len(SUBJECTS)]}",
            "text": f"This is number {n}, and it speaks of {SUBJECTS[n % len(SUBJECTS)]}. "
            "Those who read it to its end know more than before, and may ask.",
            "lang": "en",
        }
        for n in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def generator(chat: Chat, model: str = "#writer") -> ChatGenerator:
    return ChatGenerator(chat.url + model, timeout_s=5, wait=lambda _: None)


def settings(**changed: Any) -> Synthesis:
    return Synthesis(**({"langs": ("de", "en"), "round_trip": 0, "held_out": 0.3} | changed))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_are_what_training_reads_and_documents_are_held_out_whole(
    chat: Chat, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRET_SYNTHESIS_KEY", "sesame")
    output = tmp_path / "q.jsonl"
    report = synthesise(str(corpus), output, settings=settings(), generator=generator(chat))
    held_out = tmp_path / "q.held-out.jsonl"
    assert report.asked == report.requests == len(chat.asked) == 24
    assert report.written + report.held_out == 24
    assert 0 < report.held_out < report.written
    assert (report.prompt_tokens, report.completion_tokens) == (2_400, 168)
    assert report.pairs == {"de → en": 12, "en → en": 12}
    assert chat.asked[0]["model"] == "writer"
    assert set(chat.keys) == {"Bearer sesame"}
    apart = {row["id"] for row in lines(held_out)}
    assert not apart & {row["id"] for row in lines(output)}
    reader = ExampleReader()
    assert list(reader.read([output, held_out]))
    assert len(reader.examples) == 24
    assert {example.query_lang for example in reader.examples} == {"de", "en"}


def test_a_run_that_was_broken_goes_on_where_it_was(
    chat: Chat, corpus: Path, tmp_path: Path
) -> None:
    output = tmp_path / "q.jsonl"
    chat.statuses = [200] * 7 + [403]
    with pytest.raises(TrainingError, match=r"status 403.*run the same command again"):
        synthesise(str(corpus), output, settings=settings(), generator=generator(chat))
    assert not output.exists()
    asked = tmp_path / "q.asked.jsonl"
    with asked.open("a", encoding="utf-8") as file:
        file.write('{"text": "half a li')
    report = synthesise(str(corpus), output, settings=settings(), generator=generator(chat))
    assert report.asked == 24
    assert len(chat.asked) == 7 + 1 + 17
    assert len(lines(asked)) == 1 + 24
    broken = output.read_bytes()
    synthesise(str(corpus), output, settings=settings(), resume=False, generator=generator(chat))
    assert output.read_bytes() == broken
    assert len(chat.asked) == 25 + 24


def test_other_filters_ask_nothing_again_and_another_model_is_refused(
    chat: Chat, corpus: Path, tmp_path: Path
) -> None:
    output = tmp_path / "q.jsonl"
    synthesise(str(corpus), output, settings=settings(), generator=generator(chat))
    short = settings(max_characters=55)
    report = synthesise(str(corpus), output, settings=short, generator=generator(chat))
    assert report.pairs == {"en → en": 12}
    assert report.dropped == {"length": 12}
    assert len(chat.asked) == 24
    with pytest.raises(TrainingError, match="another corpus, model or choice"):
        synthesise(str(corpus), output, settings=settings(), generator=generator(chat, "#b"))


def test_busy_servers_are_asked_again_and_what_cannot_help_is_not(chat: Chat) -> None:
    passage = SourcePassage("a#0", "a", "", "This is number 3.", "en")
    chat.statuses = [429, 503]
    assert generator(chat).ask(passage, "en").requests == 3
    chat.statuses = [500] * 4
    with pytest.raises(TrainingError, match="status 500"):
        generator(chat).ask(passage, "en")
    assert len(chat.asked) == 3 + 4
    chat.statuses = [401]
    with pytest.raises(TrainingError, match="status 401"):
        generator(chat).ask(passage, "en")
    assert len(chat.asked) == 8


def test_a_reply_without_a_question_is_dropped_and_one_of_another_shape_an_error(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRET_SYNTHESIS_KEY", "sesame")
    passage = SourcePassage("a#0", "a", "", "This is number 3.", "en")
    chat.say = lambda _: "I cannot do that."
    question = generator(chat).ask(passage, "en")
    assert question.text == ""
    assert question.prompt_tokens == 100
    chat.answer = lambda _: (200, b'["no completion"]')  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="no chat completion") as raised:
        generator(chat).ask(passage, "en")
    assert "sesame" not in str(raised.value)


def test_questions_in_another_language_too_short_or_met_before_are_left_out() -> None:
    texts = {
        "Where do the whales of the north go in winter?": "en",
        "where do the whales of the  north go in winter?": "en",
        "Wohin ziehen die Wale des Nordens im Winter?": "en",
        "Whales?": "en",
        "": "en",
        "Was bauen die Menschen am Ufer des Flusses?": "de",
    }
    asked = [AskedLine("a#0", lang, SyntheticQuestion(t), 0.0) for t, lang in texts.items()]
    dropped: Counter[str] = Counter()
    kept = fit_questions(asked, settings(), dropped)
    assert [each.question.text[:5] for each in kept] == ["Where", "Was b"]
    assert dropped == {"duplicate": 1, "language": 1, "length": 1, "no question": 1}


def test_a_question_that_does_not_find_its_passage_is_dropped(
    chat: Chat, corpus: Path, tmp_path: Path
) -> None:
    lost = "Question: Which volcanoes erupted in the islands of Japan?"
    chat.say = lambda asked: lost if "number 4," in asked else _say(asked)
    only_en = settings(langs=("en",), round_trip=2)
    report = synthesise(
        str(corpus), tmp_path / "q.jsonl", settings=only_en, generator=generator(chat)
    )
    assert report.dropped.get("round trip", 0) >= 1
    ids = {row["id"] for name in ("q", "q.held-out") for row in lines(tmp_path / f"{name}.jsonl")}
    assert "d4#0" not in {each.partition("#")[0] + "#0" for each in ids}
    assert len(ids) >= 9


@pytest.mark.parametrize(
    ("lang", "words"), [("de", {"bibliothek", "wasser"}), ("ru", {"библиотек"}), ("fr", {"eau"})]
)
def test_without_a_model_words_of_a_passage_are_translated(lang: str, words: set[str]) -> None:
    own = ExtractiveGenerator([LIBRARY], open_table(SHIPPED_TABLE))
    text = own.ask(LIBRARY, lang).text.casefold()
    assert all(word in text for word in words), text
    assert identify_language(text, candidates=("en", lang))[0] == lang


def test_without_a_model_a_question_in_the_own_language_has_the_rarest_words() -> None:
    others = [
        SourcePassage(f"{n}#0", str(n), "", "The town was old in March. Nobody was there.", "en")
        for n in range(5)
    ]
    own = ExtractiveGenerator([LIBRARY, *others], open_table(SHIPPED_TABLE))
    assert {"library", "damaged", "water"} <= set(own.ask(LIBRARY, "en").text.split())
    chinese = SourcePassage("z#0", "z", "", "北投公园很美，图书馆的木栈道已损坏。", "zh")
    assert ExtractiveGenerator([chinese], open_table(SHIPPED_TABLE)).ask(chinese, "zh").text in (
        chinese.text
    )


def test_a_folder_with_a_causal_model_is_asked(tmp_path: Path) -> None:
    model = LocalGenerator.load(tiny_qwen3(tmp_path / "writer"))
    model._model.generation_config.eos_token_id = None
    passage = SourcePassage("a#0", "a", "", "Rain.", "en")
    first, again = (model.ask(passage, "en") for _ in range(2))
    assert first == again
    assert first.completion_tokens == 160
    assert first.prompt_tokens > 300


def test_every_example_is_in_its_language_and_stands_in_the_prompt() -> None:
    assert len(shot_languages()) >= 30
    for lang in shot_languages():
        shown = [m["content"] for m in prompt_messages("Rain.", lang) if m["role"] == "assistant"]
        questions = [read_reply(content)[0] for content in shown]
        assert len(questions) == 2
        assert all(questions)
        told = identify_language(" ".join(questions))[0]
        near = {lang, *{"id": ["ms"], "da": ["nb", "no"]}.get(lang, [])}
        assert told.partition("-")[0] in near, (lang, told)
    assert prompt_messages("Rain.", "yo")[1]["content"].endswith("English")
    assert prompt_messages("Rain.", "yo")[-1]["content"].endswith("Yoruba")


def test_every_document_is_as_likely_drawn_as_any_other() -> None:
    text = "One sentence of some length stands here. Another of that kind follows after it. " * 3
    documents = [Document(f"d{n}", text, "en") for n in range(40)]
    counted: Counter[str] = Counter()
    for seed in range(200):
        drawn = finish(draw_passages(documents, n=10, seed=seed))
        assert len({passage.doc_id for passage in drawn}) == 10
        counted.update(passage.doc_id for passage in drawn)
    assert min(counted.values()) > 25
    assert max(counted.values()) < 80
    with pytest.raises(CorpusError, match="too few to ask"):
        finish(draw_passages([Document("a", "short", "en")], n=1, seed=0))


def test_what_cannot_be_is_said(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \.jsonl"):
        synthesise(str(corpus), tmp_path / "q.tsv", settings=settings())
    with pytest.raises(ConfigError, match="neither an address"):
        synthesise(str(corpus), tmp_path / "q.jsonl", settings=settings(llm="nowhere"))
    (tmp_path / "x.asked.jsonl").write_text("what\n", encoding="utf-8")
    with pytest.raises(TrainingError, match="no questions that were asked here"):
        AskedFile(tmp_path / "x.asked.jsonl").open("run", resume=True)
