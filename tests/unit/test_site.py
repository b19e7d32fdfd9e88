"""What the site is made of: every key is described, every config has a page, and copies agree with their sources."""

import dataclasses
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from documents import ROOT, read
from PIL import Image

from inverter.__main__ import STAGES
from inverter.config import AutoencoderConfig
from inverter.config.kinds import KindConfig
from inverter.evaluation.intervals import Bootstrap

HOOKS = ROOT / "docs" / "hooks"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(HOOKS)
    found: list[str] = []

    def load(name: str) -> ModuleType:
        found.append(name)
        return importlib.import_module(name)

    yield load
    for name in found:
        sys.modules.pop(name, None)


def nameless(config: Any, comments: Any) -> Iterator[str]:
    """Keys of a schema of which nothing says what they are."""
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if isinstance(value, KindConfig):
            for kind in value.kinds():
                yield from nameless(value.of_kind(kind), comments)
        elif dataclasses.is_dataclass(value):
            yield from nameless(value, comments)
        elif not comments(type(config))[entry.name]:
            yield f"{type(config).__name__}.{entry.name}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_key_is_described(stage, hook):
    keys = hook("keys")
    assert list(nameless(keys.find_schema(stage)(), keys.comments)) == []


def test_a_page_of_keys(hook):
    page = hook("keys").render("train")
    assert "| `seed` | `0` | int | of whatever is drawn |" in page
    assert "## `data.*`\n\n| key | default | type | what it is |" in page
    assert "## `model.*` of `surrogate`\n\n" in page
    assert "| `data.path` | needed | str | folder with train/ and dev/ pair shards |" in page
    assert "## `train.yaml`\n\n```yaml\n" + read(Path("configs/train.yaml")).rstrip() in page
    experiment = hook("keys").render("experiment methods")
    assert "| `budgets` | `[]` | list of entries |" in experiment
    assert "| `budgets[].queries` | `null` | int &#124; None | target queries an image |" in experiment


def test_comments_may_go_on_in_the_next_line(hook):
    said = hook("keys").comments(AutoencoderConfig)["anchor_weight"]
    assert said.startswith("weight of the latents' squared distance") and said.endswith("with the new autoencoder")


def test_every_config_is_on_a_page(hook):
    shown = {file for files in hook("keys").CONFIGS.values() for file in files}
    assert shown == {path.name for path in (ROOT / "configs").glob("*.yaml")}


def test_keys_are_read_without_torch():
    script = f"import sys; sys.path.insert(0, {str(HOOKS)!r}); import keys; keys.render('audit'); print('torch' in sys.modules)"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("page", ["README.md", "docs/published.md"])
def test_the_tables_of_a_page_are_those_of_the_metrics(page, hook):
    published, text = hook("published"), read(Path(page))
    assert published.filled(text, published.pages()[page]) == text, "run python docs/hooks/published.py"


def test_every_published_inverter_has_its_rows(hook):
    published = hook("published")
    folders = {path.parent.name for path in (ROOT / "checkpoints").glob("*/model.safetensors")}
    assert set(published.names()) == folders
    page, readme = published.pages()["docs/published.md"], published.pages()["README.md"]
    assert [f"### {name}\n" in page for name in folders] == [True] * len(folders)
    assert "| nearest training image | 9.52 [9.25, 9.78] | 0.099 [0.088, 0.110] | 0.434 [0.375, 0.496] |" in page
    assert "| `blocks.2` | 40 x 28 x 28, 2.55 times the picture | 40,000, then 18,000 | 1,000 | 4.7 MB |" in page
    row = "| `blocks.4` | 112 x 14 x 14, 1.79 times the picture | 256 | 19.64 [19.30, 19.98] | "
    assert row + "0.86 [0.81, 0.89] / 0.99 [0.97, 1.00] | 0.05 / 0.04 |" in readme


@pytest.mark.parametrize("share", [0.0, 2 / 192, 5 / 192, 0.5, 1.0])
def test_intervals_of_shares_are_those_of_an_evaluation(share, hook):
    outcomes = (torch.arange(192) < round(192 * share)).double()
    bootstrap = Bootstrap(192)
    score = dataclasses.asdict(bootstrap.interval(bootstrap.mean(outcomes)))
    ends = hook("published").ends(score)
    wanted = bootstrap.interval(bootstrap.mean(outcomes, share=True))
    assert ends == pytest.approx((wanted.low, wanted.high))
    assert ends[1] - ends[0] > 0.019


def test_marks_are_needed(hook):
    published = hook("published")
    assert published.filled(f"a {published.BEGIN} old {published.END} b", "new") == (
        f"a {published.BEGIN}\n\nnew\n\n{published.END} b"
    )
    with pytest.raises(ValueError, match="the page needs the marks <!-- tables by"):
        published.filled(f"a {published.BEGIN}", "new")


def test_the_picture_of_the_readme_is_that_of_the_previews(hook):
    depths = hook("depths")
    made, kept = (np.asarray(image.convert("RGB")) for image in (depths.depths(), Image.open(depths.PICTURE)))
    assert np.array_equal(made, kept), "run python docs/hooks/depths.py"
    width = depths.SHOWN * depths.SIDE + 2
    originals = [kept[: depths.SIDE, start : start + width] for start in range(0, kept.shape[1], width + depths.GAP)]
    assert len(originals) == len(depths.NAMES)
    assert all(np.array_equal(one, originals[0]) for one in originals)
