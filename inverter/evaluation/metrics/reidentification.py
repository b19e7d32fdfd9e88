"""``reid_top1``, ``reid_mrr``, ``reid_rank``: where a judge's embeddings put the true image among distractors."""

from inverter.evaluation.metrics import METRICS, Metric, RankMetric

METRICS.register("reid", Metric(title="re-identification", decimals=3, arrow="↑"))  # all three, where they are missing
METRICS.register(
    "reid_top1",
    RankMetric(
        title="re-identified first",
        decimals=3,
        arrow="↑",
        share=True,
        measure=lambda ranking: ranking.top1.double(),
        chance=lambda ranking: ranking.chance_top1,
    ),
)
METRICS.register(
    "reid_mrr",
    RankMetric(
        title="re-identification MRR",
        decimals=3,
        arrow="↑",
        measure=lambda ranking: ranking.reciprocal_rank,
        chance=lambda ranking: ranking.chance_reciprocal_rank,
    ),
)
METRICS.register(
    "reid_rank",
    RankMetric(
        title="re-identification rank",
        decimals=1,
        arrow="↓",
        measure=lambda ranking: ranking.ranks.double(),
        chance=lambda ranking: (ranking.choices.double() + 1) / 2,
    ),
)
