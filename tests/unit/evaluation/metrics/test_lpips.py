import torch

from inverter.evaluation.metrics import METRICS, Missing
from inverter.evaluation.metrics.lpips import load_lpips


def test_without_weights_it_is_missing_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    found = load_lpips()
    assert isinstance(found, Missing) and found.metric == "lpips" and "not on disk" in found.reason
    picture = torch.zeros(1, 3, 64, 64)
    assert METRICS["lpips"].measure(picture, picture, None) == found
