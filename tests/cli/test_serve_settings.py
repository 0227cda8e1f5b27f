"""Every setting of the server is a flag, a variable and a line of xret.toml."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import typer

from xret.cli.commands import answer, app
from xret.errors import ConfigError
from xret.server.settings import ServerSettings


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """What the server is started with, in the place of starting it."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("xret.server.serve.serve", lambda _, **how: calls.append(how))
    monkeypatch.setattr("xret.server.logs.set_up_logs", lambda _: None)
    monkeypatch.chdir(tmp_path)
    return calls


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["xret", "serve", "demo", *words])
    with pytest.raises(SystemExit):
        answer()


def test_every_setting_has_a_flag_that_says_what_it_is() -> None:
    command: Any = typer.main.get_command(app)
    flags = {option.name: option for option in command.commands["serve"].params}
    for field in dataclasses.fields(ServerSettings):
        name = field.name.removesuffix("s") if "tuple" in str(field.type) else field.name
        assert flags[name].help, field.name


def test_nothing_said_is_what_the_settings_say(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch)
    assert asked[0]["settings"] == ServerSettings()


def test_flag_goes_before_variable_and_variable_before_file(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "xret.toml").write_text(
        '[serve]\ndrain-s = 1\nthreads = 3\ntimeout_ms = 500\nallow-host = ["a.example"]\n'
    )
    monkeypatch.setenv("XRET_SERVE_DRAIN_S", "2")
    monkeypatch.setenv("XRET_SERVE_THREADS", "4")
    run(monkeypatch, "--drain-s", "3", "--access-log", "json", "--map-files")
    settings = asked[0]["settings"]
    assert (settings.drain_s, settings.threads, settings.timeout_ms) == (3.0, 4, 500.0)
    assert (settings.access_log, settings.map_files) == ("json", True)
    assert settings.allow_hosts == ("a.example",)
    assert settings.max_wait_ms is None


@pytest.mark.parametrize(("name", "value"), [("threads", 0), ("drain_s", -1), ("timeout_ms", 0.0)])
def test_a_setting_that_makes_no_sense_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        ServerSettings(**{name: value})
