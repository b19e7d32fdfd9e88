import shutil
from pathlib import Path

import lightning as L
import pytest
import torch

from inverter.data.datamodule import PairDataModule, PairLoader, ShareSampler, StreamSampler, pair_loader
from inverter.data.reader import PairDataset


def training_loader(folder: Path, rank: int = 0, world_size: int = 1, seed: int = 0, batch_size: int = 2) -> PairLoader:
    dataset = PairDataset(folder)
    sampler = StreamSampler(len(dataset), batch_size, seed=seed, rank=rank, world_size=world_size)
    return PairLoader(dataset, sampler)


def flat(batches: list[list[str]]) -> list[str]:
    return [key for batch in batches for key in batch]


def keys(loader) -> list[list[str]]:
    return [batch["key"] for batch in loader]


@pytest.mark.parametrize("num_workers", [0, 3])
def test_every_pair_once_in_order_with_fewer_shards_than_workers(write_shards, num_workers):
    batches = keys(pair_loader(write_shards((4, 3)), 2, num_workers))
    assert batches == [["pair-0", "pair-1"], ["pair-2", "pair-3"], ["pair-4", "pair-5"], ["pair-6"]]


def test_processes_share_evaluation_pairs_without_repetition():
    samplers = [ShareSampler(7, rank, 3) for rank in range(3)]
    assert [list(sampler) for sampler in samplers] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [len(sampler) for sampler in samplers] == [3, 2, 2]
    blocks = [list(ShareSampler(7, rank, 2, block=2)) for rank in range(2)]
    assert blocks == [[0, 1, 4, 5], [2, 3, 6]]
    with pytest.raises(ValueError, match="4 pairs, 2 at once, are too few for 3 processes"):
        ShareSampler(4, 0, 3, block=2)


def test_processes_train_on_equal_numbers_of_different_pairs(write_shards):
    folder = write_shards((6, 5))
    loaders = [training_loader(folder, rank, 2) for rank in range(2)]
    seen = [keys(loader) for loader in loaders]
    assert [len(batches) for batches in seen] == [len(loader) for loader in loaders] == [2, 2]
    both = flat(seen[0] + seen[1])
    assert len(set(both)) == len(both) == 8


def test_order_depends_on_seed_and_epoch_alone(write_shards):
    folder = write_shards((6, 6))
    loader = training_loader(folder)
    first, second = keys(loader), keys(loader)
    for epoch in (first, second):
        assert sorted(flat(epoch)) == sorted(f"pair-{n}" for n in range(12))
    assert first != second
    assert keys(training_loader(folder)) == first
    assert keys(training_loader(folder, seed=1)) != first
    loader.set_epoch(1)
    assert keys(loader) == second


@pytest.mark.parametrize("rank", [0, 1])
def test_loading_the_state_goes_on_with_the_next_batch(write_shards, rank):
    folder = write_shards((9, 8))
    whole = training_loader(folder, rank, 2)
    expected = keys(whole) + keys(whole)
    stopped = training_loader(folder, rank, 2)
    batches = iter(stopped)
    before = [next(batches)["key"], next(batches)["key"], next(batches)["key"]]
    resumed = training_loader(folder, rank, 2)
    resumed.load_state_dict(stopped.state_dict())
    assert len(resumed) == 4
    assert before + keys(resumed) == expected[:7]  # one batch of epoch 0, then three of epoch 1
    with pytest.raises(ValueError, match="batch_size: 2 then, 4 now"):
        training_loader(folder, rank, 2, batch_size=4).load_state_dict(stopped.state_dict())


def test_batch_size_must_fit(write_shards):
    with pytest.raises(ValueError, match="batch_size=4; allowed: 1 to 3"):
        training_loader(write_shards((3,)), batch_size=4)


def test_limit_and_agreement(write_shards):
    train, dev = write_shards((4, 4)), write_shards((3,), split="dev")
    module = PairDataModule(str(train), str(dev), batch_size=2, limit=5)
    assert len(module.train_dataloader()) == 2
    assert set(flat(keys(module.train_dataloader()))) <= {f"pair-{n}" for n in range(5)}
    assert flat(keys(module.val_dataloader())) == ["pair-0", "pair-1", "pair-2"]
    text = (dev / "manifest.json").read_text()
    (dev / "manifest.json").write_text(text.replace('"features.2"', '"features.3"'))
    with pytest.raises(
        ValueError,
        match=r"dev pairs in .* with layer features.2; the target at hand has features.3",
    ):
        PairDataModule(str(train), str(dev))


def test_the_pairs_that_train_do_not_choose(write_shards, tmp_path):
    train = write_shards((3, 2))
    dev = Path(shutil.copytree(train, tmp_path / "dev"))
    (dev / "manifest.json").write_text((dev / "manifest.json").read_text().replace('"train"', '"dev"'))
    with pytest.raises(ValueError, match=r"train and .*dev have 2 shard\(s\) in common"):
        PairDataModule(str(train), str(dev))


class Recorder(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen: list[list[str]] = []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch["key"])
        return self.weight * batch["features"].mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize(("num_workers", "stop"), [(0, 6), (0, 8), (2, 6)])
def test_lightning_resumes_with_the_batches_that_were_left(write_shards, tmp_path, num_workers, stop):
    train = str(write_shards((5, 4)))

    def fit(steps: int, checkpoint: Path | None = None) -> tuple[L.Trainer, list[list[str]]]:
        module = Recorder()
        trainer = L.Trainer(
            max_steps=steps,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, PairDataModule(train, batch_size=2, num_workers=num_workers), ckpt_path=checkpoint)
        return trainer, module.seen

    _, whole = fit(14)
    trainer, before = fit(stop)  # an epoch has 4 batches: 6 is in the middle of one, 8 its end
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    _, after = fit(14, tmp_path / "last.ckpt")
    assert len(whole) == 14
    assert before + after == whole
