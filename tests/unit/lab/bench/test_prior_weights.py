import pytest

from inverter.lab.bench.prior_weights import PUBLISHED, count_parameters, table, weight_bytes
from inverter.priors.load import load_prior


@pytest.mark.parametrize(
    ("prior", "part", "parameters"),
    [
        ("1.5", "unet", 859_520_964),
        ("1.5", "vae", 83_653_863),
        ("1.5", "text_encoder", 123_060_480),
        ("2.1", "unet", 865_910_724),
        ("XL", "unet", 2_567_463_684),
        ("XL", "text_encoder_2", 694_659_840),
    ],
)
def test_sizes_are_the_published_ones(prior, part, parameters):
    assert count_parameters(*PUBLISHED[prior][part]) == parameters


def test_a_folder_is_counted_by_its_configs(tiny_prior_folder):
    found, prior = weight_bytes(str(tiny_prior_folder), "fp32"), load_prior(tiny_prior_folder)
    parts = {"unet": prior.denoiser, "vae": prior.vae, "text_encoder": prior.text_encoder}
    assert found == {name: 4 * sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    assert weight_bytes(str(tiny_prior_folder), "fp16") == {name: value // 2 for name, value in found.items()}
    assert len(table([str(tiny_prior_folder)]).splitlines()) == 2 + 3 + 1
