import dataclasses
from types import SimpleNamespace

import pytest
import yaml
from huggingface_hub import ModelCard

from inverter.blackbox.spec import InverterSpec
from inverter.config.parse import parse_json
from inverter.evaluation.results import Results
from inverter.publish.card import render_card
from inverter.publish.markdown import fill_card
from inverter.run.hub import checkpoints_root
from inverter.targets.spec import TargetSpec

FOLDER = checkpoints_root() / "blocks.6"
RESULTS = Results.from_json(parse_json((FOLDER / "metrics.json").read_bytes()))


def render(results=RESULTS, few_step=None, prior="embedded", **training) -> str:
    config = yaml.safe_load((FOLDER / "config.yaml").read_text())
    inverter = SimpleNamespace(
        spec=InverterSpec.from_second_version(config["inverter"]),
        prior=SimpleNamespace(name=prior, weights_sha256=config["prior_sha256"]),
    )
    manifest = SimpleNamespace(target=TargetSpec.from_dict(config["target"]))
    return render_card("mine", "mit", inverter, manifest, config["training"] | training, results, few_step)


def test_the_front_matter_is_the_hubs():
    data = ModelCard(render(prior="owner/name@v1", source="huggingface:owner/data")).data
    assert (data.license, data.library_name, data.base_model, data.datasets) == (
        *("mit", "inverter"),
        *("owner/name", "owner/data"),
    )
    assert data.tags == ["feature-inversion", "privacy", "latent-diffusion"]
    said = {(result.metric_name, result.metric_value) for result in data.eval_results}
    assert ("PSNR, dB (sample)", RESULTS.row("sample").scores["psnr"].mean) in said and len(said) == 6
    plain = ModelCard(render()).data
    assert plain.base_model is None and plain.datasets is None  # of this checkout, no hub's


def test_figures_are_those_of_the_published_card():
    card = render()
    published = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = [line for line in published.splitlines() if line.startswith("| ") and " [" in line]
    assert len(rows) > 10 and all(row in card for row in rows)


def test_what_others_wrote_stays_text():
    results = dataclasses.replace(RESULTS, notes=("<b>a</b> | {{ 7 * 7 }}",))
    card = render(results, source="a |\n---\n# b", threat_model="*x*")
    assert "- \\<b\\>a\\</b\\> \\| {{ 7 \\* 7 }}\n" in card
    assert "| training data | a \\| --- \\# b, " in card and "**Threat model.** \\*x\\*\n" in card


def test_the_few_step_variant_shows_attacks_and_its_calls():
    card = render(few_step=RESULTS).split("## In few steps\n")[1]
    assert '`Inverter.from_pretrained("mine+few-step")` draws `sample` with 40 denoiser calls' in card
    psnr = RESULTS.row("sample").scores["psnr"]
    assert f"| sample | {psnr.mean:.2f} [{psnr.low:.2f}, {psnr.high:.2f}] |" in card and "| mean image |" not in card


def test_a_value_that_is_not_there_is_an_error(tmp_path):
    (tmp_path / "a.md.j2").write_text("{{ found.missing }}")
    with pytest.raises(Exception, match="has no attribute 'missing'"):
        fill_card(tmp_path / "a.md.j2", ModelCard("---\nlicense: mit\n---\n").data, found={})
