"""The server behind the page: local, without calls to outside, serving no file but what was uploaded to it."""

from __future__ import annotations

import logging
import math
import os
import re
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inverter.demo.config import DemoConfig
from inverter.demo.inverters import Inverters
from inverter.run.signals import Stop

log = logging.getLogger(__name__)
EVERY_SECONDS = 0.2
"""Between two looks at whether the page is to end."""
LOOPBACK = ("127.0.0.1", "localhost")
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'self'; frame-ancestors 'self'"
"""What a browser may load for the page: what the server has, and what lies in the page itself."""
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Closed:
    """Refuses to fetch URLs for a browser, and tells the browser to load nothing from elsewhere."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if re.search("https?:", scope.get("path", ""), re.IGNORECASE):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"URLs are not fetched"})
            return

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            await send(message)

        await self.app(scope, receive, guarded)


@contextmanager
def serve(config: DemoConfig) -> Iterator[str]:
    """The page's address while the block runs; what was uploaded is deleted behind it.

    Raises:
        ValueError: Gradio is not installed, the port is taken, or there is no inverter to choose.
    """
    check(config)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported
    try:
        import gradio  # noqa: F401
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
    except ImportError as error:
        raise ValueError("demo needs Gradio, which is not installed: pip install '.[demo]' in the checkout") from error
    from inverter.demo.page import build, look

    local = config.host in LOOPBACK
    hosts = [*LOOPBACK, config.host] if local else ["*"]
    with tempfile.TemporaryDirectory(prefix="inverter-demo-") as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        page = build(Inverters(config), "this machine" if local else "the machine that serves this page")
        try:
            _, address, _ = page.launch(
                server_name=config.host,
                server_port=config.port or free_port(config.host),
                share=False,
                inbrowser=False,
                quiet=True,
                prevent_thread_lock=True,
                show_error=False,
                footer_links=[],
                run_history=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                max_file_size=config.max_upload_mb * 1_000_000,
                allowed_paths=[],
                app_kwargs={
                    "middleware": [Middleware(TrustedHostMiddleware, allowed_hosts=hosts), Middleware(Closed)],
                    "docs_url": None,
                    "redoc_url": None,
                    "openapi_url": None,
                },
                css_paths=[Path(__file__).parent / "page.css"],
                theme=look(),
            )
        except OSError as error:
            raise ValueError(
                f"port {config.port} of host {config.host} cannot be had: {error}; allowed: port=N"
            ) from error
        try:
            yield address
        finally:
            page.close(verbose=False)


def run(config: DemoConfig) -> None:
    """Serve until Ctrl-C or SIGTERM, or as long as the configuration says."""
    with serve(config) as address, Stop() as stop:
        log.info("the page is at %s; Ctrl-C ends it", address)
        until = math.inf if config.max_uptime is None else time.monotonic() + config.max_uptime
        while stop.signal is None and time.monotonic() < until:
            time.sleep(EVERY_SECONDS)


def check(config: DemoConfig) -> None:
    """Raise ValueError where a value is out of range."""
    for name in ("max_seconds", "max_draws", "max_upload_mb", "max_waiting"):
        if (value := getattr(config, name)) < 1:
            raise ValueError(f"{name} is {value}; allowed: 1 or more")
    if ":" in config.host:
        raise ValueError(f"host is {config.host!r}; allowed: an IPv4 address, or a name")
    if not 0 <= config.port < 65536:
        raise ValueError(f"port is {config.port}; allowed: 0 to 65535")
    if config.max_uptime is not None and not config.max_uptime > 0:
        raise ValueError(f"max_uptime is {config.max_uptime}; allowed: above 0, or null")


def free_port(host: str) -> int:
    """A port of the host that nothing listens at.

    Raises:
        OSError: There is no such host.
    """
    with socket.create_server((host, 0)) as bound:
        return int(bound.getsockname()[1])
