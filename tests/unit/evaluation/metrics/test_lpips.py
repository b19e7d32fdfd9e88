import torch
from torchmetrics.functional.image import lpips as reference
from torchmetrics.image import lpip

from inverter.evaluation.metrics import METRICS, Missing
from inverter.evaluation.metrics.lpips import _load, load_lpips


def test_without_weights_it_is_missing_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    found = load_lpips()
    assert isinstance(found, Missing) and found.metric == "lpips" and "not on disk" in found.reason
    picture = torch.zeros(1, 3, 64, 64)
    assert METRICS["lpips"].measure(picture, picture, None) == found


def test_each_process_has_the_distances_of_its_own_images(monkeypatch):
    monkeypatch.setattr(lpip, "_NoTrainLpips", lambda net: reference._LPIPS(net=net, pnet_rand=True, pretrained=False))
    monkeypatch.setattr("torchmetrics.metric.jit_distributed_available", lambda: True)
    monkeypatch.setattr("torchmetrics.metric.gather_all_tensors", lambda values, group=None: [values, values])
    recon, image = torch.rand(2, 2, 3, 64, 64).unbind()
    assert _load.__wrapped__(torch.device("cpu"))(recon, image).shape == (2,)
