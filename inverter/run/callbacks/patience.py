"""An end where the score no longer grows."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.callbacks import EarlyStopping


class Patience(EarlyStopping):
    """Early stopping whose patience is the configuration's, also in a run that was begun with another one."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "patience": self.patience})
