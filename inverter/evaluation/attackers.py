"""Who attacks in an evaluation: the inverter that it is about, and the attacks that stand beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from inverter.blackbox import ancestors
from inverter.blackbox.build import load_baseline, load_surrogate
from inverter.blackbox.few_step import FOLDER
from inverter.blackbox.inverter import Inverter
from inverter.blackbox.modules.surrogate import Surrogate
from inverter.blackbox.pair_module import PairModule
from inverter.blackbox.trained import TrainedInverter, load_trained_inverter
from inverter.config import EvaluateConfig
from inverter.evaluation.blackbox import attack_methods
from inverter.evaluation.judges import Gallery, Judge, is_kin
from inverter.evaluation.methods import Method
from inverter.evaluation.metrics import Missing
from inverter.evaluation.pairs import EvaluationPairs, distractor_note
from inverter.evaluation.seen import Seen
from inverter.priors.control_pairs import describe_control_pairs
from inverter.priors.variant import split_name
from inverter.targets.digest import weights_sha256
from inverter.targets.spec import SAME_PLACE, check_same_features
from inverter.targets.target import Target


@dataclass(frozen=True)
class Attackers:
    """The attackers of a configuration.

    Args:
        config: Of the evaluation; its precision is ``bf16`` or ``fp32``.
        device: Where they are.
        trained: The inverter and its training.
        baseline: Of ``config.baseline``.
        surrogate: Of ``config.surrogate``.
        static: Of ``config.static``.
    """

    config: EvaluateConfig
    device: torch.device
    trained: TrainedInverter
    baseline: PairModule | None
    surrogate: Surrogate | None
    static: Inverter | None

    @classmethod
    def load(cls, config: EvaluateConfig, device: torch.device) -> Attackers:
        """Load them onto the device.

        Raises:
            ValueError: One is not there, or takes features of another network, layer or shape than the inverter.
        """
        trained = load_trained_inverter(config.inverter, config.prior, config.memory)
        baseline = load_baseline(Path(config.baseline), trained.target, config.memory) if config.baseline else None
        surrogate = load_surrogate(Path(config.surrogate), trained.target) if config.surrogate else None
        if surrogate is not None and config.best_of is None:
            raise ValueError(
                f"surrogate is {config.surrogate!r}, but best_of is null; allowed: a number of draws to rank"
            )
        static = None
        if config.static:
            loaded = load_trained_inverter(config.static, config.prior, config.memory)
            check_same_features(f"static {config.static!r}", loaded.target, trained.target, SAME_PLACE)
            static = loaded.inverter
        for network in (trained.inverter, baseline, surrogate, static):
            if network is not None:
                network.to(device).eval()
        return cls(config, device, trained, baseline, surrogate, static)

    def find_pairs(self) -> EvaluationPairs:
        """The pairs of ``config.data``, else those beside which the inverter was trained.

        Raises:
            ValueError: There are none, or not of its features, or of pictures that it was trained on.
        """
        config, target = self.config, self.trained.target
        if (data := config.data or self.trained.data) is None:
            raise ValueError(
                f"inverter {config.inverter!r} is a published one: give data=FOLDER with val/ pair shards, as "
                f"`inverter prepare prepare.yaml prepare_val.yaml target.layer={target.layer} output=FOLDER` "
                "writes them"
            )
        seen = self.seen
        what, defence = f"inverter {config.inverter!r}", config.target.defence
        pairs = EvaluationPairs.find(Path(data), what, target, seen.folders, config.accept, defence)
        return replace(pairs, uncompared=(*pairs.uncompared, *seen.elsewhere))

    @property
    def seen(self) -> Seen:
        """What all of them were trained on, and what they began with."""
        config, trained = self.config, self.trained
        names = (config.inverter, config.baseline, config.surrogate, config.static)
        before = Seen()  # of a run, which tells the rest itself
        if trained.data is None:
            prior = Path(trained.inverter.prior.name).name
            before = Seen(elsewhere=(*(str(each["name"]) for each in trained.began_with), f"the prior {prior}"))
        return Seen.together([*(Seen.of(name) for name in names if name is not None), before])

    @property
    def output(self) -> Path:
        """``config.output``; where it is null a folder in the run, or for a published inverter one named after it."""
        base, few_step = split_name(self.config.inverter)
        folder = f"{base}/{FOLDER}" if few_step else base
        default = f"{folder}/evaluation" if self.trained.data else f"runs/evaluation-{Path(self.config.inverter).name}"
        return Path(self.config.output or default)

    @property
    def weights_sha256(self) -> str:
        """Of the inverter; of a few-step variant that of its prior, which is what differs."""
        inverter = self.trained.inverter
        return inverter.prior.weights_sha256 if split_name(self.config.inverter)[1] else weights_sha256(inverter)

    def methods(self, target: Target | None) -> dict[str, Method]:
        """What they do; ``target`` answers queries where it is at hand."""
        config = self.config
        return attack_methods(
            self.trained.inverter.redraw(config.draw),
            self.baseline,
            bf16=config.precision == "bf16",
            device=self.device,
            query=target,
            surrogate=self.surrogate,
            best_draws=config.best_of,
            search_rounds=config.search_rounds,
            static=self.static,
            queries=config.queries,
        )

    @property
    def num_train(self) -> int:
        """Training pairs that floors search."""
        return self.config.num_train or self.trained.num_pairs

    def notes(self, pairs: EvaluationPairs, gallery: Gallery | Missing, judges: Sequence[Judge]) -> list[str]:
        """What the inverter was trained on, what it is measured on, and what an attacker who queries has more.

        Args:
            pairs: That are evaluated.
            gallery: Distractors, if there are enough.
            judges: Those that are at hand.
        """
        trained, queries = self.trained, self.config.queries
        notes = [
            f"Trained on {trained.num_pairs:,} pairs from {trained.source}.",
            *ancestors.notes(trained.began_with, trained.threat_model),
            *_denoiser_notes(trained),
            *pairs.notes(self.num_train, trained.target),
        ]
        if isinstance(gallery, Gallery):
            notes.append(distractor_note(gallery))
        if queries:
            notes.append(f"Of {queries} queries: the attacker gets features of every picture so often, and their mean.")
        return notes + _ranking_notes(self.config, judges, trained.target.name)


def _denoiser_notes(trained: TrainedInverter) -> list[str]:
    pairs = trained.inverter.prior.control_pairs
    if pairs == ():
        return []
    return [f"The prior's denoiser learned from {describe_control_pairs(pairs)}, where retrieval does not look."]


def _ranking_notes(config: EvaluateConfig, judges: Sequence[Judge], target: str) -> list[str]:
    if config.best_of is None:
        return []
    queries = config.best_of * (1 + config.search_rounds)
    if config.surrogate is not None:
        return [
            f"Best of {queries} by surrogate: the attacker ranks its draws by a network that it trained on its own "
            "pairs to say what the target says of a picture; the target is not queried."
        ]
    note = f"Best of {queries}: the attacker may also query the target, {queries} times a picture."
    kin = [judge.name for judge in judges if is_kin(judge.name, target)]
    others = [judge.name for judge in judges if judge.name not in kin]
    if not kin:
        return [note]
    verdict = f"; {' and '.join(others)} decides" if others else ", and there is no other"
    return [f"{note} A search against the target flatters judges of its kind: {' and '.join(kin)}{verdict}."]
