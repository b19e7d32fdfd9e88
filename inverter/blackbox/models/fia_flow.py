"""``fia_flow``: features aligned to latents, then one step of a tuned denoiser; a baseline."""

from inverter.blackbox.models import MODELS, BlackboxModel
from inverter.run.registry import deferred

MODELS.register("fia_flow", BlackboxModel(deferred("inverter.blackbox.modules.fia_flow:build")))
