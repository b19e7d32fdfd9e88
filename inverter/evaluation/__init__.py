"""How much leaked: metrics, judges, floors and ceilings, intervals, and the report that puts them side by side."""

from inverter.evaluation.evaluate import evaluate
from inverter.evaluation.floors import MeanImage, NearestTrainingImage, RoundTrip, UnconditionalSample
from inverter.evaluation.judges import Gallery, Judge, draw_gallery, load_judge
from inverter.evaluation.methods import Method
from inverter.evaluation.metrics import Missing
from inverter.evaluation.pictures import save_recons
from inverter.evaluation.report import write_report
from inverter.evaluation.results import Results
from inverter.evaluation.table import print_table
from inverter.losses.quality import psnr, ssim

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
