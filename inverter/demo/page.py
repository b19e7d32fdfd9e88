"""The page: controls on the left, what travels and what comes back on the right; Gradio and nothing that computes."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio_client.utils import is_http_url_like

from inverter.config.errors import is_out_of_memory, one_line
from inverter.data.feature_files import SUFFIXES
from inverter.data.sources.photos import PHOTOS, find_photo
from inverter.demo.compute import MOST_SEED, MOST_TEXT, Draw, read_guidance
from inverter.demo.inverters import Inverters, describe
from inverter.demo.reports import find_reports, frame
from inverter.demo.requests import FEATURES, PHOTO, Chosen, attack, reconstruct
from inverter.demo.view import show_stopped
from inverter.whitebox.methods import METHODS

TITLE = "How much do a network’s features leak?"
PAYLOADS = ("identity", "fp16", "int8", "minmax:4", "topk:0.1+int8", "mosaic-jpeg:42", "gaussian:0.5")
ANY_REPORT = "Choose one of the reports that evaluate, audit and tradeoff wrote."
NO_REPORT = "There is none yet: evaluate, audit and tradeoff write them."
SECONDS = 20
OLD = 3600
"""Seconds after which an upload is deleted."""


def build(inverters: Inverters, where: str) -> gr.Blocks:
    """The page.

    Args:
        inverters: Which may be chosen, and what the page may take.
        where: Whose machine computes, for the first sentence.
    """
    config = inverters.config
    compute: dict[str, Any] = {
        "concurrency_id": "compute",
        "concurrency_limit": 1,
        "show_progress": "minimal",
        "api_visibility": "private",
    }
    with gr.Blocks(title=f"inverter: {TITLE}", analytics_enabled=False, delete_cache=(OLD // 10, OLD)) as page:
        gr.HTML(
            f"<h1>{TITLE}</h1><p>Choose a photo: a network takes it as far as one of its layers, and the photo is "
            f"reconstructed from the features there alone. All of it is computed on {where}; nothing leaves it.</p>",
            elem_id="title",
        )
        with gr.Tabs():
            with gr.Tab("Invert"), gr.Row():
                with gr.Column(scale=4, min_width=300):
                    source = gr.State(PHOTO)
                    with gr.Tabs():
                        with gr.Tab("Photo") as photo_tab:
                            pictures = [str(find_photo(each)) for each in PHOTOS if not each.is_clip]
                            photo = gr.Image(
                                pictures[0],
                                label="Photo: its centre square is taken",
                                sources=["upload", "clipboard"],
                                height=250,
                                elem_id="photo",
                            )
                            examples = gr.Examples(
                                pictures, photo, label="Or one of these", examples_per_page=10, elem_id="examples"
                            )
                        with gr.Tab("Features") as features_tab:
                            features = gr.File(
                                label=f"Features of one image: {', '.join(SUFFIXES)}",
                                file_types=list(SUFFIXES),
                                height=140,
                                elem_id="features",
                            )
                    inverter = gr.Dropdown(
                        [(describe(name), name) for name in inverters.names],
                        value=inverters.names[0],
                        label="Layer (shape), with its inverter",
                        elem_id="inverter",
                    )
                    payload = gr.Dropdown(
                        list(PAYLOADS),
                        value=PAYLOADS[0],
                        allow_custom_value=True,
                        label="Payload (choose, or type another)",
                        elem_id="payload",
                    )
                    run = gr.Button("Send and reconstruct", variant="primary", elem_id="run")
                    with gr.Accordion("How sample draws", open=False):
                        number = gr.Slider(1, config.max_draws, value=min(2, config.max_draws), step=1, label="Draws")
                        seed = gr.Number(0, label="First seed", precision=0, minimum=0, maximum=MOST_SEED)
                        guidance = gr.Textbox(  # a number that is not given would be shown as 0
                            label="Guidance (1: none)", placeholder="as published", max_length=20, elem_id="guidance"
                        )
                        prompt = gr.Textbox(label="Prompt", placeholder="a dog on a green field", max_length=MOST_TEXT)
                    with gr.Accordion("White-box attack", open=False):
                        method = gr.Dropdown(list(METHODS.names()), value="hybrid", label="Method", elem_id="method")
                        seconds = gr.Slider(
                            1, config.max_seconds, value=min(SECONDS, config.max_seconds), label="Seconds"
                        )
                        with gr.Row():
                            start = gr.Button("Start", elem_id="start", min_width=80)
                            stop = gr.Button("Stop", elem_id="stop", min_width=80)
                with gr.Column(scale=8, min_width=300):
                    sent = _panel("What travels", "sent", "Shape, bytes and a few channels of the features.")
                    recon = _panel("What comes back", "recon", "The best guess in one pass, and what the prior draws.")
                    iterates = _panel(
                        "White-box attack", "iterates", "An attacker who has the network searches for the photo."
                    )
            with gr.Tab("Reports") as reports_tab:
                report = gr.Dropdown([], label=f"Report of {config.runs}", elem_id="report")
                shown = gr.HTML(f'<p class="empty">{ANY_REPORT}</p>')
        chosen = [source, photo, features, inverter, payload]

        @_sentences
        def invert(*given: Any) -> Iterator[tuple[str, str]]:
            draws, first, scale, text = given[5:]
            draw = Draw(int(draws), int(first or 0), read_guidance(scale or ""), text or "")
            yield from reconstruct(inverters, _chosen(given), draw)

        @_sentences
        def search(*given: Any) -> Iterator[str]:
            yield from attack(inverters, _chosen(given), *given[5:])

        @_sentences
        def open_report(name: str | None) -> Iterator[str]:
            yield frame(Path(config.runs), name) if name else ""

        drawing = [*chosen, number, seed, guidance, prompt]
        photo_tab.select(lambda: PHOTO, None, source, **_quick())
        features_tab.select(lambda: FEATURES, None, source, **_quick())
        for event in (run.click, photo.upload, features.upload, examples.load_input_event.then):
            event(invert, drawing, [sent, recon], **compute)
        searching = start.click(search, [*chosen, method, seconds], iterates, **{**compute, "show_progress": "hidden"})
        stop.click(show_stopped, iterates, iterates, cancels=[searching], **_quick())

        def offer() -> tuple[Any, str]:
            known = list(find_reports(Path(config.runs)))
            return gr.update(choices=known, value=None), f'<p class="empty">{ANY_REPORT if known else NO_REPORT}</p>'

        reports_tab.select(offer, None, [report, shown], **_quick())
        report.input(open_report, report, shown, **compute)
    for component in page.blocks.values():
        _local(component)
    for uploaded in (photo, features):
        uploaded.preprocess = lambda payload: None if payload is None else payload.path  # type: ignore[method-assign]
    return page.queue(max_size=config.max_waiting, api_open=False)


def look() -> gr.Theme:
    """Colours of the reports, and the reader's own fonts: none is fetched."""
    theme = gr.themes.Default(
        primary_hue="blue",
        secondary_hue="slate",
        neutral_hue="slate",
        radius_size="sm",
        spacing_size="sm",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
    )


