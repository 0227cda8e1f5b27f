"""`xret key`, as typed."""

import json
from collections.abc import Callable
from typing import Any

Xret = Callable[..., Any]


def test_a_key_is_made_listed_and_removed(xret: Xret) -> None:
    made = xret("key", "add", "--scope", "search", "--filter", "lang:sw", "--note", "a page")
    assert made.returncode == 0
    secret = made.stdout.strip()
    assert secret.startswith("xret_") and len(secret) == 48
    listed = xret("key", "list")
    assert secret not in listed.stdout and "lang:sw" in listed.stdout
    (key,) = json.loads(xret("key", "list", "--json").stdout)["keys"]
    assert (key["scopes"], key["note"], key["expires"]) == (["search"], "a page", None)
    assert "sha256" not in key
    assert xret("key", "remove", key["id"]).stdout == f"key {key['id']} removed\n"
    assert xret("key", "list").stderr.startswith("no keys in ")
    assert xret("key", "remove", key["id"]).returncode == 2
    refused = xret("key", "add", "--scope", "write", "--filter", "lang:sw")
    assert refused.returncode == 2 and "filter" in refused.stderr
