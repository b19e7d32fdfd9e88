"""A page's inverter: untrained, of a tiny network of a factory, with the toy prior."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from inverter_toys import publish_toy

from inverter.demo.config import DemoConfig
from inverter.demo.inverters import Inverters
from inverter.priors.prior import DiffusionPrior
from inverter.targets import load_target

TARGET = "module:network_of_the_demo:build"
NETWORK = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 6, 8, 8), nn.Tanh(), nn.Conv2d(6, 4, 1))
"""


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, tiny_prior: DiffusionPrior) -> Iterator[Path]:
    """Folder of the inverter; features are (6, 4, 4), pictures 32 px."""
    root = tmp_path_factory.mktemp("demo")
    (root / "network_of_the_demo.py").write_text(NETWORK)
    sys.path.insert(0, str(root))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        target = load_target(TARGET, "1", input_size=32)
    publish_toy(root / "toy", tiny_prior, target.spec)
    yield root / "toy"
    sys.path.remove(str(root))


@pytest.fixture(scope="session")
def config(published: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoConfig:
    runs = tmp_path_factory.mktemp("runs")
    return DemoConfig(inverters=[str(published)], runs=str(runs), target=TARGET, device="cpu", max_seconds=5)


@pytest.fixture(scope="session")
def inverters(config: DemoConfig) -> Inverters:
    return Inverters(config)


@pytest.fixture(scope="session")
def open_page() -> Callable[[DemoConfig], AbstractContextManager[str]]:
    """Function from a config to the address of its page, at a port of its own."""
    pytest.importorskip("gradio", reason="Gradio is not installed: make dev")
    from inverter.demo.server import serve

    return lambda config: serve(replace(config, port=0))


@pytest.fixture(scope="module")
def address(config: DemoConfig, open_page: Callable[[DemoConfig], AbstractContextManager[str]]) -> Iterator[str]:
    """Of the page, while a module's tests run."""
    with open_page(config) as found:
        yield found


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="write the pictures of the documents anew")
