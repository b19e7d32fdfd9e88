"""What is attacked, and what decides its cells."""

from types import SimpleNamespace

import pytest

from inverter.config import MethodsExperimentConfig, PointConfig
from inverter.experiments.attempt import Attempt
from inverter.experiments.cell import CellFile
from inverter.experiments.subject import Subject


def test_a_cell_of_another_prior_or_inverter_is_refused(tmp_path):
    target = SimpleNamespace(specs={"blocks.2": SimpleNamespace(weights_sha256="target")})
    folder = tmp_path / "published"
    folder.mkdir()

    def cell(prior: str, inverter: str | None) -> CellFile:
        if inverter is not None:
            (folder / "model.safetensors").write_text(inverter)
        published = None if inverter is None else SimpleNamespace(folder=folder)
        subject = Subject(PointConfig(), target, published, {}, prior)  # type: ignore[arg-type]
        return CellFile(tmp_path, "cell", Attempt(subject, "direct", None, 0).recipe(MethodsExperimentConfig()))

    cell("prior", "one").save()
    cell("prior", "one")
    with pytest.raises(ValueError, match="was made with prior_sha256='prior', now 'other'; choose another output"):
        cell("other", "one")
    with pytest.raises(ValueError, match="was made with inverter_sha256='[0-9a-f]{64}', now '[0-9a-f]{64}';"):
        cell("prior", "two")
    with pytest.raises(ValueError, match="was made with inverter_sha256='[0-9a-f]{64}', now None;"):
        cell("prior", None)
