"""HTTPS by the flags of `xret serve`, asked by a client that checks the certificate."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from encoders import HashingEncoder

from tests.server.processes import ASKED, process
from xret.errors import ShardError
from xret.index.search.reader import IndexReader
from xret.index.sharded.opening import open_reader
from xret.index.sharded.shards_file import ShardsFile
from xret.server.border.keyring import Keyring, new_key
from xret.types import Query

openssl = shutil.which("openssl")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine, signed by itself, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        *(str(openssl), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        *("-keyout", str(key), "-out", str(cert)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.mark.skipif(openssl is None, reason="openssl makes the certificate")
def test_clients_and_shards_are_spoken_to_in_https(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path)
    keyring = Keyring(tmp_path / "keys.json")
    secret, own = new_key(["search"])
    keyring.add(own)
    trusted = ssl.create_default_context(cafile=str(cert))
    words = [f"demo={index}", "--tls-cert", str(cert), "--tls-key", str(key)]
    with process(*words, "--keys", str(keyring.path), home=tmp_path, verify=trusted) as running:
        assert running.url.startswith("https://")
        with httpx.Client(base_url=running.url, verify=trusted) as http:
            assert http.get("/readyz").json() == {"status": "ready"}
            allowed = {"Authorization": f"Bearer {secret}"}
            answer = http.post("/v1/search", json=ASKED, headers=allowed)
            assert [hit["id"] for hit in answer.json()["hits"]][:1] == ["tides.en"]
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"{running.url}/readyz")  # which trusts no certificate of our own
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{running.url}/readyz".replace("https", "http"))
        shards = ShardsFile.of([f"{running.url}/v1/indexes/demo"])
        with pytest.raises(ShardError, match="certificate"):
            open_reader(tmp_path, shards=shards)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        with pytest.raises(ShardError, match="status 401"):
            open_reader(tmp_path, shards=shards)
        monkeypatch.setenv("XRET_SHARD_KEY", secret)
        served, alone = open_reader(tmp_path, shards=shards), IndexReader.open(index)
        queries = HashingEncoder().encode_queries([Query("", "tides moon", "en")])
        assert served.search(queries, 5) == alone.search(queries, 5)
        served.close()
        alone.close()
