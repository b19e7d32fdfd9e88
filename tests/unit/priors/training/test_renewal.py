import json
import shutil

import pytest

from inverter.priors.families.stable_diffusion import DENOISER
from inverter.priors.load import load_prior
from inverter.priors.training.renewal import prior_to_renew, renew_prior
from inverter.priors.weights import folder_sha256


@pytest.fixture
def folder(tiny_prior_folder, tmp_path):
    path = tmp_path / "prior"
    shutil.copytree(tiny_prior_folder, path)
    return path


def test_a_prior_with_another_autoencoder(folder, tmp_path):
    (folder / "README.md").write_text("figures of the first autoencoder")
    vae, output = load_prior(folder).vae, tmp_path / "renewed"
    with_bias = vae.encoder.conv_out.bias
    with_bias += 0.5
    renew_prior(folder, vae, {"steps": 3}, output)
    assert folder_sha256(output, DENOISER) == folder_sha256(folder, DENOISER)
    assert (load_prior(output).vae.encoder.conv_out.bias - load_prior(folder).vae.encoder.conv_out.bias).mean() > 0.4
    assert not (output / "README.md").exists()
    (output / "README.md").write_text("figures of the second")
    renew_prior(folder, vae, {"steps": 3}, output)
    assert (output / "README.md").read_text() == "figures of the second"
    renew_prior(output, vae, {"steps": 5}, tmp_path / "again")
    training = json.loads((tmp_path / "again" / "training.json").read_text())
    assert (training["autoencoder, renewal 1"], training["autoencoder, renewal 2"]) == ({"steps": 3}, {"steps": 5})


def test_what_cannot_be_renewed(folder, tmp_path):
    assert prior_to_renew(folder / "vae", tmp_path / "run") == (folder.resolve(), load_prior(folder).weights_sha256)
    shutil.copytree(folder / "vae", tmp_path / "alone" / "vae")
    with pytest.raises(ValueError, match=r"start_from is .*alone/vae; allowed where anchor_weight is not 0: PRIOR/vae"):
        prior_to_renew(tmp_path / "alone" / "vae", tmp_path / "run")
    for output in (folder, folder.parent):
        with pytest.raises(ValueError, match=rf"output is {output}, which holds start_from="):
            prior_to_renew(folder / "vae", output)
    (folder / "training.json").write_text("[")
    with pytest.raises(ValueError, match=r"prior part .*training\.json cannot be read"):
        prior_to_renew(folder / "vae", tmp_path / "run")
    shutil.rmtree(folder / "unet")
    with pytest.raises(ValueError, match=r"part\(s\) unet missing"):
        prior_to_renew(folder / "vae", tmp_path / "run")
