"""Tables, charts and the page of the paper's figures."""

import shlex
from dataclasses import replace

import pytest
from documents import ROOT

from inverter.config import load_config
from inverter.evaluation.results import Row, Score
from inverter.lab.experiments.command import command
from inverter.lab.experiments.config import MethodsExperimentConfig
from inverter.lab.experiments.measure import without_whole_sample
from inverter.lab.experiments.methods import without_inverter
from inverter.lab.experiments.page import Text, headline, own_limits, write_page
from inverter.lab.experiments.plot import curves_chart, values_chart
from inverter.lab.experiments.record import GroupResults, make_record, read_record
from inverter.lab.experiments.summary import NOT_RUN, gain, summarise, summary_folder
from inverter.lab.experiments.tables import results_table

TEXT = Text(
    "Title", "Why?", ["so"], "inverter experiment methods", ("psnr", "agreement"), ["it is"], ["in each"], ["few"]
)


@pytest.fixture
def record(results, comparison):
    found = results(comparison("psnr", 1.0, 0.5, 1.5, b="none"))
    config = MethodsExperimentConfig(val="/somewhere/val.tar")
    return make_record(
        "methods", config, "val.tar", [GroupResults("blocks.2@224", "8 queries", "", found, {"a": [0.0]})], True
    )


def test_a_table_holds_metrics_costs_and_guesses(results):
    assert results_table(results(), ("psnr", "agreement", "kid")).splitlines() == [
        "| method | PSNR, dB ↑ | top-1 agreement (one) ↑ | target queries | denoiser calls | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
        "| a | 20.00 [19.00, 21.00] | 0.500 | 1,024 | 4 | 1.50 |",
        "| b\\|c (floor) | 20.00 [19.00, 21.00] |  |  |  |  |",
        "| guessing |  | 0.00100 |  |  |  |",
    ]


def test_charts_leave_out_what_was_not_measured(results):
    chart = values_chart("by layer", {"one": results()}, "psnr", ["a"])
    assert chart is not None
    assert list(chart.series) == ["a"] and list(chart.columns) == ["one"]
    assert values_chart("by layer", {"one": results()}, "fid", ["a"]) is None
    assert curves_chart("spectra", {}) is None
    curve = curves_chart("spectra", {"a": [1.0, 2.0]})
    assert curve is not None and curve.series == {"a": {"1": (1.0, None, None), "2": (2.0, None, None)}}


def test_a_page_and_its_record(record, tmp_path):
    write_page(replace(record, finished=False), TEXT, [], tmp_path)
    page = (tmp_path / "README.md").read_text()
    for part in ("**Unfinished", "Why?", "- it is", "- few", "**blocks.2@224, 8 queries**", "Not computed: is (needs"):
        assert part in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "plot.svg", "results.json", "table.md"]
    assert (tmp_path / "table.md").read_text().endswith("\n- in each\n")
    read = read_record(tmp_path)
    assert read is not None
    assert read.groups[0].results.rows == record.groups[0].results.rows
    assert read.config["val"] == "val.tar"
    (tmp_path / "results.json").write_text('{"schema_version": 7}')
    with pytest.raises(ValueError, match="schema_version 7; allowed: 1"):
        read_record(tmp_path)


@pytest.mark.parametrize("folder", sorted((ROOT / "docs" / "results").glob("*/")), ids=lambda folder: folder.name)
def test_a_page_begins_with_what_leaked(folder):
    kept = read_record(folder)
    assert kept is not None
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert page.split("\n", 2)[2].startswith(f"{headline(kept)}\n\n## Question\n")


def test_nothing_inverted_is_said(record):
    assert headline(replace(record, groups=())) == "Nothing was inverted yet, so nothing is known of what leaks."


def test_a_page_begins_with_a_table_of_most_sources(record, results):
    """Not with one of few pictures, which reaches more by chance."""

    def of(budget: str, psnr: float, count: int) -> GroupResults:
        row = Row("a", "attack", None, {"psnr": Score(psnr, None, None, count, count)}, {})
        return GroupResults("pool", budget, "", results(rows=(row,), num_images=count, num_sources=count), {})

    groups = (of("64 queries", 12.0, 80), of("8 queries", 11.0, 80), of("256 queries", 30.0, 6))
    said = headline(replace(record, groups=groups))
    assert "**12.0 dB**" in said and "too few" not in said
    assert said.endswith("Measured on 80 pictures: pool, 64 queries, the highest of 2 tables of as many sources.")
    assert headline(replace(record, groups=groups[2:])).endswith("Measured on 6 pictures: pool, 256 queries.")


def test_a_page_says_which_layers_had_no_inverter(record, results):
    rows = (Row("blackbox_mean", "attack", None, {}, {}), Row("direct", "attack", None, {}, {}))
    with_one = replace(record.groups[0], layer="blocks.6@224", results=results(rows=rows))
    asked = replace(record, config={**record.config, "methods": ["blackbox_mean", "direct"]})
    said = without_inverter(replace(asked, groups=(*record.groups, with_one)))
    assert len(said) == 1 and said[0].startswith("No inverter of blocks.2@224 was published")
    assert without_inverter(replace(asked, groups=(with_one,))) == []
    assert without_inverter(replace(record, config={**record.config, "methods": ["direct"]})) == []


