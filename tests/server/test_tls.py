"""HTTPS by the flags of `xret serve`, asked by a client that checks the certificate."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.server.processes import ASKED, process

openssl = shutil.which("openssl")


@pytest.mark.skipif(openssl is None, reason="openssl makes the certificate")
def test_clients_are_spoken_to_in_https(index: Path, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [
        *(str(openssl), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        *("-keyout", str(key), "-out", str(cert)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    trusted = ssl.create_default_context(cafile=str(cert))
    words = [f"demo={index}", "--tls-cert", str(cert), "--tls-key", str(key)]
    with process(*words, home=tmp_path, verify=trusted) as running:
        assert running.url.startswith("https://")
        with httpx.Client(base_url=running.url, verify=trusted) as http:
            assert http.get("/readyz").json() == {"status": "ready"}
            answer = http.post("/v1/search", json=ASKED)
            assert [hit["id"] for hit in answer.json()["hits"]][:1] == ["tides.en"]
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"{running.url}/readyz")  # which trusts no certificate of our own
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{running.url}/readyz".replace("https", "http"))
