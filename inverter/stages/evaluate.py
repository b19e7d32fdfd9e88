"""Stage ``evaluate``: methods, floors and ceiling on pairs that no training and no choice has seen."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import torch

from inverter.blackbox.build import load_run, run_inverter
from inverter.blackbox.inverter import Inverter
from inverter.config import EvaluateConfig
from inverter.data.datamodule import pair_loader
from inverter.data.manifest import Manifest
from inverter.evaluation.evaluate import evaluate
from inverter.evaluation.floors import MeanImage, NearestTrainingImage, RoundTrip, UnconditionalSample
from inverter.evaluation.judges import draw_gallery, load_judge
from inverter.evaluation.methods import Method
from inverter.evaluation.pictures import save_recons
from inverter.evaluation.report import write_report
from inverter.evaluation.results import Results
from inverter.evaluation.table import print_table
from inverter.hub import is_published, load_inverter
from inverter.progress import track
from inverter.run_record import record_run
from inverter.targets import load_target
from inverter.training import pick_device

log = logging.getLogger(__name__)
FLOOR = "nearest training image by features"


def run(config: EvaluateConfig) -> Results:
    """Evaluate; write ``metrics.json``, ``per_image.csv``, ``report.html`` and ``recon/``; print the table."""
    device = torch.device(pick_device(config.device))
    inverter, data, origin = _find(config)
    manifest = Manifest.load(data / "val")
    if not origin.startswith("published ") and (data / "train").is_dir():
        train_folder: Path | None = data / "train"
    else:
        train_folder = data / "train" if (data / "train" / "manifest.json").is_file() else None
    if tuple(manifest.target.feature_shape) != inverter.spec.feature_shape:
        raise ValueError(
            f"{data}/val has features {manifest.target.feature_shape} of {manifest.target.layer!r}; "
            f"the inverter takes {inverter.spec.feature_shape}"
        )
    output = Path(config.output or f"{config.inverter}/evaluation")
    record_run(config, output, "evaluate")
    methods = _methods(config, inverter, train_folder, data, device)
    val = pair_loader(data / "val", config.batch_size, limit=config.limit)
    results = evaluate(
        methods,
        val,
        target=_target(manifest, device),
        judges=[load_judge(name, device=device, bf16=config.precision == "bf16") for name in config.judges],
        gallery=draw_gallery(
            pair_loader(train_folder or data / "val", config.batch_size, limit=4000), seed=config.seed
        ),
        train_batches=pair_loader(train_folder, config.batch_size, limit=config.num_train) if train_folder else None,
        baseline=FLOOR if FLOOR in methods else None,
        pairs=[(name, "upconv") for name in ("mean", "mean without head", "sample") if "upconv" in methods],
        seed=config.seed,
        num_bootstrap=config.num_bootstrap,
        device=device,
        config=dataclasses.asdict(config) | {"inverter_origin": origin},
        threat_model=(Manifest.load(train_folder) if train_folder else manifest).threat_model,
        notes=_notes(manifest, train_folder),
        on_recon=save_recons(output / "recon"),
    )
    results.save(output / "metrics.json")
    results.write_csv(output / "per_image.csv")
    write_report(results, output / "report.html", f"{manifest.target.name} at {manifest.target.layer}")
    print_table(results)
    log.info("numbers in %s, report in %s", output / "metrics.json", output / "report.html")
    log.info("reconstructions in %s", output / "recon")
    return results


def _find(config: EvaluateConfig) -> tuple[Inverter, Path, str]:
    """The inverter, the folder of its pair shards, and where it comes from."""
    if is_published(config.inverter):
        if config.data is None:
            raise ValueError(f"inverter {config.inverter!r} is a published one: give data=FOLDER with val/ pair shards")
        return load_inverter(config.inverter), Path(config.data), f"published {config.inverter}"
    module, train_config, _ = load_run(Path(config.inverter))
    return run_inverter(module), Path(config.data or train_config.data.path), f"run {config.inverter}"


def _methods(
    config: EvaluateConfig, inverter: Inverter, train: Path | None, data: Path, device: torch.device
) -> dict[str, Method]:
    prior = inverter.prior.to(device)
    inverter = inverter.to(device).eval()
    generator = torch.Generator().manual_seed(config.seed)
    amp = {"device_type": device.type, "dtype": torch.bfloat16, "enabled": config.precision == "bf16"}

    def cast(reconstruct):
        def call(x):
            with torch.no_grad(), torch.autocast(**amp):
                return reconstruct(x).float()

        return call

    steps = round(inverter.spec.strength * inverter.spec.num_inference_steps)
    guided = 2 if inverter.spec.guidance_scale != 1 else 1
    methods = {"mean": Method(cast(inverter.mean), operating_point="mean", cost={"denoiser_calls": 0})}
    if inverter.head is not None:
        methods["mean without head"] = Method(
            cast(lambda features: inverter.mean(features, head=False)),
            operating_point="mean",
            cost={"denoiser_calls": 0},
        )
    methods["sample"] = Method(
        cast(lambda features: inverter.sample(features, generator=generator)),
        operating_point="sample",
        cost={"denoiser_calls": steps * guided},
    )
    if config.baseline is not None:
        module, _, manifest = load_run(Path(config.baseline))
        if tuple(manifest.target.feature_shape) != inverter.spec.feature_shape:
            raise ValueError(f"baseline {config.baseline} takes {manifest.target.feature_shape}, not the same features")
        methods["upconv"] = Method(cast(module.to(device).reconstruct), operating_point="mean")
    if train is not None:
        pairs = pair_loader(train, config.batch_size, limit=config.num_train)
        found = Manifest.load(train)
        nearest = NearestTrainingImage(pairs, torch.tensor(found.feature_mean), torch.tensor(found.feature_std))
        val = pair_loader(data / "val", config.batch_size, limit=config.limit)
        nearest.search(torch.cat([batch["features"] for batch in track(val, "features to search for")]))
        methods[FLOOR] = Method(nearest, kind="floor")
        methods["mean image"] = Method(MeanImage.of(pairs), kind="floor")
    methods["unconditional sample"] = Method(cast(UnconditionalSample(prior, seed=config.seed)), kind="floor")
    methods["round trip"] = Method(cast(RoundTrip(prior)), kind="ceiling", sees="image")
    return methods


def _target(manifest: Manifest, device: torch.device):
    """The attacked network for the feature cosine, or None where it cannot be had or is another."""
    spec = manifest.target
    try:
        target = load_target(spec.name, spec.layer, input_size=spec.input_size, payload=spec.payload)
    except ValueError as error:
        log.warning("no feature cosine: %s", error)
        return None
    if target.spec.weights_sha256 != spec.weights_sha256:
        log.warning("no feature cosine: the target at hand has other weights than the pairs were made with")
        return None
    return target.to(device)


def _notes(manifest: Manifest, train: Path | None) -> list[str]:
    notes = [f"Evaluated on {manifest.num_pairs} pairs of {manifest.num_sources} sources: {manifest.source}."]
    if train is not None:
        found = Manifest.load(train)
        notes.append(f"Trained on pairs from {found.source} ({found.num_pairs} pairs of {found.num_sources} sources).")
    return notes
