"""Settings of a trade-off, and files that it left and somebody changed."""

from __future__ import annotations

import shutil
from functools import partial

from inverter.audit.recommend import parse_limits
from inverter.evaluation.pairs import EvaluationPairs
from inverter.tradeoff.config import TradeoffConfig
from inverter.tradeoff.plan import find_settings, plan_tradeoff
from inverter.tradeoff.record import Tradeoff
from inverter.tradeoff.utility import read_answers, read_entropy


def make(**changed) -> TradeoffConfig:
    config = TradeoffConfig(output="out", **changed)
    config.data.path = "pairs-{setting}"
    return config


def test_settings(refused):
    refused("a trade-off of nothing", lambda: plan_tradeoff(make()))
    refused("a setting twice", lambda: find_settings(make(payloads=["int8", "int8"])))
    refused("an unknown payload among several", lambda: find_settings(make(payloads=["int8", "int9"])))
    refused("a mean over one query", lambda: plan_tradeoff(make(payloads=["int8"], queries=1)))
    refused("a share of answers to keep above 1", lambda: plan_tradeoff(make(payloads=["int8"], keep=2.0)))
    online = make(payloads=["int8"])
    online.data.images = "no-images.tar"
    refused("training pictures of a trade-off that are not there", lambda: plan_tradeoff(online))
    undefended = make(payloads=["int8"])
    undefended.target.payload = "fp16"
    refused("a trade-off whose target has a payload", lambda: plan_tradeoff(undefended))
    refused("a limit of a setting that is not there", partial(parse_limits, "fp16:0.5", ["identity", "int8"]))
    refused("a need that is no share", partial(parse_limits, "int8:2", ["identity", "int8"], "min_utility"))


def test_files(refused, tmp_path):
    (tmp_path / "report.json").write_text("{}")
    refused("a report of a trade-off without a version", lambda: Tradeoff.load(tmp_path / "report.json"))
    (tmp_path / "sent.json").write_text('{"entropy": null}')
    refused("a damaged measure of what is sent", lambda: read_entropy(tmp_path / "sent.json"))
    (tmp_path / "utility.csv").write_text("key,label\n")
    refused("answers in other columns", lambda: read_answers(tmp_path / "utility.csv"))


def test_handicaps(refused, tiny_shards, target_spec, tmp_path):
    shutil.copytree(tiny_shards / "dev", tmp_path / "val")
    find = partial(EvaluationPairs.find, tmp_path, "inverter 'toy'", target_spec, accept=["layer"])
    refused("a handicap that there is not", find)
