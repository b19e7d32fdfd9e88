"""The commands of the documents, run in the order in which they stand, with small sizes on top."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from documents import DOCS, commands, read, stages
from furniture import furnish
from huggingface_hub import HfApi

from inverter.__main__ import main
from inverter.run.status import LIMIT_EXCEEDED

PROGRAMS = ("inverter", "make", "torchrun", "sbatch", "wandb")
GUIDES = [doc for doc in DOCS if doc.parts[0] in ("README.md", "docs")]
QUICK = {"README.md", "docs/start.md", "docs/reference/commands.md"}  # run by `make test`, too
PAGES = [doc for doc in GUIDES if commands(read(doc), *PROGRAMS)]
CASES = [doc if str(doc) in QUICK else pytest.param(doc, marks=pytest.mark.slow) for doc in PAGES]
NOT_RUN = {  # command: why
    "make help": "runs no stage",
    "make clean": "runs no stage",
    "make dev": "runs no stage",
    "make docs": "runs no stage",
    "make setup": "runs no stage",
    "make test": "runs this",
    "make test-all": "runs this",
    "sbatch configs/cluster.sbatch target.layer=blocks.4": "needs SLURM; tests/unit/test_docs.py reads its commands",
    "wandb login": "needs an account",
    "wandb sync runs/*/wandb/offline-run-*": "needs an account",
}
BLOCKS_2 = "data/shards/timm-tf_efficientnet_lite0-blocks.2"
LATENT = "latent.num_steps=2 latent.num_inference_steps=1"
STAND_INS = {  # word that asks for what is not here, or for a long search: words on top
    "method=direct": "direct.num_steps=2",
    "method=latent": LATENT,
    "invert_paper.yaml": LATENT,
    "method=hybrid": "hybrid.num_steps=2 hybrid.pixels.num_steps=2",
    "method=guided": "guided.num_inference_steps=2 guided.num_recurrences=1",
    "target.name=torchvision:resnet18": "target.pretrained=false",  # its weights would be downloaded
    "source=torchvision:Food101": "source=torchvision:ImageFolder dataset.root=pictures/train dataset.split=null",
    "prior=stable-diffusion-v1-5/stable-diffusion-v1-5": "prior={stable_diffusion}",  # on the hub
    "source=shards:s3://bucket/pictures-*.tar": "source=shards:pictures-*.tar",  # test_s3.py has a server
    "data.path=s3://bucket/pairs": f"data.path={BLOCKS_2}",
    "gpu.yaml": "trainer.device=cpu trainer.devices=1 trainer.num_nodes=1 compile=false data.pin_memory=false",
    "tradeoff_page.yaml": "start_from=null model.conditioning=control",  # published inverters are of another prior
    "val=tiny-imagenet-val-000.tar": "val=null",  # the pages of results name the file alone
    "output=data/shards/start": "prior=embedded",  # pairs of published inverters
    "output=data/shards/start-deep": "prior=embedded",
    "data.path=PAIRS": f"data.path={BLOCKS_2}",
}
FEATURES = {"docs/guides/whitebox.md": (112, 14, 14)}  # shape of features.npy; else those of blocks.2
MODEL = "model.width=16 model.depth=1 model.coarse_width=16 model.head_width=8"
TRAIN = (
    "data.batch_size=2 data.num_workers=0 optim.max_steps=2 optim.max_time=null trainer.device=cpu "
    "trainer.every_n_seconds=0 trainer.progress=false"
)
EXPERIMENT = (
    'prior={tiny} layers=[{{"layer":blocks.1,"input_size":64}}] judges=[] num_bootstrap=20 batch_size=2 device=cpu'
)
PICTURES = "images=2 num_distractors=2"
SIZES = {  # stage: words on top
    "prepare": "prior={tiny} pairs=4 shard_size=4 num_inference_steps=1 device=cpu",
    "train": f"prior={{tiny}} {MODEL} {TRAIN}",
    "defend": f"data.source=prior data.prior={{tiny}} data.pictures=4 data.dev_pictures=2 {TRAIN}",
    "distill": f"{TRAIN} rank=2 num_ddim_steps=4 grid_pictures=2",
    "evaluate": "limit=4 num_bootstrap=20 device=cpu",
    "audit": f"prior={{tiny}} train.pairs=4 dev.pairs=4 val.pairs=4 shard_size=4 num_inference_steps=1 {MODEL} {TRAIN} "
    "trainer.every_n_seconds=60 judges=[] metric=psnr num_bootstrap=20",
    "vectors": "num_bootstrap=20",
    "demo": "port=0 max_uptime=1 device=cpu",
    "tradeoff": f"prior={{tiny}} payloads=[int8] train.pairs=4 dev.pairs=4 val.pairs=4 shard_size=4 "
    f"num_inference_steps=1 {MODEL} {TRAIN} trainer.every_n_seconds=60 judges=[] metric=psnr num_bootstrap=20",
    "ladder": "only=[] overwrite=true",  # test_ladder.py runs one
    "bench": "prior={tiny} pairs=4 batch_size=2 rounds=1 steps=2 device=cpu",
    "invert": "device=cpu",
    "train_prior autoencoder": f"{TRAIN} resolution=32 widths=[16,64] encoder_blocks=[1,1] "
    "decoder_blocks=[1,1] discriminator_width=4",
    "train_prior denoiser": f"{TRAIN} resolution=32 compile=false widths=[16,32] head_dim=16 text_width=32 "
    "text_layers=1 vocabulary=600 grid_prompts=2",
    "train_prior distill": f"{TRAIN} rank=2 num_ddim_steps=2 grid_prompts=2",
    "train_judge": f"{TRAIN} resolution=32 widths=[4,4,8,8] depths=[1,1,1,1] num_classes=3",
    "evaluate_prior": "num_samples=4 num_text=4 num_memory=4 num_speed=2 num_photos=4 steps=[1,2] guidances=[1] "
    "num_inference_steps=2 num_bootstrap=20 device=cpu",
    "experiment methods": f'{EXPERIMENT} {PICTURES} methods=[direct,hybrid_unpolished] budgets=[{{{{"queries":2}}}}]',
    "experiment prompts": f"{EXPERIMENT} {PICTURES} methods=[latent] budget.queries=2 latent.num_inference_steps=1",
    "experiment smoothing": f"{EXPERIMENT} methods=[direct] budget.queries=2 clips=[carphone,holiday.mp4] frames=3 "
    "block=1",
}


def call_main(words: list[str]) -> int | str | None:
    """Status of the command line."""
    try:
        return main(words)
    except SystemExit as ended:
        return ended.code


Run = Callable[[list[str]], None]


@pytest.fixture(scope="module")
def run(tiny_prior_folder: Path, stable_diffusion: Callable[[str], Path]) -> Run:
    """Function that runs ``inverter WORDS`` with the words of the stage, and of what is not here, on top."""
    folders = {"tiny": tiny_prior_folder, "stable_diffusion": stable_diffusion("epsilon")}

    def call(words: list[str]) -> None:
        stage = " ".join(words[:2]) if words[0] in ("train_prior", "experiment") else words[0]
        sizes = SIZES.get(stage, "")
        if "model.conditioning=tokens" in words:  # it has no coarser map
            sizes = sizes.replace("model.coarse_width=16 ", "")
        more = " ".join([sizes, *(STAND_INS.get(word, "") for word in words)])
        with pytest.MonkeyPatch.context() as patch:  # what would be uploaded goes nowhere
            patch.setattr("huggingface_hub.get_token", lambda: "hf_token")
            patch.setattr(HfApi, "create_repo", lambda *_, **__: None)
            patch.setattr(HfApi, "create_commit", lambda *_, **__: SimpleNamespace(commit_url="https://hub"))
            status = call_main([*words, *more.format(**folders).split()])
        limits = any(word.startswith(("fail_above=", "min_recall=")) for word in words)
        assert status in ((0, LIMIT_EXCEEDED) if limits else (0,)), f"inverter {shlex.join(words)}"

    return call


@pytest.fixture(scope="module")
def checkout(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pairs that the first command of the README makes."""
    folder = tmp_path_factory.mktemp("checkout")
    furnish(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in stages(["make", "prepare", "LAYER=blocks.2"]):
            run(words)
    return folder


@pytest.mark.timeout(900)  # all commands of a page, one after the other
@pytest.mark.parametrize("page", CASES, ids=str)
def test_commands_of_a_page_run_in_order(page, checkout, run, tmp_path, monkeypatch) -> None:
    shutil.copytree(checkout, tmp_path, symlinks=True, dirs_exist_ok=True)
    np.save(tmp_path / "features.npy", np.zeros(FEATURES.get(str(page), (40, 28, 28)), dtype=np.float32))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for command in commands(read(page), *PROGRAMS):
        for words in stages(command):
            run(words)


def test_what_is_not_run_is_listed() -> None:
    shown = {" ".join(command): stages(command) for page in PAGES for command in commands(read(page), *PROGRAMS)}
    assert {command for command, run in shown.items() if not run} == set(NOT_RUN)
    assert set(STAND_INS) <= {word for run in shown.values() for words in run for word in words}
