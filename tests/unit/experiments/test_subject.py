"""What is attacked, and what decides its cells."""

from types import SimpleNamespace

import pytest
import torch

from inverter.config import MethodsExperimentConfig, NetworkConfig, PointConfig
from inverter.experiments.attempt import Attempt
from inverter.experiments.cell import CellFile
from inverter.experiments.subject import Subject, load_subject


def test_a_cell_of_another_prior_or_inverter_is_refused(tmp_path):
    target = SimpleNamespace(specs={"blocks.2": SimpleNamespace(weights_sha256="target")})
    folder = tmp_path / "published"
    folder.mkdir()

    def cell(prior: str, inverter: str | None) -> CellFile:
        if inverter is not None:
            (folder / "model.safetensors").write_text(inverter)
        published = None if inverter is None else SimpleNamespace(folder=folder)
        known = SimpleNamespace(weights_sha256=prior)
        subject = Subject(PointConfig(), target, target, published, {}, known)  # type: ignore[arg-type]
        return CellFile(tmp_path, "cell", Attempt(subject, "direct", None, 0).recipe(MethodsExperimentConfig()))

    cell("prior", "one").save()
    cell("prior", "one")
    with pytest.raises(ValueError, match="was made with prior_sha256='prior', now 'other'; choose another output"):
        cell("other", "one")
    with pytest.raises(ValueError, match=r"was made with inverter_sha256='[0-9a-f]{64}', now '[0-9a-f]{64}';"):
        cell("prior", "two")
    with pytest.raises(ValueError, match=r"was made with inverter_sha256='[0-9a-f]{64}', now None;"):
        cell("prior", None)


def test_what_is_measured_has_none_of_the_devices_noise():
    config = MethodsExperimentConfig(target=NetworkConfig(payload="gaussian:0.5", pretrained=False), device="cpu")
    point, prior = PointConfig("blocks.1", 64), SimpleNamespace(weights_sha256="")
    subject = load_subject(config, point, prior)  # type: ignore[arg-type]
    assert subject.own.specs["blocks.1"].weights_sha256 == subject.spec.weights_sha256
    picture = torch.randint(256, (3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sent, recon = subject.features([picture], ["0"], 0), picture[None].float() / 255
    losses = [subject.loss(recon, sent, "sum") for _ in range(2)]
    assert torch.equal(*losses)
    assert not torch.equal(sent, subject.own(recon)["blocks.1"])
    assert losses[0] == pytest.approx(float((sent - subject.own(recon)["blocks.1"]).square().sum()), rel=1e-4)
