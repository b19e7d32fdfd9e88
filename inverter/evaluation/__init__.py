"""How much leaked: metrics, judges, floors and ceilings, intervals, and the report that puts them side by side."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inverter.evaluation.floors import MeanImage as MeanImage
    from inverter.evaluation.floors import NearestTrainingImage as NearestTrainingImage
    from inverter.evaluation.floors import RoundTrip as RoundTrip
    from inverter.evaluation.floors import UnconditionalSample as UnconditionalSample
    from inverter.evaluation.harness import evaluate as evaluate
    from inverter.evaluation.judges import Gallery as Gallery
    from inverter.evaluation.judges import Judge as Judge
    from inverter.evaluation.judges import draw_gallery as draw_gallery
    from inverter.evaluation.judges import load_judge as load_judge
    from inverter.evaluation.methods import Method as Method
    from inverter.evaluation.metrics import Missing as Missing
    from inverter.evaluation.recon_files import save_recons as save_recons
    from inverter.evaluation.report import write_report as write_report
    from inverter.evaluation.results import Results as Results
    from inverter.evaluation.table import print_table as print_table
    from inverter.losses.quality import psnr as psnr
    from inverter.losses.quality import ssim as ssim

_HOMES = {
    "Gallery": "inverter.evaluation.judges",
    "Judge": "inverter.evaluation.judges",
    "MeanImage": "inverter.evaluation.floors",
    "Method": "inverter.evaluation.methods",
    "Missing": "inverter.evaluation.metrics",
    "NearestTrainingImage": "inverter.evaluation.floors",
    "Results": "inverter.evaluation.results",
    "RoundTrip": "inverter.evaluation.floors",
    "UnconditionalSample": "inverter.evaluation.floors",
    "draw_gallery": "inverter.evaluation.judges",
    "evaluate": "inverter.evaluation.harness",
    "load_judge": "inverter.evaluation.judges",
    "print_table": "inverter.evaluation.table",
    "psnr": "inverter.losses.quality",
    "save_recons": "inverter.evaluation.recon_files",
    "ssim": "inverter.losses.quality",
    "write_report": "inverter.evaluation.report",
}

__all__ = [
    "Gallery",
    "Judge",
    "MeanImage",
    "Method",
    "Missing",
    "NearestTrainingImage",
    "Results",
    "RoundTrip",
    "UnconditionalSample",
    "draw_gallery",
    "evaluate",
    "load_judge",
    "print_table",
    "psnr",
    "save_recons",
    "ssim",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
