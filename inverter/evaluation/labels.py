"""How metrics are named and rounded wherever a person reads them."""

from dataclasses import dataclass

from inverter.evaluation.results import Score


@dataclass(frozen=True)
class Label:
    """Title with unit, decimals, and the arrow towards more leakage (empty where neither way is better)."""

    title: str
    digits: int
    arrow: str


_LABELS = {
    "psnr": Label("PSNR, dB", 2, "↑"),
    "ssim": Label("SSIM", 3, "↑"),
    "lpips": Label("LPIPS", 3, "↓"),
    "feature_cosine": Label("feature cosine", 3, "↑"),
    "agreement": Label("top-1 agreement", 3, "↑"),
    "reid_top1": Label("re-identified first", 3, "↑"),
    "reid_mrr": Label("re-identification MRR", 3, "↑"),
    "reid_rank": Label("re-identification rank", 1, "↓"),
    "kid": Label("KID", 4, "↓"),
    "is": Label("inception score", 2, "↑"),
    "fid": Label("FID", 2, "↓"),
    "reid": Label("re-identification", 3, "↑"),
    "feature_loss": Label("feature loss", 4, "↓"),
    "spectrum_error": Label("error of the spectrum, dB", 2, "↓"),
    "spectrum_high": Label("power at high frequencies, dB", 2, ""),
    "flicker": Label("flicker", 4, "↓"),
    "warping_error": Label("warping error", 5, "↓"),
    "peak_memory_bytes": Label("peak memory, bytes", 0, ""),
    "judge": Label("judge", 0, ""),
    "nearest_train_psnr": Label("PSNR to nearest training picture, dB", 2, ""),
    "nearer_to_train": Label("share nearer to a training picture", 3, ""),
}


def label(metric: str) -> Label:
    """Label of a metric key such as ``psnr`` or ``agreement/JUDGE``; an unknown key is its own title."""
    kind, _, judge = metric.partition("/")
    found = _LABELS.get(kind, Label(kind, 3, ""))
    return Label(f"{found.title} ({judge})", found.digits, found.arrow) if judge else found


def heading(metric: str) -> str:
    """Title and arrow."""
    return " ".join(part for part in (label(metric).title, label(metric).arrow) if part)


def number(metric: str, value: float, signed: bool = False) -> str:
    """A value with the metric's decimals."""
    return f"{value:{'+' if signed else ''}.{label(metric).digits}f}"


def interval(metric: str, low: float | None, high: float | None, signed: bool = False) -> str:
    """``[low, high]`` with the metric's decimals; empty where there is no interval."""
    if low is None or high is None:
        return ""
    return f"[{number(metric, low, signed)}, {number(metric, high, signed)}]"


def score(metric: str, value: Score) -> str:
    """Mean and interval in one string."""
    return f"{number(metric, value.mean)} {interval(metric, value.low, value.high)}".strip()
