"""What `auto` stands for: a GPU where there is one, bfloat16 where the device has instructions for it."""

import copy
import logging

import pytest
import torch
from torch import nn

from inverter.run.device import pick_device, pick_precision, place


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="no GPU is at hand; allowed here: auto, cpu"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (pick_device("auto"), pick_device("cpu"), pick_device("cuda")) == ("cuda", "cpu", "cuda")
    with pytest.raises(ValueError, match="device is 'gpu'; allowed: auto, cpu, cuda"):
        pick_device("gpu")


@pytest.mark.parametrize(
    ("capabilities", "picked"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, "fp32"),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, "bf16"),
        ({"avx512_bf16": True, "amx_bf16": True}, "bf16"),
        ({"architecture": "arm64", "neon": True, "bf16": True}, "fp32"),
    ],
    ids=["AVX-512 without bf16", "AVX-512 with bf16", "AMX", "another architecture"],
)
def test_a_cpu_computes_in_what_it_has_instructions_for(monkeypatch, caplog, capabilities, picked):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    with caplog.at_level(logging.WARNING):
        assert pick_precision("auto", "cpu") == picked
        assert pick_precision("fp32", torch.device("cpu")) == "fp32"
        assert not caplog.records
        assert pick_precision("bf16", "cpu", "optim.precision") == "bf16"
    warned = "optim.precision=bf16 is slow on this cpu, which has no instructions for it; auto picks fp32 here"
    assert caplog.messages == ([] if picked == "bf16" else [warned])


def test_a_pytorch_that_says_nothing_of_the_cpu_computes_in_fp32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert pick_precision("auto", "cpu") == "fp32"


@pytest.mark.parametrize(("supported", "picked"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_is_asked_without_emulation(monkeypatch, supported, picked):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported or including_emulation)
    assert pick_precision("auto", "cuda") == picked


def test_a_precision_that_is_not_allowed():
    with pytest.raises(ValueError, match=r"optim.precision is 'fp16'; allowed: auto, bf16, fp32"):
        pick_precision("fp16", "cpu", "optim.precision")


def test_placing_changes_the_layout_alone():
    given, images = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(32, 2)), torch.randn(3, 4, 4, 4)
    placed = place(copy.deepcopy(given), "cpu")
    kernel = placed[0].weight
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert not kernel.is_contiguous()
    torch.testing.assert_close(placed(images), given(images))