def _local(component: Any) -> None:
    """Fetch no URL that a request gives in place of a component's value; Gradio does so for every component."""
    move = component.async_move_resource_to_block_cache

    async def uploaded(path: Any) -> str | None:
        if path is not None and is_http_url_like(str(path)):
            raise gr.Error("a URL is not fetched; allowed: a file of yours", print_exception=False)
        return await move(path)

    component.async_move_resource_to_block_cache = uploaded


def _panel(title: str, name: str, empty: str) -> gr.HTML:
    with gr.Group(elem_classes="panel"):
        gr.HTML(f"<h2>{title}</h2>")
        return gr.HTML(f'<p class="empty">{empty}</p>', elem_id=name)


def _chosen(given: tuple[Any, ...]) -> Chosen:
    source, photo, features, inverter, payload = given[:5]
    return Chosen(source, photo, features, inverter, (payload or "").strip())


def _quick() -> dict[str, Any]:
    """Of what computes nothing and need not wait."""
    return {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def _sentences(function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Errors as one line on the page, whatever is wrong with what was given."""

    @functools.wraps(function)
    def wrapped(*given: Any) -> Iterator[Any]:
        try:
            yield from function(*given)
        except (ValueError, OSError) as error:
            raise gr.Error(html.escape(one_line(error), quote=False), print_exception=False) from error
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise gr.Error("out of memory; ask for fewer draws, or free memory", print_exception=False) from error

    return wrapped
