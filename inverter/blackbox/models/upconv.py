"""``upconv``: an up-convolutional decoder from features to pixels, a baseline without a prior."""

from inverter.blackbox.models import MODELS, BlackboxModel
from inverter.run.registry import deferred

MODELS.register("upconv", BlackboxModel(deferred("inverter.blackbox.modules.upconv:build")))
