"""Two rungs of a tiny network: killed, gone on with, and left alone once they are done."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from spies import Killed

from inverter.__main__ import main
from inverter.config import load_config
from inverter.lab.ladder import rung as rungs
from inverter.lab.ladder.config import LadderConfig
from inverter.lab.ladder.plan import plan_rungs
from inverter.publish.inverter import check_name
from inverter.run.lock import locked

SMALL = ["model.width=16", "model.depth=1", "model.coarse_width=16", "model.head_width=8"]


@pytest.fixture
def config(tmp_path: Path, audit_words: Callable[[Path], list[str]]) -> Path:
    target = ["target.name=module:nets_to_audit:build", "target.input_size=32"]
    values = {
        "rungs": [
            {"name": name, "prepare": [f"target.layer={layer}"], "train": [f"target.layer={layer}"]}
            for name, layer in (("first", 1), ("second", 3))
        ],
        "prepare": ["prepare.yaml", *target, "num_inference_steps=1", "max_time=null"],
        "splits": {
            "train": ["pairs=16"],
            "dev": ["prepare_dev.yaml", "pairs=32"],
            "val": ["prepare_val.yaml", "pairs=24"],
        },
        "train": [
            *("train.yaml", *target, *SMALL, "data.batch_size=4", "data.num_workers=0", "optim.max_time=null"),
            *("optim.max_steps=4", "optim.precision=fp32", "trainer.progress=false", "trainer.device=cpu"),
        ],
        "evaluate": ["limit=8", "num_bootstrap=50", "precision=fp32"],
        "draws": [{"guidance_scale": 1.0}, {"guidance_scale": 2.0, "num_inference_steps": 4}],
        "num_dev": 8,
        "judges": ["residual"],
        **{key: str(tmp_path / key) for key in ("pairs", "published", "output")},
    }
    (tmp_path / "ladder.yaml").write_text(json.dumps(values))
    return tmp_path / "ladder.yaml"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rungs_are_climbed_once(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, root = [], config.parent

    def spy(stage: str, run: Callable) -> Callable:
        def call(given):
            done.append(stage)
            if done == ["train", "evaluate"]:
                raise Killed
            return run(given)

        return call

    for stage in ("train", "evaluate", "publish"):
        monkeypatch.setattr(getattr(rungs, stage), "run", spy(stage, getattr(rungs, stage).run))
    words = ["ladder", str(config), "only=[first]"]
    with pytest.raises(Killed):
        main(words)
    done[:] = ["resumed"]
    assert main(words) == 0
    assert done == ["resumed", "evaluate", "publish"]
    chosen = json.loads((root / "output" / "first" / "steps.json").read_text())["draw"]
    best = max(chosen["compared"], key=lambda found: found["reid_mrr/residual"])["draw"]
    assert json.loads((root / "published" / "first" / "metrics.json").read_text())["config"]["draw"] == best
    page = (root / "output" / "README.md").read_text()
    assert "1 of 2 inverters are published" in page
    assert "| first | published | 16 |" in page
    monkeypatch.setattr(rungs, "load_trained_inverter", None)  # what was chosen is kept: nothing is loaded for it
    assert main(words) == 0
    assert done == ["resumed", "evaluate", "publish"]


def test_a_rung_of_another_process_is_left_to_it(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = config.parent / "output" / "locks" / "second"
    child = os.fork()
    if not child:
        with locked(folder):
            signal.pause()
    try:
        while not (folder / ".lock").is_file() or not (folder / ".lock").read_text():
            pass
        with caplog.at_level("INFO"):
            assert main(["ladder", str(config), "only=[second]"]) == 0
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert "second is left to the run that works on it" in caplog.text
    assert "| second | waiting |" in (config.parent / "output" / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["only=[third]"], r"only holds \['third'\]; allowed: first, second"),
        (["rungs=[{name: a}, {name: a}]"], "rungs: name 'a' occurs twice"),
        (["rungs=[{name: a+b}]"], "rungs is 'a[+]b'; allowed: letters"),
        (["rungs=[{name: a, after: b}, {name: b}]"], "after='b' of a; allowed: a rung before it: null, for the first"),
        (["rungs=[{name: a, train: [optim.lr=fast]}]"], "key 'optim.lr'"),
        (["rungs=[{name: a, evaluate: [draw.strength=0.5]}]"], "rung a: evaluate holds draw.strength"),
        (["rungs=[{name: a, train: [trainer.devices=2]}]"], "rung a: trainer.devices is 2"),
    ],
)
def test_bad_values_are_named_before_anything_runs(config: Path, words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_rungs(load_config(LadderConfig, [config], words))


def test_unknown_splits_are_named(config: Path) -> None:
    given = replace(load_config(LadderConfig, [config]), splits={"train": [], "valid": []})
    with pytest.raises(ValueError, match=r"splits holds \['valid'\]; allowed: train, dev, val"):
        plan_rungs(given)


def test_the_projects_own_ladder_is_read() -> None:
    config = load_config(LadderConfig, ["ladder.yaml"])
    with pytest.raises(ValueError, match=r"blocks\.6 exists and is not of this ladder's run; set overwrite=true"):
        plan_rungs(config)
    planned = plan_rungs(replace(config, overwrite=True))
    for rung in planned:
        check_name(rung.name, "name")
    assert [rung.after for rung in planned if rung.train.prior != "embedded"] == ["blocks.6"] * (len(planned) - 1)
    assert len(planned) >= 12
    assert {rung.train.model.tune for rung in planned} == {"full", "lora"}
    assert all(rung.train.target == rung.prepare["val"].target for rung in planned)
