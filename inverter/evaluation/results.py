"""What an evaluation found: plain values that go to JSON and CSV, and the few pictures that the report shows."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from inverter.evaluation.methods import NEAREST_BY_FEATURES, WITHOUT_HEAD
from inverter.evaluation.metrics import Missing
from inverter.run.files import write_text

if TYPE_CHECKING:
    from inverter.evaluation.intervals import Difference

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Score:
    """One metric of one method: mean with its 95 % interval (None where there is none) and what it was computed over.

    Args:
        mean: Mean over images, or the value of a metric of the whole sample.
        low, high: Ends of the interval.
        n: Images.
        groups: Photos or clips that the images were cut from; these are resampled.
        network: Network that computes the metric; None for pixels.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    groups: int
    network: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Method a minus method b in one metric, paired by image.

    Args:
        excludes_zero: The interval lies on one side of 0.
        claim: ``excludes_zero`` with 20 sources or more, and for judges' metrics the same sign under every judge.
    """

    a: str
    b: str
    metric: str
    difference: float
    low: float | None
    high: float | None
    excludes_zero: bool
    claim: bool
    n: int
    groups: int
    network: str | None = None


def make_comparison(
    a: str, b: str, metric: str, differences: "Mapping[str, Difference]", network: str | None = None
) -> Comparison:
    """Method a minus method b in one metric of ``differences``, which holds it under every judge."""
    found, kind = differences[metric], metric.partition("/")[0]
    signs = {(d.mean > 0) - (d.mean < 0) for key, d in differences.items() if key.partition("/")[0] == kind}
    return Comparison(
        a=a,
        b=b,
        metric=metric,
        difference=found.mean,
        low=found.low,
        high=found.high,
        excludes_zero=found.excludes_zero,
        claim=found.claim and len(signs) == 1,
        n=found.n,
        groups=found.groups,
        network=network,
    )


@dataclass(frozen=True)
class Row:
    """A method's line in the tables.

    Args:
        name: Method.
        kind: ``attack``, ``floor`` or ``ceiling``.
        operating_point: Such as ``mean`` or ``sample``; None where there is one only.
        scores: Metric to score.
        cost: Seconds per image, and target queries, denoiser calls and peak memory where known.
    """

    name: str
    kind: str
    operating_point: str | None
    scores: dict[str, Score]
    cost: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SentSize:
    """Numbers per image that travel, against numbers per picture.

    Args:
        features, picture: Numbers of each.
        bytes: Bytes that travel, the mean over images; None where nobody counted.
    """

    features: int
    picture: int
    bytes: float | None = None

    @property
    def ratio(self) -> float:
        return self.features / self.picture


@dataclass(frozen=True)
class Pictures:
    """Originals and every method's reconstructions of a few images, uint8 ``(K, 3, H, W)``.

    Args:
        rank: Which images these are: the ``first``, or ``best``, ``median`` or ``worst`` by PSNR.
        ranked_by: Method whose PSNR that is; None of the first.
        keys, text: Of the images; texts are captions.
        image: Originals.
        recon: Method to its reconstructions.
        psnr: Method to the decibels of each.
    """

    rank: str
    ranked_by: str | None
    keys: tuple[str, ...]
    text: tuple[str, ...]
    image: Tensor
    recon: dict[str, Tensor]
    psnr: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Results:
    """Everything that one evaluation found; ``pictures`` and ``per_image`` stay out of the JSON.

    Args:
        rows: Methods, floors and ceilings, in the order given.
        chance: Metric to the value that guessing gets.
        comparisons: Paired differences.
        missing: Metrics that were not computed, with the reason.
        payload: Numbers and bytes that travel.
        num_images: Images evaluated.
        num_sources: Photos or clips that they come from.
        target: Network, layer, payload and hash that the features come from, plain data; None where nobody said.
        weights_sha256: Hash of the weights of the attack; None where it has none.
        threat_model: What the attacker was given.
        notes: Lines that a reader needs to judge the numbers.
        config: Resolved configuration, plain data.
        seed, commit: Of the bootstrap, and of the code; None outside a checkout.
        environment: Versions, processor, threads.
        keys: Key of each image, and its source in ``groups``.
        per_image: Method to metric to one number per image.
        pictures: Pictures for the report.
        trained_on: As ``target``, of the features that the attack was trained on, where these are another's.
    """

    rows: tuple[Row, ...]
    chance: dict[str, float]
    comparisons: tuple[Comparison, ...]
    missing: tuple[Missing, ...]
    payload: SentSize
    num_images: int
    num_sources: int
    target: dict[str, Any] | None
    weights_sha256: str | None
    threat_model: str
    notes: tuple[str, ...]
    config: dict[str, Any]
    seed: int
    commit: str | None
    environment: dict[str, Any]
    keys: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    per_image: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    pictures: tuple[Pictures, ...] = ()
    trained_on: dict[str, Any] | None = None

    def row(self, name: str) -> Row:
        """Line of one method.

        Raises:
            ValueError: No method has that name.
        """
        rows = {row.name: row for row in self.rows}
        if name not in rows:
            raise ValueError(f"method {name!r} was not evaluated; allowed: {', '.join(rows)}")
        return rows[name]

    def attacks(self) -> list[Row]:
        """Rows of which the best says what leaks: attacks, retrieval of the nearest training picture among them.

        ``mean`` without its image head is an ablation and none of them.
        """
        attacks = [row for row in self.rows if row.kind == "attack" and row.name != WITHOUT_HEAD]
        return attacks + [row for row in self.rows if row.name == NEAREST_BY_FEATURES]

    def metrics(self) -> list[str]:
        """Metrics of any method, in order of first appearance."""
        return list(dict.fromkeys(metric for row in self.rows for metric in row.scores))

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``metrics.json``; :meth:`from_json` reads it back."""
        return {
            "schema_version": SCHEMA_VERSION,
            "methods": {
                row.name: {
                    "kind": row.kind,
                    "operating_point": row.operating_point,
                    "metrics": {metric: asdict(score) for metric, score in row.scores.items()},
                    "cost": row.cost,
                }
                for row in self.rows
            },
            "chance": self.chance,
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "missing": {missing.metric: missing.reason for missing in self.missing},
            "payload": {**asdict(self.payload), "ratio": self.payload.ratio},
            "num_images": self.num_images,
            "num_sources": self.num_sources,
            "target": self.target,
            **({"trained_on": self.trained_on} if self.trained_on is not None else {}),
            "weights_sha256": self.weights_sha256,
            "threat_model": self.threat_model,
            "notes": list(self.notes),
            "config": self.config,
            "seed": self.seed,
            "commit": self.commit,
            "environment": self.environment,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Results":
        """Read what :meth:`to_json` gave; pictures and per-image numbers are empty.

        Raises:
            ValueError: No object of JSON, another schema version, or a key is missing or unknown.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"metrics: a {type(data).__name__} where a JSON object belongs")
        if data.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(f"metrics: schema_version is {data.get('schema_version')!r}; allowed: {SCHEMA_VERSION}")
        try:
            rows = tuple(
                Row(
                    name,
                    row["kind"],
                    row["operating_point"],
                    {metric: Score(**score) for metric, score in row["metrics"].items()},
                    dict(row["cost"]),
                )
                for name, row in data["methods"].items()
            )
            return cls(
                rows=rows,
                chance=dict(data["chance"]),
                comparisons=tuple(Comparison(**comparison) for comparison in data["comparisons"]),
                missing=tuple(Missing(metric, reason) for metric, reason in data["missing"].items()),
                payload=SentSize(data["payload"]["features"], data["payload"]["picture"], data["payload"].get("bytes")),
                notes=tuple(data["notes"]),
                trained_on=data.get("trained_on"),
                **{
                    key: data[key]
                    for key in (
                        *("num_images", "num_sources", "target", "weights_sha256", "threat_model"),
                        *("config", "seed", "commit", "environment"),
                    )
                },
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"metrics: not of schema version {SCHEMA_VERSION}: {error}") from error

    def save(self, path: Path) -> None:
        """Write :meth:`to_json` to a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(self.to_json(), indent=2, allow_nan=False) + "\n")

    def write_csv(self, path: Path) -> None:
        """Write one line per method and image (key, group, method, then every metric), whole or not at all."""
        columns = list(dict.fromkeys(metric for values in self.per_image.values() for metric in values))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["key", "group", "method", *columns])
        for method, values in self.per_image.items():
            for i, (key, group) in enumerate(zip(self.keys, self.groups, strict=True)):
                writer.writerow([key, group, method, *(f"{values[c][i]:.6g}" if c in values else "" for c in columns)])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text.getvalue())
