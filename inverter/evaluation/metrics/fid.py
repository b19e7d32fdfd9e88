"""``fid``: Frechet inception distance of reconstructions and originals."""

from inverter.evaluation.distribution import fid
from inverter.evaluation.metrics import METRICS, SetMetric

METRICS.register(
    "fid",
    SetMetric(
        title="FID",
        decimals=2,
        arrow="↓",
        measure=lambda judged, bootstrap: fid(judged.recon.embeddings, judged.original.embeddings),
    ),
)
