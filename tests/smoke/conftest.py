"""Stages in processes of their own, started from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inverter import load_target
from inverter.data.workers import start_server

RUN = """
import os, sys, torch
os.environ.update(environment)
torch.set_num_threads(1)
from inverter.__main__ import main
sys.exit(main(words))
"""
NETWORK = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Tanh(), nn.Conv2d(4, 6, 3, 2, 1), nn.Tanh(), nn.Conv2d(6, 4, 1))
"""
CLASSIFIER = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Tanh(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 5))
"""
ATTACK = [
    *("train.pairs=16", "dev.pairs=8", "val.pairs=24", "num_inference_steps=1", "num_bootstrap=50"),
    *("model.width=16", "model.depth=1", "model.coarse_width=16", "model.head_width=8"),
    *("data.batch_size=4", "data.num_workers=0", "optim.max_time=null", "optim.precision=fp32"),
    *("trainer.progress=false", "trainer.device=cpu"),
]
AUDIT = ["target.name=module:nets_to_audit:build", "target.input_size=32", "layers=[1,3]", *ATTACK]
TRADEOFF = [
    *("target.name=module:classifier_to_defend:build", "target.input_size=32", "target.layer=1"),
    *("payloads=[gaussian:0.5]", "defences=[]", *ATTACK),
]
Start = Callable[..., list[BaseProcess]]


@pytest.fixture(scope="session")
def start() -> Start:
    """Function that starts ``inverter WORDS`` in processes that find themselves as torchrun would have left them."""
    start_server()
    context = multiprocessing.get_context("forkserver")

    def run(words: Sequence[str], world_size: int = 1) -> list[BaseProcess]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes = []
        for rank in range(world_size):
            environment = {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(world_size),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "TORCHELASTIC_RUN_ID": "test",
            }
            scope = {"environment": environment if world_size > 1 else {}, "words": list(words)}
            processes.append(context.Process(target=exec, args=(RUN, scope)))
            processes[-1].start()
        return processes

    return run


@pytest.fixture(scope="session")
def finish(start: Start) -> Callable[..., None]:
    """Function that starts ``inverter WORDS`` and waits until every process has ended without an error."""

    def run(words: Sequence[str], world_size: int = 1) -> None:
        processes = start(words, world_size)
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * world_size

    return run


@pytest.fixture(scope="session")
def audit_words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], list[str]]]:
    """Function from a folder, for ``pairs-LAYER`` and ``audit``, to words that audit two layers of a tiny network."""
    nets = tmp_path_factory.mktemp("nets")
    (nets / "nets_to_audit.py").write_text(NETWORK)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(nets)  # processes started from here take it over
        yield lambda root: [
            "audit",
            "configs/audit.yaml",
            *AUDIT,
            f"data.path={root}/pairs-{{layer}}",
            f"output={root}/audit",
        ]


@pytest.fixture(scope="session")
def tradeoff_words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], list[str]]]:
    """Function from a folder, for ``pairs-SETTING`` and ``tradeoff``, to words that attack two payloads."""
    nets = tmp_path_factory.mktemp("classifiers")
    (nets / "classifier_to_defend.py").write_text(CLASSIFIER)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(nets)
        yield lambda root: [
            "tradeoff",
            "configs/tradeoff.yaml",
            *TRADEOFF,
            f"data.path={root}/pairs-{{setting}}",
            f"output={root}/tradeoff",
        ]


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``photo.png``, 32 px, and ``photo.npy``, its features."""
    folder = tmp_path_factory.mktemp("photo")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    target = load_target("timm:tf_efficientnet_lite0", "blocks.1", input_size=64)
    with torch.no_grad():
        features = target(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    np.save(folder / "photo.npy", features[0].numpy())
    return folder
