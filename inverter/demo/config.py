"""Schema of the demo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class DemoConfig:
    inverters: list[str] | None = None  # names, folders, hub ids or runs to choose from; null: published ones and runs
    runs: str = "runs"  # folder whose training runs and reports the page offers
    target: str | None = None  # module: factory or transformers: repository that may be built where an inverter says it
    device: str = "auto"
    max_seconds: float = 60.0  # the longest that a white-box search may take
    max_draws: int = 4  # the most samples at a time
    max_upload_mb: int = 16  # of a photo or a feature file
    max_waiting: int = 16  # requests in the queue, of which one is computed at a time
    host: str = "127.0.0.1"  # 0.0.0.0 lets other machines in, without a password
    port: int = 7860  # 0: any that is free
    max_uptime: float | None = None  # seconds after which the page ends; null: at Ctrl-C
