"""Command line: ``inverter [--debug] STAGE [config.yaml ...] [key=value ...]``."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import pkgutil
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

from inverter import __version__

STAGES = {  # stage: (module, schema of inverter.config or, behind its name, of a package's own config, what it does)
    "layers": ("stages.layers", "LayersConfig", "list a target's layers and what each would send"),
    "prepare": ("stages.prepare", "PrepareConfig", "write (image, feature) pair shards"),
    "train": ("stages.train", "blackbox.TrainConfig", "train a black-box inverter from pair shards"),
    "defend": ("stages.defend", "defences.DefendConfig", "train a device's half whose features give less away"),
    "distill": ("stages.distill", "InverterDistillConfig", "make a LoRA with which an inverter draws in four steps"),
    "evaluate": ("stages.evaluate", "EvaluateConfig", "measure reconstructions on pairs never trained on"),
    "vectors": ("stages.vectors", "VectorsConfig", "measure what payloads leave of a table of vectors"),
    "audit": ("stages.audit", "audit.AuditConfig", "prepare, train and evaluate for each layer; one page and one JSON"),
    "tradeoff": ("stages.tradeoff", "tradeoff.TradeoffConfig", "what payloads and defences cost and leave at a layer"),
    "publish": ("stages.publish", "PublishConfig", "turn an evaluated run into a published inverter"),
    "push": ("stages.push", "PushConfig", "upload a published inverter or prior to the Hugging Face hub"),
    "list": ("stages.list_published", "ListConfig", "list published priors and inverters"),
    "demo": ("stages.demo", "demo.DemoConfig", "serve a page that inverts photos and features, on this machine"),
    "doctor": ("stages.doctor", "DoctorConfig", "say what this machine has for the other stages"),
    "completion": (
        "stages.completion",
        "CompletionConfig",
        "print what makes a shell complete stages, keys and values",
    ),
    "invert": ("stages.invert", "whitebox.InvertConfig", "reconstruct pictures from features"),
    "train_prior autoencoder": ("stages.train_autoencoder", "AutoencoderConfig", "train the prior's autoencoder"),
    "train_prior denoiser": ("stages.train_denoiser", "DenoiserConfig", "train the prior's denoiser and text encoder"),
    "train_prior distill": ("stages.distill_prior", "DistillConfig", "make a LoRA that draws in one to four steps"),
    "experiment methods": (
        "lab.stages.experiment",
        "lab.experiments.MethodsExperimentConfig",
        "compare methods at equal cost",
    ),
    "experiment prompts": (
        "lab.stages.experiment",
        "lab.experiments.PromptsExperimentConfig",
        "compare right, wrong and no prompts",
    ),
    "experiment smoothing": (
        "lab.stages.experiment",
        "lab.experiments.SmoothingExperimentConfig",
        "compare ways to smooth a clip",
    ),
    "experiment summary": (
        "lab.stages.experiment_summary",
        "lab.experiments.SummaryConfig",
        "the paper's figures beside the experiments'",
    ),
    "ladder": ("lab.stages.ladder", "lab.ladder.LadderConfig", "train, evaluate and publish a list of inverters"),
    "bench": ("lab.stages.bench", "lab.bench.BenchConfig", "measure how fast this machine is"),
    "evaluate_prior": (
        "lab.stages.evaluate_prior",
        "lab.prior.EvaluatePriorConfig",
        "measure a prior: numbers, samples, card",
    ),
    "train_judge": ("lab.stages.train_judge", "lab.judge.JudgeConfig", "train the second judge on labelled pictures"),
}
KINDS = ("train_prior", "experiment")  # stages whose second word says which
KEPT = {  # stage: what a run that was stopped leaves, from which the same command goes on
    "prepare": "finished shards are kept",
    **dict.fromkeys(
        (
            "train",
            "defend",
            "distill",
            "train_prior autoencoder",
            "train_prior denoiser",
            "train_prior distill",
            "train_judge",
        ),
        "the state after the last step, or of the last validation, is in OUTPUT/checkpoints",
    ),
    **dict.fromkeys(("audit", "tradeoff"), "finished pairs, trainings and evaluations are kept"),
    "invert": "the state of each picture is in OUTPUT/state",
    **dict.fromkeys(
        ("experiment methods", "experiment prompts", "experiment smoothing"), "finished pictures of each cell are kept"
    ),
    "ladder": "finished rungs are kept",
    "evaluate_prior": "finished parts are kept",
}
POSITIONAL = {
    "layers": "target.name",
    "publish": "run",
    "vectors": "features",
    "push": "name",
    "completion": "shell",
}  # a bare first argument stands for this key
CONFIG_ERROR = 2
INTERRUPTED = 130  # 128 and the number of SIGINT, as a shell says it
STOPPED = {INTERRUPTED: "interrupted", 143: "terminated"}
DEBUG = "--debug"
NOISY = ("httpx", "torch", "lightning.fabric", "lightning.pytorch", "huggingface_hub", "faiss")
HARMLESS = (  # warnings of Lightning at every training, about nothing that a reader could change
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # its own use of an older torch
    r"Found \d+ module\(s\) in eval mode at the start of training",  # a frozen network's
    r"The number of training batches .* log_every_n_steps",  # counts an epoch; steps are logged across epochs
)


def usage() -> str:
    """Help text."""
    width = max(map(len, STAGES))
    lines = {name: f"  {name:<{width}}  {text}" for name, (_, _, text) in STAGES.items()}
    studies = [name for name, (module, _, _) in STAGES.items() if module.startswith("lab.")]
    stages = "\n".join(line for name, line in lines.items() if name not in studies)
    lab = "\n".join(lines[name] for name in studies)
    return (
        "usage: inverter [--debug] STAGE [config.yaml ...] [key=value ...]\n\n"
        "Reconstruct images from the features of a network's layer and report what leaked.\n\n"
        f"stages:\n{stages}\n\n"
        f"how the project studies itself:\n{lab}\n\n"
        "A value is text as it stands where the key takes text (quotes are the shell's), null for none, YAML where\n"
        "the key takes a list: data.also=[a,'b,c']. ~ at the start of a path is home.\n\n"
        "`inverter STAGE --help` prints a stage's keys and their defaults, `inverter --version` the version.\n"
        f"{DEBUG} prints where an error was raised before its line."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage; a bad value, and what the operating system refuses, are one line on stderr and exit status 2.

    Ctrl-C is status 130. With ``--debug`` the traceback stands before the line.
    """
    try:
        status = dispatch(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails once more
        return 1


def dispatch(words: list[str]) -> int:
    """Find the stage that the words begin with and run it."""
    debug, words = DEBUG in words, [word for word in words if word != DEBUG]
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if words[0] == "--version":
        print(f"inverter {__version__}")
        return 0
    stage = words.pop(0)
    if stage in KINDS and words and not words[0].startswith("-"):
        stage = f"{stage} {words.pop(0)}"
    elif stage in KINDS and words:
        print(usage())
        return 0
    if stage not in STAGES:
        kinds = [known for known in STAGES if known.startswith(f"{stage.partition(' ')[0]} ")]
        wrong = f"{stage} needs a kind" if stage in KINDS else f"unknown stage {stage!r}"
        close = [] if kinds else difflib.get_close_matches(stage.replace("-", "_"), [*STAGES, *KINDS], n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        print(f"error: {wrong}; {meant}allowed: {', '.join(kinds or STAGES)}", file=sys.stderr)
        return CONFIG_ERROR
    return run_stage(stage, words, debug=debug)


def run_stage(stage: str, words: list[str], *, debug: bool = False) -> int:
    """Fill the stage's schema from the words and run it."""
    from inverter import config as schemas
    from inverter.config.errors import is_out_of_memory
    from inverter.run.memory import importing, keep_freed_memory
    from inverter.run.signals import termination_as_exit

    module, schema = STAGES[stage][0], find_schema(stage)
    if any(word in ("-h", "--help") for word in words):
        try:
            defaults = schemas.show_defaults(schema, words)
        except ValueError as error:
            return report(error, debug)
        print(f"usage: inverter {stage} [config.yaml ...] [key=value ...]\n\nkeys and defaults:\n{defaults}")
        return 0
    bare = words and not words[0].endswith(schemas.YAML) and schemas.names_file(schema, words[0])
    if stage in POSITIONAL and bare:
        words[0] = f"{POSITIONAL[stage]}={words[0]}"
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    config: Any = None
    try:
        keep_freed_memory()
        config = schemas.load_words(schema, words)
        with importing():
            stage_module = importlib.import_module(f"inverter.{module}")
        for noisy in NOISY:  # now: Lightning sets its own level when it is imported
            logging.getLogger(noisy).setLevel(logging.WARNING)
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message)
        with termination_as_exit():
            stage_module.run(config)
    except ValueError as error:
        return report(error, debug)
    except BrokenPipeError:
        raise
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return report(error, debug, what="out of memory; lower batch_size, or free memory: ")
    except OSError as error:
        place = "" if error.filename else f" in output={getattr(config, 'output', None)}"
        return report(error, debug, place)
    except KeyboardInterrupt:
        if debug:
            raise
        print(how_to_go_on(stage, config, "interrupted"), file=sys.stderr)
        return INTERRUPTED
    except SystemExit as ended:
        if ended.code in STOPPED:
            print(how_to_go_on(stage, config, STOPPED[ended.code]), file=sys.stderr)  # type: ignore[index]
        raise
    return 0


def how_to_go_on(stage: str, config: Any, word: str) -> str:
    """What a stage that was stopped leaves, and what the same command does then."""
    section = getattr(config, "loop", None) if stage == "invert" else config
    anew = getattr(config, "method", None) == "blackbox" if stage == "invert" else stage not in KEPT
    if anew:
        return f"{word}; the same command begins anew"
    kept = KEPT[stage].replace("OUTPUT", str(getattr(config, "output", "OUTPUT")))
    resumes = getattr(section, "resume", True)
    key = "loop.resume" if stage == "invert" else "resume"
    return f"{word}; {kept}: the same command{'' if resumes else f' with {key}=true'} goes on"


def find_schema(stage: str) -> type:
    """Schema of a stage's configuration."""
    package, _, name = STAGES[stage][1].rpartition(".")
    return pkgutil.resolve_name(".".join(filter(None, ("inverter", package, "config"))) + f":{name}")


def report(error: Exception, debug: bool, place: str = "", what: str = "") -> int:
    """Print an error as one line, after its traceback where that was asked for; returns the exit status.

    ``what`` stands before the error's own message and ``place`` behind it.
    """
    from inverter.config.errors import one_line

    if debug:
        traceback.print_exception(error)
    print(f"error: {what}{one_line(error)}{place}", file=sys.stderr)
    return CONFIG_ERROR


if __name__ == "__main__":
    sys.exit(main())
