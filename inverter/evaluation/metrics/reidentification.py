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
        measure=lambda found: found.top1.double(),
        chance=lambda found: found.chance_top1,
    ),
)
METRICS.register(
    "reid_mrr",
    RankMetric(
        title="re-identification MRR",
        decimals=3,
        arrow="↑",
        measure=lambda found: found.reciprocal_rank,
        chance=lambda found: found.chance_reciprocal_rank,
    ),
)
METRICS.register(
    "reid_rank",
    RankMetric(
        title="re-identification rank",
        decimals=1,
        arrow="↓",
        measure=lambda found: found.ranks.double(),
        chance=lambda found: (found.choices.double() + 1) / 2,
    ),
)
