import json
from dataclasses import asdict

import pytest
from documents import ROOT

from inverter.lab.prior.card import render_prior_card
from inverter.lab.prior.config import EvaluatePriorConfig
from inverter.lab.prior.plan import choose_settings

EMBEDDED = ROOT / "checkpoints" / "embedded"


def render(record: dict) -> str:
    subject = record["subject"]
    settings = asdict(choose_settings(EvaluatePriorConfig(val="", output=""), subject["few_step"]))
    return render_prior_card("embedded", {**subject, "settings": settings}, record["parts"])


@pytest.mark.parametrize("name", ["prior_metrics.json", "prior_metrics_few_step.json"])
def test_the_records_of_the_published_prior(name):
    record = json.loads((EMBEDDED / name).read_text())
    card = render(record)
    assert f"{record['parts']['speed']['1']:.1f} in 1 step, " in card
    assert f"{record['parts']['speed']['4']:.1f} in 4 steps" in card
    assert f"| val | 5,000 | {record['parts']['round_trip/val']['psnr']['mean']:.2f} [" in card


@pytest.mark.parametrize(
    ("device", "said"),
    [("cpu", "(Xeon, 4 threads, commit 0123456789ab)"), ("cuda", "(H200, Xeon, 4 threads, commit 0")],
)
def test_speed_names_what_measured_it(device, said):
    record = json.loads((EMBEDDED / "prior_metrics.json").read_text())
    environment = {"processor": "Xeon", "threads": 4, "gpus": ["H200"]}
    record["parts"]["speed"] = {"8": 9.04, "device": device, "environment": environment, "commit": "0123456789abcdef"}
    card = render(record)
    assert f"**Speed** {said}" in card and ", samples a second, of 64 without guidance: 9.0 in 8 steps." in card
