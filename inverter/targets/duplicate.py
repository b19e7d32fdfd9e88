"""Copies of networks, also of those that ``copy.deepcopy`` refuses, or copies only in part."""

import copy
import functools
import threading
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from torch import Tensor, nn

from inverter.config.errors import one_line, raise_if_out_of_memory
from inverter.targets.eager import eager

_PLAIN = (type, ModuleType, str, bytes, int, float, complex, type(None))
_SHARED = (ModuleType, type(threading.Lock()), type(threading.RLock()))


def copy_network(network: nn.Module) -> nn.Module:
    """A copy without ``torch.compile``, whose passes neither read nor change anything of the network given.

    What an earlier pass left behind (a kept activation, the weight of ``weight_norm``) is copied without its graph.
    Functions that stand in place of methods, and hooks, which a deep copy shares, hold the copy's parts in place of
    the given one's. Locks and imported modules are shared.

    Raises:
        ValueError: A part cannot be copied, or is a TorchScript module.
    """
    memo: dict[int, Any] = {}
    try:
        try:
            copied = copy.deepcopy(network, memo)
        except Exception:  # with what deepcopy refuses in memo; not always: it takes a walk through everything
            memo = _replacements(network)
            copied = copy.deepcopy(network, memo)
        copied = eager(copied)
        _hold_copies(copied, memo)
    except ValueError:
        raise
    except Exception as error:  # what a network holds fails with errors of many classes
        raise_if_out_of_memory(error, f"a copy of the target {type(network).__name__}")
        raise ValueError(
            f"target {type(network).__name__} cannot be copied{_refused(network)}: {type(error).__name__}: "
            f"{one_line(error)}; allowed: target=module:package.module:factory, a function without arguments that "
            "returns the network, which is then used without a copy"
        ) from error
    return copied


def _replacements(network: nn.Module) -> dict[int, Any]:
    """For deepcopy's memo: what to put in place of parts that it refuses, by id."""
    memo: dict[int, Any] = {}
    for part in _reached(network):
        if isinstance(part, Tensor) and not isinstance(part, nn.Parameter) and not part.is_leaf:
            memo[id(part)] = part.detach().clone()
        elif isinstance(part, _SHARED):
            memo[id(part)] = part
    return memo


def _refused(network: nn.Module) -> str:
    """The first attribute that deepcopy refuses, for a message; empty where none does so alone."""
    memo = _replacements(network)
    for name, module in network.named_modules():
        for key, value in vars(module).items():
            try:
                if key != "_modules":
                    copy.deepcopy(value, dict(memo))
            except Exception:
                return f" because of {f'{name}.{key}'.lstrip('.')}, a {type(value).__name__}"
    return ""


def _reached(start: Any, functions: bool = False) -> Iterator[Any]:
    """What attributes and containers lead to, each once; with ``functions`` also what functions hold."""
    seen, left = set[int](), [start]
    while left:
        part = left.pop()
        if id(part) in seen or (isinstance(part, _PLAIN) and not isinstance(part, _SHARED)):
            continue
        seen.add(id(part))
        yield part
        if isinstance(part, FunctionType):
            if functions:
                left += _held(part).values()
        elif isinstance(part, MethodType):
            left.append(part.__self__)
        elif isinstance(part, functools.partial):
            left += [part.func, *part.args, *part.keywords.values()]
        elif not isinstance(part, ModuleType):
            left += [*part.keys(), *part.values()] if isinstance(part, dict) else []
            left += part if isinstance(part, list | tuple | set | frozenset) else []
            left += getattr(part, "__dict__", {}).values()


def _held(function: FunctionType) -> dict[tuple[str, str], Any]:
    """What a function reads beside its arguments: closure, defaults, and globals of code that is not torch's."""
    held: dict[tuple[str, str], Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            held["closure", name] = cell.cell_contents
        except ValueError:  # not set yet
            continue
    for number, value in enumerate(function.__defaults__ or ()):
        held["defaults", str(number)] = value
    for name, value in (function.__kwdefaults__ or {}).items():
        held["keywords", name] = value
    space = function.__globals__
    if str(space.get("__name__")).partition(".")[0] != "torch":
        for name in _names(function.__code__):
            value = space.get(name)
            if not isinstance(value, FunctionType) or value.__globals__ is space:
                held["globals", name] = value
    return held


def _names(code: CodeType) -> set[str]:
    """Names of globals and attributes in a function's code and in the functions that it defines."""
    inner = [_names(part) for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*inner)


def _hold_copies(copied: nn.Module, memo: dict[int, Any]) -> None:
    """Replace functions among the attributes and hooks of a copy that hold parts of what it was copied from."""
    for module in copied.modules():
        for held in (vars(module), *(value for value in vars(module).values() if isinstance(value, dict))):
            for key, value in list(held.items()):
                if isinstance(value, FunctionType):
                    held[key] = _holding_copies(value, memo)
                elif isinstance(value, functools.partial) and isinstance(value.func, FunctionType):
                    held[key] = functools.partial(_holding_copies(value.func, memo), *value.args, **value.keywords)


def _holding_copies(function: FunctionType, memo: dict[int, Any]) -> FunctionType:
    """A function that reads the copies of what ``function`` reads; itself where nothing of that was copied."""
    if id(function) in memo:
        return memo[id(function)]
    if not any(memo.get(id(part), part) is not part for part in _reached(function, functions=True)):
        return function
    cells = tuple(CellType() for _ in function.__closure__ or ())
    space = dict(function.__globals__)
    new = FunctionType(function.__code__, space, function.__name__, function.__defaults__, cells)
    functools.update_wrapper(new, function)
    del new.__wrapped__  # type: ignore[attr-defined]
    memo[id(function)] = new  # it may hold itself
    values: dict[tuple[str, str], Any] = {}
    for place, value in _held(function).items():
        if isinstance(value, FunctionType):
            values[place] = _holding_copies(value, memo)
        elif any(memo.get(id(part), part) is not part for part in _reached(value, functions=True)):
            memo.update({key: new for key, new in _replacements(value).items() if key not in memo})
            values[place] = copy.deepcopy(value, memo)
        else:
            values[place] = value
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        if ("closure", name) in values:
            cell.cell_contents = values["closure", name]
    space.update({name: value for (kind, name), value in values.items() if kind == "globals" and name in space})
    if function.__defaults__:
        new.__defaults__ = tuple(values["defaults", str(n)] for n in range(len(function.__defaults__)))
    if function.__kwdefaults__:
        new.__kwdefaults__ = {name: values["keywords", name] for name in function.__kwdefaults__}
    return new