def test_a_gain_of_the_whole_sample_has_no_interval(record, results):
    def row(name: str, *values: float) -> Row:
        return Row(name, "attack", None, {f"is/{i}": Score(v, None, None, 1000, 9) for i, v in enumerate(values)}, {})

    found = results(rows=(row("none", 5.0, 6.0), row("paper 1", 6.5, 6.0), row("start", 4.0, 7.0)))
    smoothing = replace(record, groups=(replace(record.groups[0], results=found),))
    assert gain([smoothing], "is") == ["+1.50, no interval", "paper 1, blocks.2@224, 8 queries"]
    assert gain([smoothing], "fid")[0].startswith("not computed")


def test_a_picture_with_two_seeds_is_one_picture(record, results):
    assert record.counts == "8"
    assert replace(record, config={"seeds": [0, 1]}).counts == "4 x 2 seeds"
    score = Score(7.0, None, None, 1000, 500)
    row = replace(results().rows[0], scores={"psnr": score, "is/one": score, "fid/one": score})
    found = without_whole_sample(results(rows=(row,)), 2)
    assert list(found.rows[0].scores) == ["psnr"]
    reason = "it would count each picture 2 times, once a seed; one seed gives it"
    assert [(m.metric, m.reason) for m in found.missing] == [("is", reason), ("fid", reason)]


def test_few_sources_and_one_judge_are_said_as_the_evaluation_says_it(record):
    notes = ("Warning: 8 independent sources are few.", "8 images cut from 8 sources.", "One judge only: beware.")
    found = record.groups[0]
    few = replace(found, results=replace(found.results, notes=notes))
    many = replace(found, results=replace(found.results, num_sources=40))
    said = own_limits(replace(record, groups=(many, few)))
    assert said == [
        "8 independent sources are few.",
        "One judge only: beware.",
        "Not computed: is (needs 1000 images, got 8).",
    ]


def test_the_papers_figures_stand_beside_ours(record, tmp_path):
    page = summarise(tmp_path).read_text()
    assert page.count(f"| {NOT_RUN} |") == 9
    assert "42.6" in page
    write_page(record, TEXT, [], tmp_path / "methods")
    write_page(replace(record, experiment="smoothing"), TEXT, [], tmp_path / "smoothing")
    page = summarise(tmp_path).read_text()
    assert "| best PSNR, dB | 42.6 | 20.00 | a, blocks.2@224, 8 queries |" in page
    assert "| best inception score | 7.36 | not computed: needs 1000 images, got 8 |  |" in page
    assert "| most that smoothing gains in PSNR, dB | +7.3 | +1.00 | a, blocks.2@224, 8 queries |" in page
    assert f"| prompts | {NOT_RUN} |" in page
    assert "| methods | [methods](methods/README.md) | blocks.2@224 |" in page


def test_an_experiment_may_have_several_pages(record, results, tmp_path):
    better = results(rows=(Row("c", "attack", None, {"psnr": Score(30.0, 29.0, 31.0, 8, 8)}, {}),))
    deep = replace(record, groups=(GroupResults("blocks.6@224", "8 queries", "", better, {}),), finished=False)
    for name, found in (("methods", record), ("methods-deep", deep), ("methodical", deep)):
        write_page(found, TEXT, [], tmp_path / name)
    page = summarise(tmp_path).read_text()
    assert "| methods | [methods-deep](methods-deep/README.md) (unfinished) | blocks.6@224 |" in page
    assert "| best PSNR, dB | 42.6 | 30.00 | c, blocks.6@224, 8 queries |" in page
    assert "methodical" not in page
    assert summary_folder(tmp_path / "methods-deep", "methods") == tmp_path


def test_a_page_says_the_command_that_makes_it():
    words = [
        "val=/pictures/val-000.tar",
        "layers=[{layer: blocks.0, input_size: 64}]",
        "budgets=[{queries: 64}, {seconds: 1.5}]",
        "direct.lr=0.05",
        "output=/elsewhere",
    ]
    config = load_config(MethodsExperimentConfig, ["experiment_methods.yaml"], words)
    said = command(make_record("methods", config, "val.tar", [], True), MethodsExperimentConfig)
    assert shlex.split(said) == [
        *("inverter", "experiment", "methods", "experiment_methods.yaml"),
        *("direct.lr=0.05", "val=val-000.tar"),
        "layers=[{layer: blocks.0, input_size: 64}]",
        "budgets=[{queries: 64}, {seconds: 1.5}]",
    ]
    assert load_config(MethodsExperimentConfig, shlex.split(said)[3:4], shlex.split(said)[4:]).budgets == config.budgets


def test_a_readme_of_something_else_stays(record, tmp_path):
    (tmp_path / "README.md").write_text("# project\n")
    for write in (
        lambda: summarise(tmp_path),
        lambda: summary_folder(tmp_path / "methods", "methods"),
        lambda: write_page(record, TEXT, [], tmp_path),
    ):
        with pytest.raises(ValueError, match=r"README.md begins with '# project' and would be overwritten"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "# project\n"
    assert summary_folder(tmp_path / "results", "methods") is None
    write_page(record, TEXT, [], tmp_path / "methods")
    write_page(record, TEXT, [], tmp_path / "methods")
