"""An audit as a table for the terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from inverter.audit.record import Audit
from inverter.audit.score import LeakScore
from inverter.audit.summary import summarise
from inverter.evaluation.intervals import MIN_SOURCES, wilson
from inverter.evaluation.labels import label


def audit_table(audit: Audit) -> Group:
    """Layers down, the headline score and what travels across; the page's sentences; verdict and every diagnosis."""
    table = Table(title=f"{audit.target['name']}: leak score by {label(audit.metric).title}")
    for column in ("layer", "numbers", "KiB", "ratio", "device\nshare %", "score", "95 % interval", "best attack"):
        table.add_column(column, justify="left" if column in ("layer", "best attack") else "right", overflow="fold")
    for layer in audit.layers:
        score = layer.scores.get(audit.metric)
        size = [f"{layer.numbers:,}", f"{layer.bytes / 1024:,.1f}", f"{layer.ratio:.2f}"]
        share = f"{100 * layer.device_share:.1f}"
        cells = [f"{score.value:.3f}", interval(score), score.attack] if score else ["none", "", ""]
        table.add_row(*map(Text, [layer.layer, *size, share, *cells]))
    summary = summarise(audit)
    sentences = [line.replace("`", "") for line in (summary.text, *summary.details)]
    diagnoses = [f"{layer.layer}: {line}" for layer in audit.layers for line in layer.diagnosis]
    lines = [*sentences, verdict(audit), *diagnoses]
    return Group(table, *map(Text, lines))


def print_audit(audit: Audit, console: Console | None = None) -> None:
    """Print :func:`audit_table`."""
    (console or Console()).print(audit_table(audit))


def verdict(audit: Audit) -> str:
    """The recommended split in a sentence."""
    if audit.num_sources < MIN_SOURCES:
        return (
            f"No split is recommended and no limit is kept: {audit.num_sources} sources are too few to tell; needed: "
            f"{MIN_SOURCES}."
        )
    untrained = [layer.layer for layer in audit.layers if not layer.trained]
    if audit.recommended is None and untrained:
        return f"No split is recommended: the attack on {', '.join(untrained)} was trained too little to tell."
    if audit.recommended is None:
        least = wilson(0.0, audit.num_sources)[1]
        more = f" {audit.num_sources} sources show no score under {least:.3f}." if least >= audit.threshold else ""
        return f"No audited layer stays under a score of {audit.threshold:g} together with every deeper one.{more}"
    under = f"the earliest that stays under {audit.threshold:g} together with every deeper one"
    return f"Recommended split: {audit.recommended}, {under}."


def interval(score: LeakScore) -> str:
    """Ends of the interval; empty where there is none."""
    return "" if score.low is None or score.high is None else f"[{score.low:.3f}, {score.high:.3f}]"
