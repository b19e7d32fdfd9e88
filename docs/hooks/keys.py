"""A page of keys for every stage: its schema, the comments beside the fields, and the configs that go with it."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from omegaconf import MISSING

from inverter.__main__ import STAGES, find_schema
from inverter.config import config_root, described
from inverter.config.kinds import KindConfig

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

FOLDER = "reference/keys/"
CONFIGS = {  # stage: configs that go with it, in the order in which they are given
    "prepare": ("prepare.yaml", "prepare_dev.yaml", "prepare_val.yaml"),
    "train": ("train.yaml", "train_long.yaml", "gpu.yaml"),
    "distill": ("distill.yaml",),
    "evaluate": ("eval.yaml",),
    "audit": ("audit.yaml",),
    "push": ("hub.yaml",),
    "tradeoff": ("tradeoff.yaml", "tradeoff_page.yaml", "tradeoff_page_blocks.4.yaml"),
    "invert": ("invert.yaml", "invert_paper.yaml"),
    "defend": ("defend.yaml",),
    "train_prior autoencoder": ("prior_autoencoder.yaml", "prior_gpu.yaml"),
    "train_prior denoiser": ("prior_denoiser.yaml", "prior_gpu.yaml"),
    "train_prior distill": ("prior_distill.yaml",),
    "experiment methods": ("experiment_methods.yaml",),
    "experiment prompts": ("experiment_prompts.yaml",),
    "experiment smoothing": ("experiment_smoothing.yaml",),
    "ladder": ("ladder.yaml",),
    "bench": ("bench.yaml",),
    "train_judge": ("judge.yaml",),
}
USUAL = {  # what a key is in a schema that says nothing beside it
    "batch_size": "images at a time",
    "budgets": "every method is measured with each",
    "compile": "torch.compile what is trained",
    "denoising_every_n_steps": "steps between two with that loss",
    "device": "auto | cpu | cuda",
    "forms": "of smoothing",
    "guidance_scale": "away from features that are not known; 1 is none",
    "head_weight": "of the error of the picture with the head's residual",
    "head_width": "channels of the head",
    "kind": "which part it is, and so which keys are beside it",
    "judges": "networks that judge; one without weights is reported as missing",
    "kinds": "of prompts",
    "label_smoothing": "share of a label spread over all classes",
    "latent_weight": "of the latents' squared error",
    "layers": "measured one by one",
    "lr": "largest learning rate",
    "lr_decay": "cosine | constant",
    "max_parameters": "a larger network is refused",
    "methods": "names, as the experiments' guide lists them",
    "num_bootstrap": "replicates of the intervals",
    "num_classes": "labels are 0 to this minus 1",
    "num_inference_steps": "DDIM steps of the whole schedule",
    "num_layers": "chosen where layers is null",
    "num_steps": "of the search",
    "num_workers": "processes that read; 0 reads in the training's own",
    "optimise_conditioning": "descend on the prompt's tokens, too",
    "output": "folder of what the stage writes",
    "pairs": "prepared and trained on",
    "parts": "what is measured, of these",
    "pretrained": "the network's published weights; false takes random ones, always the same",
    "prior": "a name under checkpoints/, a folder or a hub id",
    "prompt_dropout": "share of training prompts replaced by none",
    "rank": "of the LoRA",
    "resolution": "pixels a side",
    "results": "folder of page, tables, plot and numbers",
    "rounds": "of which the median counts",
    "seed": "of whatever is drawn",
    "shard_size": "pairs in a shard",
    "tv_weight": "of the picture's total variation",
    "widths": "channels of each resolution",
}
HAS = "with {key}.kind={kind}"
HEAD = "| key | default | type | what it is |\n| --- | --- | --- | --- |"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages where the navigation names their folder."""
    pages = [{stage: page_of(stage)} for stage in STAGES]
    config.nav = _replaced(config.nav, pages)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every stage."""
    from mkdocs.structure.files import File  # here, since the tests read this file where there is no mkdocs

    for stage in STAGES:
        files.append(File.generated(config, page_of(stage), content=render(stage)))
    return files


def page_of(stage: str) -> str:
    """Path of a stage's page."""
    return f"{FOLDER}{stage.replace(' ', '_')}.md"


def render(stage: str) -> str:
    """The page of a stage."""
    lines = [f"# {stage}", f"`inverter {stage}`: {STAGES[stage][2]}."]
    lines += [f"{title}\n\n{text}" for title, text in _tables(find_schema(stage)())]
    for file in CONFIGS.get(stage, ()):
        text = (config_root() / file).read_text(encoding="utf-8").rstrip()
        lines += [f"## `{file}`\n\n```yaml\n{text}\n```"]
    return "\n\n".join(lines) + "\n"


def comments(schema: type) -> dict[str, str]:
    """What the comments beside the fields of a schema say, else what such a key usually is."""
    return {key: text or USUAL.get(key, "") for key, text in described.comments(schema).items()}


def _tables(config: Any, prefix: str = "", note: str = "") -> Iterator[tuple[str, str]]:
    """Heading and table of a config's own keys, then those of the configs inside it."""
    said, types, inside, rows = comments(type(config)), get_type_hints(type(config)), [], []
    for entry in dataclasses.fields(config):
        value, key = getattr(config, entry.name), prefix + entry.name
        if dataclasses.is_dataclass(value):
            text = said.get(entry.name, "")  # a registered section has no line of its own
            if isinstance(value, KindConfig):
                inside += [
                    (value.of_kind(kind), f"{key}.", f"{text} {HAS.format(key=key, kind=kind)}".lstrip())
                    for kind in (value.kind, *(other for other in value.kinds() if other != value.kind))
                ]
            else:
                inside.append((value, f"{key}.", text))
            continue
        kind = types[entry.name]
        entries = [item for item in get_args(kind) if dataclasses.is_dataclass(item)]
        rows.append(f"| `{key}` | {_default(value)} | {_cell(_name(kind, entries))} | {_cell(said[entry.name])} |")
        inside += [(item(), f"{key}[].", f"keys of each entry of {key}") for item in entries]
    heading = f"## `{prefix}*`" if prefix else "## Keys"
    if isinstance(config, KindConfig):
        heading += f" of `{config.kind}`"
    yield heading, "\n\n".join(part for part in (_sentence(note), "\n".join([HEAD, *rows])) if part and rows)
    for value, key, text in inside:
        yield from _tables(value, key, text)


def _default(value: Any) -> str:
    if isinstance(value, str) and value == MISSING:
        return "needed"
    text = {None: "null", True: "true", False: "false"}.get(value) if not isinstance(value, list | dict) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = f"{value:_}" if isinstance(value, int) else f"{value:g}"
    return f"`{text or value}`" if value != "" else "empty"


def _name(kind: Any, entries: list[Any]) -> str:
    """A type as Python writes it: what is ``int | None`` may be null."""
    if entries:
        return "list of entries"
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)


def _cell(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "&#124;").replace("*", "&#42;")


def _sentence(text: str) -> str:
    return f"{_cell(text[0].upper() + text[1:])}." if text else ""


def _replaced(nav: Any, pages: list[dict[str, str]]) -> Any:
    if isinstance(nav, list):
        return [_replaced(entry, pages) for entry in nav]
    if isinstance(nav, dict):
        return {title: _replaced(entry, pages) for title, entry in nav.items()}
    return pages if nav == FOLDER else nav
