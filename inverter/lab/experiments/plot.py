"""Charts of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from inverter.evaluation.chart import Chart, Point
from inverter.evaluation.labels import heading
from inverter.evaluation.results import Results
from inverter.lab.experiments.record import GroupResults


def values_chart(title: str, columns: Mapping[str, Results], metric: str, rows: Sequence[str]) -> Chart | None:
    """A metric of some rows, one column a group; None where none was measured."""
    series: dict[str, dict[str, Point]] = {}
    for column, results in columns.items():
        for row in results.rows:
            if row.name in rows and metric in row.scores:
                score = row.scores[metric]
                series.setdefault(row.name, {})[column] = (score.mean, score.low, score.high)
    return Chart(f"{title}: {heading(metric)}", list(columns), series) if series else None


def panels(
    groups: Sequence[GroupResults],
    kinds: Sequence[str],
    split: Callable[[GroupResults], str],
    column: Callable[[GroupResults], str],
) -> list[Chart | None]:
    """Charts of the attacks in each metric of these kinds: one for each value of ``split``, with columns ``column``."""
    charts = []
    for title in dict.fromkeys(map(split, groups)):
        chosen = {column(group): group.results for group in groups if split(group) == title}
        rows = [row.name for results in chosen.values() for row in results.rows if row.kind == "attack"]
        metrics = list(dict.fromkeys(metric for results in chosen.values() for metric in results.metrics()))
        wanted = [metric for kind in kinds for metric in metrics if metric.partition("/")[0] == kind]
        charts += [values_chart(title, chosen, metric, rows) for metric in wanted]
    return charts


def curves_chart(title: str, curves: Mapping[str, Sequence[float]]) -> Chart | None:
    """Values at 1, 2, 3, ... of each name."""
    longest = max(map(len, curves.values()), default=0)
    series: dict[str, dict[str, Point]] = {
        name: {str(i): (value, None, None) for i, value in enumerate(values, 1)} for name, values in curves.items()
    }
    return Chart(title, [str(i) for i in range(1, longest + 1)], series) if longest else None
