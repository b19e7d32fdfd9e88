from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from inverter.config import InvertConfig
from inverter.stages import invert


def test_a_folder_of_pictures_is_read_a_batch_at_a_time(tmp_path, monkeypatch):
    """The broken picture at the end is met after the first batch: nothing holds all pictures at once."""
    for name in "abc":
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_bytes(b"no picture")
    published = SimpleNamespace(target=None, spec=SimpleNamespace(resolution=4))
    monkeypatch.setattr(invert, "read_published", lambda name: published)
    monkeypatch.setattr(invert, "load_same_target", lambda *_, **__: lambda images: images.mean((2, 3)))
    batches = invert._features(InvertConfig(input=str(tmp_path), batch_size=2), torch.device("cpu"))
    keys, features = next(batches)
    assert keys == ["a", "b"]
    torch.testing.assert_close(features, torch.tensor([[1.0, 0.0, 0.0]] * 2))
    with pytest.raises(ValueError, match=r"d.png is none; allowed: PNG"):
        next(batches)
