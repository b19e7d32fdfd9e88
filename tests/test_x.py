import torch

from inverter.stages import train


def test_a(train_config):
    c = train_config()
    train.run(c)
    import subprocess

    print(subprocess.run(["find", c.output, "-type", "f"], capture_output=True, text=True).stdout)
    a = torch.load(c.output + "/checkpoints/last.ckpt", weights_only=True)
    print(a["global_step"], a["state_dict"]["pairs_seen"], a["current_model_state"]["pairs_seen"], a.keys())
    b = torch.load(c.output + "/checkpoints/best.ckpt", weights_only=True)
    print(b["global_step"], b["state_dict"]["pairs_seen"])
    print(open(c.output + "/logs/metrics.csv").read())
