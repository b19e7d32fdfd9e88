"""Results as tables for the terminal."""

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from inverter.evaluation.labels import heading, interval, label, number
from inverter.evaluation.results import Results


def results_table(results: Results) -> Group:
    """Headline table (metrics down, methods across), paired comparisons, payload, missing metrics and notes."""
    headline = Table(title=f"{results.num_images} images from {results.num_sources} sources, 95 % intervals")
    headline.add_column("metric", overflow="fold", min_width=18)
    for row in results.rows:
        point = f", {row.operating_point}" if row.operating_point else ""
        headline.add_column(Text(f"{row.name}\n{row.kind}{point}"), justify="right")
    headline.add_column("chance", justify="right")
    for metric in results.metrics():
        cells = []
        for row in results.rows:
            score = row.scores.get(metric)
            cells.append(f"{number(metric, score.mean)}\n{interval(metric, score.low, score.high)}" if score else "")
        guess = number(metric, results.chance[metric]) if metric in results.chance else ""
        headline.add_row(*map(Text, [heading(metric), *cells, guess]))
    seconds = [row.cost.get("seconds_per_image") for row in results.rows]
    headline.add_row(*map(Text, ["seconds per image", *("" if s is None else f"{s:.3g}" for s in seconds), ""]))
    parts: list[Table | Text] = [headline]
    if results.comparisons:
        parts.append(_comparisons(results))
    payload = results.payload
    parts.append(
        Text(
            f"{payload.features:,} numbers travel per image against {payload.picture:,} in a picture: "
            f"{payload.ratio:.2f} times"
        )
    )
    parts += [Text(f"not computed: {label(missing.metric).title} ({missing.reason})") for missing in results.missing]
    parts += [Text(note) for note in results.notes]
    return Group(*parts)


def print_table(results: Results, console: Console | None = None) -> None:
    """Print :func:`results_table`."""
    (console or Console()).print(results_table(results))


def _comparisons(results: Results) -> Table:
    table = Table(title="Paired differences")
    for title in ("a minus b", "metric", "difference", "95 % interval", "claim"):
        table.add_column(title)
    for c in results.comparisons:
        difference, ends = number(c.metric, c.difference, signed=True), interval(c.metric, c.low, c.high, signed=True)
        table.add_row(*map(Text, [f"{c.a} - {c.b}", heading(c.metric), difference, ends, "yes" if c.claim else "no"]))
    return table
