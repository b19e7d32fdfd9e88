"""What a run was begun with that its configuration cannot say: the weights behind a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.callbacks import Callback


class MadeOf(Callback):
    """Keep a hash in the run's checkpoints, and refuse to go on where it is another one.

    Args:
        name: Key of the configuration that names the weights.
        sha256: Theirs.
    Raises:
        ValueError: On resuming, the checkpoint is of other weights.
    """

    def __init__(self, name: str, sha256: str) -> None:
        self.name, self.sha256 = name, sha256

    def state_dict(self) -> dict[str, Any]:
        return {"sha256": self.sha256}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["sha256"] != self.sha256:
            raise ValueError(
                f"{self.name} has weights {self.sha256[:12]}, but the run in output was begun with "
                f"{state_dict['sha256'][:12]}; choose another output, or resume=false"
            )


def made_of(checkpoint: Mapping[str, Any]) -> str | None:
    """Hash that a checkpoint was begun with; None where it keeps none."""
    states = checkpoint.get("callbacks")
    state = states.get(MadeOf.__qualname__) if isinstance(states, Mapping) else None
    return state.get("sha256") if isinstance(state, Mapping) else None
