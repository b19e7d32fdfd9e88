import json
from pathlib import Path

import pytest
import torch

from inverter.evaluation.judge_networks import residual as residual_judge
from inverter.evaluation.judge_networks.residual import JudgeSpec, ResidualJudge, load_residual_judge, save_judge
from inverter.evaluation.judges import load_judge, load_judges
from inverter.lab.judge.config import JudgeConfig
from inverter.lab.judge.module import JudgeModule, check_labels, hits

SPEC = JudgeSpec(16, (4, 4, 8, 8), (1, 1, 1, 1), 3, ("cat", "dog", "boat"))


@pytest.fixture
def judge() -> ResidualJudge:
    judge = ResidualJudge(SPEC)
    for module in judge.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
    return judge.eval()


@pytest.fixture
def published(judge: ResidualJudge, tmp_path: Path) -> Path:
    save_judge(judge, tmp_path / "judge", {"seconds": 1}, {"split": "val"})
    return tmp_path / "judge"


def test_a_saved_judge_says_the_same(judge, published):
    loaded = load_residual_judge(str(published))
    images = torch.rand(3, 3, 20, 24)
    for found, expected in zip(loaded.classify(images), judge.classify(images), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)  # weights are stored in half precision
    assert loaded.spec == SPEC and not any(parameter.requires_grad for parameter in loaded.parameters())
    assert loaded.classify(images)[1].shape == (3, 8)
    assert json.loads((published / "judge.json").read_text())["accuracy"] == {"split": "val"}


def test_the_default_size_is_within_the_limits():
    config = JudgeConfig()
    module = JudgeModule(config, JudgeSpec(64, tuple(config.widths), tuple(config.depths), config.num_classes))
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count < 4_000_000 and 2 * count < 8_000_000
    config.max_parameters = 1000
    with pytest.raises(ValueError, match=f"make {count} parameters; allowed: 1000"):
        JudgeModule(config, module.judge.spec)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widths": [4, 4]}, "key widths.2 is missing"),
        ({"classes": ["cat"]}, "1 class names for 3 classes"),
        ({"num_classes": 0}, "num_classes=0; allowed: greater than or equal to 1"),
        ({"depths": [1, 1, 1, "1"]}, "depths.3=.1.; allowed: a valid integer"),
        ({"colour": 1}, "unknown keys .*colour"),
        ({"num_classes": 4, "classes": []}, "network.fc"),
    ],
)
def test_a_judge_that_does_not_fit(published, change, message):
    path = published / "judge.json"
    config = json.loads(path.read_text())
    config["spec"] |= change
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        load_residual_judge(str(published))


def test_damaged_weights(published):
    (published / "judge.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="cannot be used"):
        load_residual_judge(str(published))


def test_hits_by_hand():
    class Fixed(torch.nn.Module):
        spec = SPEC

        def forward(self, images):
            return images

    logits = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    batch = {"image": logits, "label": torch.tensor([0, 1])}
    assert hits(Fixed(), [batch], top=2).tolist() == [[True, True], [False, True]]


def test_labels_must_be_classes():
    with pytest.raises(ValueError, match="labels from -1 to 2; allowed: 0 to 2"):
        check_labels(torch.tensor([-1, 2]), 3)


def test_both_judges_or_the_reason(published, monkeypatch):
    monkeypatch.setattr(residual_judge, "find_published", lambda *_, **__: published)
    judges, missing = load_judges(["residual"])
    assert [judge.name for judge in judges] == ["residual"] and missing == []
    assert judges[0].look(torch.rand(2, 3, 64, 64)).probabilities.shape == (2, 3)

    def nowhere(*_, **__):
        raise ValueError("judge 'judge' not found")

    monkeypatch.setattr(residual_judge, "find_published", nowhere)
    judges, missing = load_judges(["residual"])
    assert judges == [] and (missing[0].metric, missing[0].reason) == ("judge/residual", "judge 'judge' not found")
    with pytest.raises(ValueError, match="allowed: efficientnet-lite1, residual"):
        load_judges(["nobody"])
    with pytest.raises(ValueError, match="not found"):
        load_judge("residual")
