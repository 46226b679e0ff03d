"""PyTorch modules come back by their own class and their weights alone."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import formats_torch_bench as bench  # noqa: E402 - needs torch

from legato.domain.artifacts import Artifact  # noqa: E402 - needs torch
from legato.domain.errors import ConfigurationError  # noqa: E402 - needs torch
from legato.formats.shelf import Shelf  # noqa: E402 - needs torch


def _shelf():
    return Shelf(lambda module: module == "formats_torch_bench")


def _artifact(saved):
    return Artifact(
        digest="sha256:" + "0" * 64,
        size_bytes=1,
        format=saved.format,
        type=saved.type,
        tree=saved.tree,
        classes=saved.classes,
    )


@pytest.mark.parametrize(
    "make", [lambda: bench.Named(3), lambda: bench.ByConfig(bench.Config(3)), bench.Bare]
)
def test_a_module_comes_back_with_its_weights_and_mode(make, tmp_path):
    module = make().eval()
    rows = torch.randn(4, 3)

    saved = _shelf().save(module, tmp_path)
    back = _shelf().load(saved.path, _artifact(saved))

    assert torch.equal(back(rows), module(rows))
    assert not back.training


def test_tied_weights_are_written_once(tmp_path):
    module = bench.Named(3)

    saved = _shelf().save(module, tmp_path)
    back = _shelf().load(saved.path, _artifact(saved))

    assert back.second.weight is back.third.weight
    assert torch.equal(back.third.weight, module.third.weight)


def test_equal_modules_give_equal_bytes(tmp_path):
    module = bench.Named(3)

    files = [sorted(_shelf().save(module, tmp_path / name).path.iterdir()) for name in "ab"]

    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]


def test_a_tensor_comes_back_and_no_write_reaches_the_file(tmp_path):
    saved = _shelf().save(torch.arange(600_000.0).reshape(2, -1).t(), tmp_path)
    before = saved.path.read_bytes()

    back = _shelf().load(saved.path, _artifact(saved))
    equal = torch.equal(back, torch.arange(600_000.0).reshape(2, -1).t())
    back[:] = 0

    assert equal
    assert saved.path.read_bytes() == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bench.NeedsMore(3), "NeedsMore needs size to be built again"),
        (lambda: bench.Lies(3), "Lies built again has 'layer.weight' of shape"),
        (lambda: bench.Forgets(0.5), r"Forgets built again has \(dropout\): Dropout\(p=0.1"),
        (lambda: torch.nn.Linear(2, 2), "a bare torch.nn.Linear does not say how it was built"),
        (lambda: torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.1), "no format fits"),
    ],
)
def test_a_module_that_could_not_be_built_again_is_refused_on_saving(make, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message) as caught:
        _shelf().save(make(), tmp_path)

    assert caught.value.hint


def test_a_module_is_built_again_from_attributes_that_are_called_like_its_arguments(tmp_path):
    module = bench.Told(3, hidden=7, sizes=(2, 3))

    saved = _shelf().save(module, tmp_path)
    back = _shelf().load(saved.path, _artifact(saved))

    assert (back.inputs, back.hidden, back.sizes) == (3, 7, (2, 3))
    assert torch.equal(back.layer.weight, module.layer.weight)
