from collections import namedtuple

import pytest
import torch

from inverter.config import DoctorConfig
from inverter.stages import doctor


def test_what_is_there_is_named(tmp_path, capsys):
    doctor.run(DoctorConfig(path=str(tmp_path)))
    printed = capsys.readouterr().out
    for found in (f"torch {torch.__version__.partition('+')[0]}", f"GB free in {tmp_path}", "embedded", "blocks.2"):
        assert found in printed


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10, 9, 1_000_000)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(doctor, "checkpoints_root", lambda: tmp_path / "checkpoints")
    monkeypatch.setattr(doctor, "WEIGHTS", {"some_network": ("no_such_package", "File")})
    monkeypatch.setattr(doctor, "HF_HUB_CACHE", str(tmp_path / "hub"))
    found = dict(doctor.findings(tmp_path))
    assert found["disk"] == f"low: 0.0 GB free in {tmp_path}"
    assert found["priors"] == f"missing in {tmp_path / 'checkpoints'}"
    assert found["inverters"] == f"missing in {tmp_path / 'checkpoints'}"
    assert found["weights of some_network"] == "no_such_package missing"


@pytest.mark.parametrize(("fast", "expected"), [(True, "bf16: the cpu has"), (False, "fp32: the cpu lacks")])
def test_precision_is_that_of_the_stages(monkeypatch, fast, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for module in (doctor, doctor.pick_precision.__globals__):
        name = "computes_bf16"
        if isinstance(module, dict):
            monkeypatch.setitem(module, name, lambda device: fast)
        else:
            monkeypatch.setattr(module, name, lambda device: fast)
    assert dict(doctor.findings(doctor.Path(".")))["precision=auto"].startswith(expected)
