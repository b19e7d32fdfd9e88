"""Networks as they were before torch.compile; compiled ones run where no layer can be tapped."""

import torch
from torch import nn


def eager(network: nn.Module) -> nn.Module:
    """The network without ``torch.compile``, in place: as named, and hashed, before it was compiled.

    Raises:
        ValueError: A part is a TorchScript module, whose layers run where nothing can stop them.
    """
    network = getattr(network, "_orig_mod", network)
    if isinstance(network, torch.jit.ScriptModule):
        raise ValueError(
            f"target holds a TorchScript module ({network.original_name}), whose layers cannot be tapped; "
            "give the nn.Module that it was scripted or traced from"
        )
    network._compiled_call_impl = None  # what nn.Module.compile() sets
    if isinstance(network, nn.DataParallel):
        network.device_ids = []  # it calls its module, and no replicas whose layers each end
    for name, child in network.named_children():
        setattr(network, name, eager(child))
    return network
