from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from inverter.config import PrepareConfig, TargetConfig
from inverter.data import fit
from inverter.payloads import codebooks


def test_every_process_sends_by_what_the_first_one_measured(monkeypatch):
    books = torch.rand(2, 4, 3)
    digest = codebooks.remember(books)
    monkeypatch.setattr(codebooks, "_KNOWN", {})
    own = codebooks.remember(books + 1e-6)  # of this process, which is not the first
    config = PrepareConfig(output="pairs", split="train", target=TargetConfig(payload="pq:2x2:fit"))
    monkeypatch.setattr(fit, "gather", lambda share: [({"pairs": f"pq:2x2:{digest}"}, {digest: books}), *share])
    used: dict[str, str] = {}
    target = SimpleNamespace(fits=True, use_payloads=used.update)
    builder = SimpleNamespace(fit=lambda: {"pairs": f"pq:2x2:{own}"}, target=target)
    fresh = SimpleNamespace(saved={}, path=Path("pairs/train/prepare.json"))
    with pytest.raises(ValueError, match="are not at hand"):
        codebooks.recall(digest)
    fit.fit_payloads(builder, [config], {"pairs": fresh})
    assert used == {"pairs": f"pq:2x2:{digest}"}
    assert torch.equal(codebooks.recall(digest), books)
