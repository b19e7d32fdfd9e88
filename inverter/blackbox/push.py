"""A published inverter to the hub: its folder, with card and config as they have to read there."""

from __future__ import annotations

import json
import re

from huggingface_hub import ModelCard

from inverter.blackbox.published import CONFIG, Published
from inverter.run.hub import hub_id
from inverter.run.push import push_folder

CARD = "README.md"
_LOADS = re.compile(r'from_pretrained\("[^"]*?(\+few-step)?"\)')


def push_inverter(
    published: Published,
    repo_id: str,
    *,
    prior: str | None = None,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    commit_message: str | None = None,
) -> str:
    """Upload a published inverter; :func:`inverter.blackbox.load.load_inverter` reads it back by ``repo_id``.

    Args:
        published: What is uploaded.
        repo_id: ``owner/name``.
        prior: Hub id of the prior, ``owner/name`` or ``owner/name@revision``, with the suffix that the inverter's has;
            config and card then name it in place of the name here. Its weights are compared when it is loaded.
        private, token, revision, commit_message: See :func:`inverter.run.push.push_folder`.
    Returns:
        URL of the commit.
    Raises:
        ValueError: ``prior`` is no hub id or of another variant, or as ``push_folder``.
    """
    card = ModelCard((published.folder / CARD).read_text(encoding="utf-8"), ignore_metadata_errors=True)
    card.data["model_name"] = repo_id
    given = f', prior="{prior}"' if prior else ""
    text = _LOADS.sub(lambda match: f'from_pretrained("{repo_id}{match[1] or ""}"{given})', str(card))
    text = re.sub(r"^# .*$", f"# {repo_id}", text, count=1, flags=re.MULTILINE)
    config = (published.folder / CONFIG).read_text(encoding="utf-8")
    if prior is not None:
        _, plus, suffix = published.prior.partition("+")
        base = hub_id(prior.removesuffix(plus + suffix))
        if base is None or not prior.endswith(plus + suffix):
            raise ValueError(
                f"prior is {prior!r}; allowed: OWNER/NAME{plus}{suffix} or OWNER/NAME@REVISION{plus}{suffix}"
            )
        card = ModelCard(text, ignore_metadata_errors=True)
        card.data["base_model"] = base[0]
        text = str(card)
        config = re.sub(r"^prior: .*$", lambda _: f"prior: {json.dumps(prior)}", config, count=1, flags=re.MULTILINE)
    return push_folder(
        published.folder,
        repo_id,
        {CARD: text.encode(), CONFIG: config.encode()},
        private=private,
        token=token,
        revision=revision,
        commit_message=commit_message,
    )
