import re

import torch
from torch import nn

from inverter.lab.bench import payloads
from inverter.targets.libraries import LoadedNetwork


def test_answers_are_counted(monkeypatch):
    network = nn.Sequential(nn.Conv2d(3, 4, 32, 32), nn.Flatten(), nn.Linear(196, 3)).eval()
    found = LoadedNetwork("tiny", network, 224, (0.0,) * 3, (1.0,) * 3)
    monkeypatch.setattr(payloads, "load_network", lambda *_, **__: found)
    monkeypatch.setattr(payloads, "pictures", lambda split, count: torch.rand(count, 3, 224, 224))
    _, _, *rows = payloads.table(["0"], count=2)
    assert re.fullmatch(r"\| `identity` \| 784 \| \d+\.\d\d \| 0\.000 \| 2 of 2 \|", rows[0])
    assert all(row.endswith((" 0 of 2 |", " 1 of 2 |", " 2 of 2 |")) for row in rows)
