"""Whole classifiers, used to judge reconstructions."""

from typing import Any

from torch import Tensor, nn

from inverter.targets.libraries import LoadedNetwork
from inverter.targets.load import load_network
from inverter.targets.preprocess import Preprocess, trying
from inverter.targets.target import weights_sha256


class Classifier(nn.Module):
    """Frozen classifier of images in [0, 1]: logits, and the pooled vector that its last linear layer reads.

    Args:
        loaded: Network whose output ``(B, num_classes)`` comes from an ``nn.Linear``, and how it wants its images.
    Raises:
        ValueError: The network's output is no logits, or no linear layer gives it.
    """

    def __init__(self, loaded: LoadedNetwork) -> None:
        super().__init__()
        self.name = loaded.name
        self.preprocess = Preprocess(loaded.input_size, loaded.mean, loaded.std)
        self.network = loaded.network
        self.eval()
        for parameter in self.parameters():
            parameter.requires_grad = False  # the method refuses lazy ones
        self.weights_sha256 = weights_sha256(self.network)
        self._head, self.embedding_size, self.num_classes = self._find_head()

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(B, num_classes)`` of images ``(B, 3, H, W)`` in [0, 1]."""
        return self.classify(images)[0]

    def embed(self, images: Tensor) -> Tensor:
        """Pooled vectors ``(B, embedding_size)`` of images ``(B, 3, H, W)`` in [0, 1]."""
        return self.classify(images)[1]

    def classify(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and pooled vectors in one pass.

        Raises:
            ValueError: ``images`` has another shape than ``(B, 3, H, W)`` or holds integers.
        """
        read: list[Tensor] = []

        def record(module: nn.Module, args: Any, named: Any) -> None:
            read.append(args[0] if args else named["input"])

        handle = self.network.get_submodule(self._head).register_forward_pre_hook(record, with_kwargs=True)
        try:
            logits = self.network(self.preprocess(images))
        finally:
            handle.remove()
        return logits, read[-1]

    def train(self, mode: bool = True) -> "Classifier":
        """Stay in eval mode: a judge is frozen."""
        return super().train(False)

    def _find_head(self) -> tuple[str, int, int]:
        """Name, inputs and outputs of the linear layer that runs last."""
        called: list[tuple[str, nn.Linear]] = []
        handles = [
            module.register_forward_hook(lambda module, _args, _output, name=name: called.append((name, module)))
            for name, module in self.network.named_modules()
            if isinstance(module, nn.Linear)
        ]
        try:
            with trying(self.name, self.preprocess.input_size):
                logits = self.network(self.preprocess(self.preprocess.blank(self.network, batch_size=2)))
        finally:
            for handle in handles:
                handle.remove()
        if not called or not isinstance(logits, Tensor) or logits.shape != (2, called[-1][1].out_features):
            raise ValueError(f"{self.name} is no classifier: its output must be logits from an nn.Linear")
        name, head = called[-1]
        return name, head.in_features, head.out_features


def load_classifier(target: str | nn.Module, *, input_size: int | None = None, pretrained: bool = True) -> Classifier:
    """Load a frozen classifier.

    Args:
        target: ``timm:NAME``, ``torchvision:NAME``, ``module:package.module:factory`` or an ``nn.Module`` (copied).
        input_size: Side in pixels of the square that it sees; ``None``: the size it was trained at (modules: 224).
        pretrained: Load trained weights; ``False`` gives random ones, always the same.
    Raises:
        ValueError: The network is unknown, out of reach, or no classifier.
    """
    return Classifier(load_network(target, input_size=input_size, pretrained=pretrained))
