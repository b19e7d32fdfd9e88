"""White-box methods by name, one a file: its settings, what the loop runs for it, and what it needs.

Among the settings, values of the paper (arXiv:2412.10448) are marked so, as are those of DRAG (ICML 2025); the paper
does not say how many denoising steps are differentiated, how many iterations are made, which form the total variation
has and how much neighbouring frames count. There the default is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

from inverter.run.registry import Registry

if TYPE_CHECKING:
    from inverter.whitebox.config import MethodsConfig
    from inverter.whitebox.phase import Phase

T = TypeVar("T")
C = TypeVar("C", bound="MethodsConfig")


def make_queries(section: Any, queries: int, planned: Sequence[int]) -> Any:
    """A method's section with as many steps as there are queries, where it has ``num_steps``."""
    return replace(section, num_steps=queries) if hasattr(section, "num_steps") else section


@dataclass(frozen=True)
class WhiteboxMethod:
    """A white-box method, registered in a file of its own.

    Args:
        phases: Of its section of the configuration (None where it has none), the numbers that travel for an image and
            the picture's side in pixels: what the loop runs in turn.
        config: Dataclass of this section; None has none.
        needs_prior: Whether it searches in a prior's latents; else ``image_size`` may be any.
        prompted: Whether text conditions it.
        starts_at_inverter: Of its section: whether it begins where a black-box inverter ends, if there is one.
        cost_only: Keys of its section that change what it costs and not what it finds.
        of_clips: Of its section: what it becomes where the frames of a clip are smoothed.
        make_queries: Of its section, queries an image and the steps that its phases now have: the section that makes
            so many queries.
    """

    phases: Callable[[Any, int, int], list[Phase]]
    config: type | None = None
    needs_prior: bool = True
    prompted: bool = True
    starts_at_inverter: Callable[[Any], bool] = lambda section: False
    cost_only: tuple[str, ...] = ()
    of_clips: Callable[[Any], Any] = lambda section: section
    make_queries: Callable[[Any, int, Sequence[int]], Any] = make_queries


METHODS: Registry[WhiteboxMethod] = Registry("method", "inverter.whitebox.methods")


def starts_at_inverter(method: str, config: MethodsConfig) -> bool:
    """Whether a method with these settings begins where a black-box inverter ends, if there is one."""
    return METHODS[method].starts_at_inverter(getattr(config, method, None))


def settings_of_clips(config: C) -> C:
    """The sections of all methods as they are where frames are smoothed; without smoothing as they stand."""
    if config.smoothing.weight <= 0:
        return config
    with_settings = [name for name in METHODS.names() if METHODS[name].config is not None]
    return replace(config, **{name: METHODS[name].of_clips(getattr(config, name)) for name in with_settings})


@dataclass_transform(field_specifiers=(field,))
def add_sections(schema: type[T]) -> type[T]:
    """A dataclass of ``schema`` with a section of the name of each method that has settings."""
    for name in METHODS.names():
        if (config := METHODS[name].config) is not None:
            schema.__annotations__[name] = config
            setattr(schema, name, field(default_factory=config))
    return dataclass(schema)
