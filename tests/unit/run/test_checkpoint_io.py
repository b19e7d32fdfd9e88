import pytest
import torch

from inverter.run.checkpoint_io import AtomicCheckpointIO


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "new" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": torch.tensor(1)}, path)

    class Broken:
        def __reduce__(self):
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        AtomicCheckpointIO().save_checkpoint({"step": torch.tensor(2), "broken": Broken()}, path)
    assert AtomicCheckpointIO().load_checkpoint(path, weights_only=True) == {"step": torch.tensor(1)}
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_the_new_checkpoint_appears_complete(tmp_path, monkeypatch):
    path, seen = tmp_path / "last.ckpt", []
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda *args: (save(*args), seen.append(path.exists())))
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)
    assert seen == [False] and path.is_file()
