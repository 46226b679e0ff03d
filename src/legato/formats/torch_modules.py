"""PyTorch modules and tensors as safetensors, with the class and its configuration beside them.

Rule: a module is rebuilt by its own class: from `legato_config` (a mapping of constructor arguments, or a
method that returns one), else from its `config` attribute given as the only argument, else from plain attributes
that are called like its arguments (`self.hidden = hidden`). It is rebuilt once on saving, so a module that could
not be read back as it was is refused at once.
"""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch  # type: ignore[import-not-found, unused-ignore]

from legato.domain.artifacts import Artifact
from legato.domain.errors import ConfigurationError
from legato.formats import Saved, Trust
from legato.formats.annotations import type_name
from legato.formats.plain import Folder
from legato.formats.plain_types import decode, encode
from legato.formats.references import refer_first_party, resolve

_WEIGHTS: Final = "weights.safetensors"
_MODULE: Final = "module.json"
_TENSOR: Final = "tensor"


def accepts(value: object) -> bool:
    """Take tensors and modules; optimizers, schedulers and compiled code hold more than weights."""
    return isinstance(value, torch.nn.Module) or type(value) in (torch.Tensor, torch.nn.Parameter)


def save(value: object, target: Path, trust: Trust) -> Saved:
    """Write one `.safetensors` file, or a folder for a module."""
    if isinstance(value, torch.Tensor):
        path = target.with_name(target.name + ".safetensors")
        safetensors.torch.save_file({_TENSOR: value.detach().cpu().contiguous()}, path)
        return Saved(
            path=path,
            format="torch-tensor/1",
            type="torch.Tensor",
            about={"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")},
        )
    return _save_module(value, target, trust)


def load(path: Path, artifact: Artifact, form: str, trust: Trust) -> object:  # noqa: ARG001 - the port
    """Read it back, on the CPU."""
    if artifact.format == "torch-tensor/1":
        return safetensors.torch.load_file(path)[_TENSOR]
    note = json.loads((path / _MODULE).read_text())
    module: Any = _built(resolve(note["class"], trust), decode(note["arguments"], Folder(path, trust)))
    weights = safetensors.torch.load_file(path / _WEIGHTS)
    weights |= {alias: weights[name] for alias, name in note["shared"].items()}
    module.load_state_dict(weights, strict=True)
    return module.train(note["training"])


def _save_module(module: Any, target: Path, trust: Trust) -> Saved:  # noqa: ANN401 - torch is optional
    kind = type(module)
    if type(module).__module__.split(".")[0] == "torch":
        raise ConfigurationError(
            f"a bare {type_name(kind)} does not say how it was built",
            hint="wrap it in a class of your own, derived from torch.nn.Module, that builds it in __init__",
        )
    reference = refer_first_party(kind, trust)
    arguments = _arguments(module)
    weights, shared = _unshared(module.state_dict())
    _refuse_other_shape(module, arguments)
    target.mkdir()
    parts = Folder(target, trust)
    note = {
        "class": reference,
        "arguments": encode(arguments, parts, "the module's configuration"),
        "shared": shared,
        "training": bool(module.training),
    }
    (target / _MODULE).write_text(
        json.dumps(note, separators=(",", ":"), sort_keys=True, allow_nan=False) + "\n"
    )
    safetensors.torch.save_file(weights, target / _WEIGHTS)
    return Saved(
        path=target,
        format="torch/1",
        type=type_name(kind),
        tree=True,
        classes=tuple(sorted(parts.classes | {reference})),
        about={"parameters": sum(parameter.numel() for parameter in module.parameters())},
    )


def _arguments(module: Any) -> dict[str, Any]:  # noqa: ANN401 - torch is optional
    """Return `{"by": "name" | "config", "value": …}`."""
    config = getattr(module, "legato_config", None)
    if config is not None:
        config = config() if callable(config) else config
        if not isinstance(config, Mapping):
            raise ConfigurationError(
                f"{type(module).__qualname__}.legato_config is a {type(config).__name__}, not a mapping",
                hint='let it give the constructor\'s arguments: {"hidden": 64}',
            )
        return {"by": "name", "value": dict(config)}
    if getattr(module, "config", None) is not None:
        return {"by": "config", "value": module.config}
    asked = _asked(type(module))
    known = {name: getattr(module, name) for name in asked if _is_plain(getattr(module, name, module))}
    required = [name for name, required in asked.items() if required and name not in known]
    if required:
        raise ConfigurationError(
            f"{type(module).__qualname__} needs {', '.join(required)} to be built again",
            hint=_how_to_tell(module),
        )
    return {"by": "name", "value": known}


def _asked(kind: Any) -> dict[str, bool]:  # noqa: ANN401 - torch is optional
    """Return the names of the constructor's arguments that can be given by name, and whether each has to be."""
    return {
        parameter.name: parameter.default is parameter.empty
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return type(value) in (list, tuple) and all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _how_to_tell(module: Any) -> str:  # noqa: ANN401 - torch is optional
    names = ", ".join(f"{name!r}: {name}" for name in _asked(type(module)))
    return f"say in its __init__ what it was built with: self.legato_config = {{{names}}}"


def _built(kind: Any, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401 - torch is optional
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise ConfigurationError(
            f"{kind!r} is no torch.nn.Module any more", hint="run the step again with --again"
        )
    if arguments["by"] == "name":
        return kind(**arguments["value"])
    return kind(arguments["value"]) if arguments["by"] == "config" else kind()


def _refuse_other_shape(module: Any, arguments: Mapping[str, Any]) -> None:  # noqa: ANN401 - torch is optional
    state = torch.random.get_rng_state()
    try:
        again = _built(type(module), arguments)
    finally:
        torch.random.set_rng_state(state)
    before = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    after = {name: tuple(tensor.shape) for name, tensor in again.state_dict().items()}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            raise ConfigurationError(
                f"{type(module).__qualname__} built again has {name!r} of shape {after.get(name)}, "
                f"not {before.get(name)}",
                hint=_how_to_tell(module),
            )
    for was, now in zip(repr(module).splitlines(), repr(again).splitlines(), strict=False):
        if was != now:
            raise ConfigurationError(
                f"{type(module).__qualname__} built again has {now.strip()}, not {was.strip()}",
                hint=_how_to_tell(module),
            )


def _unshared(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the weights without repeats, and which name repeats which."""
    first: dict[tuple[Any, ...], str] = {}
    weights: dict[str, Any] = {}
    shared: dict[str, str] = {}
    for name in sorted(state):
        tensor = state[name]
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if tensor.numel() and place in first:
            shared[name] = first[place]
            continue
        first[place] = name
        weights[name] = tensor.detach().cpu().contiguous().clone()
    return weights, shared
