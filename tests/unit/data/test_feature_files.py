"""What is done with axes that nobody stated is said."""

import logging
from types import SimpleNamespace

import pytest
import torch

from inverter.data.feature_files import fitting

SPEC = SimpleNamespace(layers={"b": (6, 5, 3)})


def test_a_map_that_is_turned_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    turned = torch.rand(5, 3, 6)
    with caplog.at_level(logging.INFO):
        for key in ("one", "two"):
            assert torch.equal(fitting({"b": turned}, SPEC, key), turned.permute(2, 0, 1))  # type: ignore[arg-type]
    said = "features of shape (5, 3, 6) are read as (6, 5, 3), the one way that fits b; feature_axes states it"
    assert caplog.messages == [said]


def test_nothing_is_said_of_features_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        fitting({"b": torch.rand(6, 5, 3)}, SPEC, "one")  # type: ignore[arg-type]
    assert caplog.messages == []
