from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torchvision.io import decode_image

from inverter.run.callbacks.reconstructions import ReconstructionGrid, reconstruction_grid
from inverter.stages import train


def test_rows_are_originals_reconstructions_and_errors():
    image, recon = torch.zeros(4, 3, 6, 5), torch.full((4, 3, 6, 5), 0.25)
    recon[3] = 0.75
    grid = reconstruction_grid(image, recon)
    assert grid.shape == (3, 3 * (6 + 2) + 2, 4 * (5 + 2) + 2)  # three rows, two pixels around each picture
    rows = [grid[:, 2 + 8 * row : 8 + 8 * row, 2:7].unique().tolist() for row in range(3)]
    assert rows == [[0.0], [0.25], [0.5]]
    assert grid[:, 18:24, 23:28].unique().tolist() == [1.0]  # twice 0.75, clamped


@pytest.fixture(scope="module")
def run(train_config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = train_config(tmp_path_factory.mktemp("run"), max_steps=2, precision="bf16")
    config.trainer.loggers = ["csv", "tensorboard"]
    return train.run(config)


def test_training_writes_a_grid_at_each_validation(run):
    files = sorted((run / "grids").iterdir())
    assert [file.name for file in files] == ["step-0000001.png", "step-0000002.png"]
    with Image.open(files[-1]) as grid:
        assert grid.size == (4 * 34 + 2, 3 * 34 + 2)  # the 4 pictures of the first batch, 3 rows
    first, last = (decode_image(str(file)) for file in files)
    assert torch.equal(first[:, :36], last[:, :36])  # always the same originals


def test_tensorboard_gets_the_pictures(run):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = event_accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert events.Tags()["images"] == ["dev/reconstructions"]
    images = events.Images("dev/reconstructions")
    assert {image.step for image in images} == {1, 2}
    assert (images[0].height, images[0].width) == (3 * 34 + 2, 4 * 34 + 2)
    assert "dev/psnr" in events.Tags()["scalars"]


def test_only_the_first_batch_and_the_first_process_draw(tmp_path):
    callback = ReconstructionGrid(tmp_path, num_images=2)
    module = SimpleNamespace(reconstruct=lambda features: features)
    batch = {"image": torch.rand(3, 3, 4, 4), "features": torch.rand(3, 3, 4, 4)}

    def draw(batch_idx: int = 0, **changes: bool) -> None:
        state = {"sanity_checking": False, "is_global_zero": True, "global_step": 5, "loggers": [], **changes}
        callback.on_validation_batch_end(SimpleNamespace(**state), module, None, batch, batch_idx)

    draw(batch_idx=1)
    draw(sanity_checking=True)
    draw(is_global_zero=False)
    assert not (tmp_path / "grids").exists()
    draw()
    with Image.open(tmp_path / "grids" / "step-0000005.png") as grid:
        assert grid.size == (2 * 6 + 2, 3 * 6 + 2)
