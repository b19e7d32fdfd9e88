"""Schema of a trade-off: payloads and trained defences at one layer of a target."""

from __future__ import annotations

from dataclasses import dataclass, field

from inverter.audit.config import AttackConfig
from inverter.config import TargetConfig


@dataclass
class TradeoffConfig(AttackConfig):
    target: TargetConfig = field(default_factory=TargetConfig)  # undefended
    payloads: list[str] = field(
        default_factory=list
    )  # docs/payloads.md; identity is always there, chains: topk:0.1+int8
    defences: list[str] = field(default_factory=list)  # folders that `inverter defend` wrote for this layer
    defended_payloads: list[str] = field(default_factory=lambda: ["identity"])  # with each of the defences
    start_from: str | None = None  # what every attack begins with; null: an inverter that is trained for it first
    noise_level: float = 0.25  # model.noise_level where a payload draws noise
    queries: int | None = None  # there, also attack with the mean of so many queries of a picture
    labels: bool = False  # val's labels are classes of the network: also give its top-1
    limit: int | None = None  # pictures of val that are attacked; null: all, of which utility is measured
    keep: float = 0.9  # agreement with the undefended network that what is recommended keeps, in [0, 1]
    fail_above: str | None = None  # NAME:SCORE[,NAME:SCORE]: exit with status 3 where a score may be above it
    min_utility: str | None = None  # NAME:AGREEMENT[,...]: exit with status 3 where agreement may be below it
