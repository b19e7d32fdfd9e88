"""What the server gives away: nothing but the page and what was uploaded to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from inverter.__main__ import main
from inverter.demo import server
from inverter.demo.server import serve


def get(url: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, named), timeout=30) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


def test_the_page_is_there_and_may_load_nothing_from_elsewhere(address):
    status, page, headers = get(address)
    assert status == 200 and b"How much do a network" in page
    assert headers["content-security-policy"].startswith(
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:;"
    )
    settings = json.loads(get(f"{address}config")[1])
    assert settings["analytics_enabled"] is False and settings["space_id"] is None
    assert not any(each["api_visibility"] == "public" for each in settings["dependencies"])
    assert "googleapis" not in json.dumps(settings) + get(f"{address}theme.css")[1].decode()


@pytest.mark.parametrize(
    "path", ["/etc/passwd", str(Path("pyproject.toml").resolve()), "../../../etc/passwd", __file__]
)
def test_no_file_of_the_machine_is_read(address, path):
    for word in ("gradio_api/file=", "gradio_api/file/", "file="):
        status, found, _ = get(f"{address}{word}{urllib.parse.quote(path)}")
        assert status in (403, 404), word
        assert b"root:" not in found and b"[project]" not in found


@pytest.mark.parametrize("word", ["gradio_api/file=", "gradio_api/file/", "gradio_api/proxy=", "gradio_api/FILE="])
def test_no_url_is_fetched_for_a_browser(address, word):
    for url in ("http://127.0.0.1:9/x.png", "https://127.0.0.1:9/x.png", "HTTP://127.0.0.1:9"):
        status, found, _ = get(address + word + urllib.parse.quote(url, safe=":/"))
        assert (status, found) == (403, b"URLs are not fetched")


@pytest.fixture
def click(address, config):
    """Press the page's button with one value replaced, as a program could; what the server answers."""
    settings = json.loads(get(f"{address}config")[1])
    button = next(each["id"] for each in settings["components"] if each["props"].get("elem_id") == "run")
    clicked = next(each["id"] for each in settings["dependencies"] if each["targets"][0] == [button, "click"])

    def press(place: int, path: str) -> str:
        data = [None, None, None, config.inverters[0], "", 1, 0, None, ""]
        data[place] = {"path": path, "meta": {"_type": "gradio.FileData"}}
        asked = json.dumps({"data": data, "fn_index": clicked, "session_hash": f"a{place}{len(path)}"}).encode()
        assert get(f"{address}gradio_api/queue/join", asked, Content_Type="application/json")[0] == 200
        return get(f"{address}gradio_api/queue/data?session_hash=a{place}{len(path)}")[1].decode()

    return press


@pytest.mark.parametrize("place", [1, 2, 3, 4, 8])  # photo, features, inverter, payload, prompt
def test_no_url_is_fetched_in_place_of_a_value(click, monkeypatch, place):
    from gradio import processing_utils

    fetched: list[str] = []
    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", lambda url, *_, **__: fetched.append(url))
    told = click(place, "https://elsewhere.example/x.png")
    assert "a URL is not fetched; allowed: a file of yours" in told and not fetched


@pytest.mark.parametrize("place", [1, 2, 8])
def test_no_file_of_the_machine_is_taken_for_an_upload(click, tmp_path, place):
    Image.new("RGB", (40, 40)).save(tmp_path / "mine.png")
    told = click(place, str(tmp_path / "mine.png"))
    assert '"success":false' in told and "<img" not in told and "mine.png" not in told


def test_other_names_of_the_host_are_refused(address):
    assert get(address, Host="elsewhere.example")[0] == 400
    assert get(address, Host=address.removeprefix("http://").rstrip("/"))[0] == 200


def test_what_is_too_large_is_refused(address, config):
    def upload(size: int) -> int:
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.npy"\r\n\r\n'
        body = head + bytes(size) + b"\r\n--x--\r\n"
        return get(f"{address}gradio_api/upload", body, Content_Type="multipart/form-data; boundary=x")[0]

    assert upload(1000) == 200
    assert upload(config.max_upload_mb * 1_000_000 + 1) == 413


def test_a_port_that_is_taken_is_a_sentence(config):
    pytest.importorskip("gradio", reason="Gradio is not installed: make dev")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ValueError, match=f"^port {port} of host 127.0.0.1 cannot be had"),
            serve(replace(config, port=port)),
        ):
            pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_page_and_deletes_what_was_uploaded(config, monkeypatch, number):
    ended = []

    @contextmanager
    def served(config):
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
        yield "address"
        ended.append(number)

    monkeypatch.setattr(server, "serve", served)
    assert main(["demo", f"runs={config.runs}", "max_uptime=30"]) == 0
    assert ended == [number]


def test_without_gradio_one_line_says_how_to_install_it(config, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["demo", f"runs={config.runs}"]) == 2
    assert (
        capsys.readouterr().err
        == "error: demo needs Gradio, which is not installed: pip install '.[demo]' in the checkout\n"
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("max_seconds=0", "max_seconds is 0.0; allowed: 1 or more"),
        ("max_upload_mb=0", "max_upload_mb is 0; allowed: 1 or more"),
        ("max_uptime=0", "max_uptime is 0.0; allowed: above 0, or null"),
        ("port=70000", "port is 70000; allowed: 0 to 65535"),
    ],
)
def test_values_out_of_range_are_refused(capsys, word, message):
    assert main(["demo", word]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
