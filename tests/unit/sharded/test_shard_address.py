"""A served shard's address: what is one, what its key may be, and when a reply is over."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from xret.deadline import Deadline
from xret.errors import ConfigError, DeadlineError, ShardError
from xret.index.sharded import shard_address
from xret.index.sharded.shard_address import ShardAddress


@pytest.mark.parametrize("key", ["top\nsecret", "top secret", "tøpsecret"])
def test_a_key_that_cannot_be_sent_is_told_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("XRET_SHARD_KEY", key)
    with pytest.raises(ConfigError, match="is no key") as told:
        ShardAddress.parse("https://host/v1/indexes/a", timeout_s=1)
    assert "secret" not in str(told.value)


def test_a_key_goes_unencrypted_to_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRET_SHARD_KEY", " topsecret\n")
    for address in ("http://127.0.0.1:8", "http://[::1]:8", "http://localhost", "https://host"):
        kept = ShardAddress.parse(f"{address}/v1/indexes/a", timeout_s=1)
        assert kept.key == "topsecret"
        assert "topsecret" not in repr(kept)
    with pytest.raises(ConfigError, match="unencrypted"):
        ShardAddress.parse("http://host/v1/indexes/a", timeout_s=1)


@pytest.mark.parametrize("address", ["http://a..b/v1/indexes/a", "http://a/v1/indexes/é"])
def test_names_that_cannot_be_sent_are_told(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        ShardAddress.parse(address, timeout_s=1)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def reply(server: socket.socket, start: bytes, drip: bytes) -> ShardAddress:
    """The address of a server that answers so, then byte after byte until the client has left."""

    def serve() -> None:
        client, _ = server.accept()
        with client:
            try:
                client.recv(1 << 16)
                client.sendall(start)
                while drip:
                    client.sendall(drip)
                    time.sleep(0.02)
                client.shutdown(socket.SHUT_WR)
                while client.recv(1 << 16):  # closed with something unread, it would reset
                    pass
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    port = server.getsockname()[1]
    return ShardAddress.parse(f"http://127.0.0.1:{port}/v1/indexes/a", timeout_s=0.2)


@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    ],
)
def test_a_reply_that_drips_is_over_in_time(
    listening: socket.socket, start: bytes, drip: bytes
) -> None:
    address = reply(listening, start, drip)
    with pytest.raises(ShardError, match=r"no answer within 0\.2 s"):
        address.ask({}, Deadline())
    address.close()


@pytest.mark.parametrize(
    "head", [b"Content-Length: 100000000000\r\n\r\n", b"Connection: close\r\n\r\n"]
)
def test_a_reply_that_is_too_long_is_not_read(
    listening: socket.socket, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_address, "MAX_BYTES", 1 << 20)
    address = reply(listening, b"HTTP/1.1 200 OK\r\n" + head + b" " * (3 << 20), b"")
    with pytest.raises(ShardError, match="it answers with more than 1 MiB"):
        address.ask({}, Deadline())
    address.close()


def test_a_shard_that_stops_before_the_search_is_over_has_failed(
    listening: socket.socket,
) -> None:
    body = json.dumps({"code": DeadlineError.code, "detail": "too slow"}).encode()
    start = b"HTTP/1.1 504 x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    address = reply(listening, start, b"")
    with pytest.raises(ShardError, match="too slow"):
        address.ask({}, Deadline(60))
    address.close()
