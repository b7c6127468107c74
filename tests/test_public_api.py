"""The public names: what they are, how they load, and that they take no more than they say."""

import ast
import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kundenwert as kw
from tests import cdnow, contracts

NAMES = [name for name in kw.__all__ if name != "__version__"]
PUBLIC = {name: getattr(kw, name) for name in NAMES}


def callables():
    """Public functions, classes, and the public methods of the classes and of what they hand out."""
    for name, value in PUBLIC.items():
        if inspect.ismodule(value):
            for inner in value.__all__:
                thing = getattr(value, inner)
                if not (inspect.isclass(thing) and issubclass(thing, BaseException | Warning)):
                    yield f"{name}.{inner}", thing
        elif callable(value):
            yield name, value
    classes = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
    classes |= {"PurchaseDraws": type(cdnow.posterior("BGNBD").draws), "Audit": type(cdnow.histories().audit)}
    classes |= {"SpendDraws": type(cdnow.posterior("GammaGamma").draws)}
    classes |= {"ContractDraws": type(contracts.fixed(0.7, 1.2).draws)}
    for name, value in classes.items():
        for inner, _ in inspect.getmembers(value):
            member = inspect.getattr_static(value, inner)
            if not inner.startswith("_") and isinstance(member, (staticmethod, classmethod)) | inspect.isfunction(
                member
            ):
                yield f"{name}.{inner}", getattr(value, inner)
            elif not inner.startswith("_") and isinstance(member, property):
                yield f"{name}.{inner}", member


CALLABLES = dict(callables())


def test_the_three_lists_of_names_are_one():
    tree = ast.parse(Path(kw.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.module is not None
        for alias in node.names:
            assert alias.asname is None
            typed[alias.name] = node.module.removeprefix("kundenwert").removeprefix(".")
    assert typed.keys() == kw._HOME.keys() == set(NAMES)
    for name, home in kw._HOME.items():
        assert home == typed[name] or typed[name].startswith(f"{home}."), name
    assert sorted(kw.__all__) == dir(kw)
    assert len(set(kw.__all__)) == len(kw.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_defined_where_it_is_said_to_be(name):
    home = getattr(PUBLIC[name], "__module__", None)
    if home is not None:
        assert f"{home}.".startswith(f"kundenwert.{kw._HOME[name]}.")


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'ParetoNBDD'"):
        _ = kw.ParetoNBDD
    assert not hasattr(kw, "_HOME_")


def in_fresh_process(script):
    """What a script prints, by words."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 - our own


IMPORT = """
import sys
before = set(sys.modules)
import kundenwert
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new - sys.stdlib_module_names))
"""


def test_importing_loads_no_third_party_package():
    """It takes no time: a clock would tell what the machine does besides."""
    assert in_fresh_process(IMPORT) == ["kundenwert"]


def test_pymc_is_loaded_by_nuts_only():
    script = (
        "import sys, kundenwert as kw; "
        "h = kw.summarize(kw.datasets.cdnow(), customer='customer_id', time='date', amount='amount'); "
        "kw.fit(kw.MBGNBD(), h, seed=1).p_alive(h); print('pymc' in sys.modules, 'numpy' in sys.modules)"
    )
    assert in_fresh_process(script) == ["False", "True"]


@pytest.mark.parametrize("name", CALLABLES)
def test_every_public_object_has_a_docstring(name):
    text = inspect.getdoc(CALLABLES[name])
    assert text is not None
    assert len(text) > 10
    assert text[0].isupper() or text.startswith("`")


@pytest.mark.parametrize("name", [name for name, value in CALLABLES.items() if callable(value)])
def test_no_public_object_swallows_keywords(name):
    kinds = {parameter.kind for parameter in inspect.signature(CALLABLES[name]).parameters.values()}
    assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}


UNTYPED: Any = kw  # type checkers would refuse these calls
BGNBD = {"r": 1.0, "alpha": 1.0, "a": 1.0, "b": 1.0}
TYPOS: dict[str, Any] = {
    "fit": lambda h: UNTYPED.fit(kw.BGNBD(), h, fit_method="map"),
    "model": lambda _: UNTYPED.BGNBD(mean_rates=kw.LogNormal(0, 1)),
    "spend model": lambda _: UNTYPED.GammaGamma(money_scal=3.0),
    "economics": lambda _: UNTYPED.Economics(margin=0.3, annual_discount_rate=0.1, discount=0.1),
    "economics by position": lambda _: UNTYPED.Economics(0.3, 0.1),
    "interval": lambda h: cdnow.posterior("BGNBD").p_alive(h, intervall=0.5),
    "horizon by position": lambda h: cdnow.posterior("BGNBD").expected_purchases(h, kw.weeks(3)),
    "horizon": lambda h: cdnow.posterior("BGNBD").expected_purchases(h, horizont=kw.weeks(3)),
    "method": lambda _: UNTYPED.ImportanceSampling(draw=10),
    "parameters without unit": lambda _: UNTYPED.BGNBD.Parameters(**BGNBD),
    "parameters": lambda _: UNTYPED.BGNBD.Parameters(**BGNBD, units="week"),
}


@pytest.mark.parametrize("call", TYPOS.values(), ids=TYPOS)
def test_a_typo_is_a_type_error(call: Any):
    with pytest.raises(TypeError, match=r"argument|takes"):
        call(cdnow.histories())


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if dataclasses.is_dataclass(value)])
def test_specifications_and_results_are_frozen(name):
    parameters: Any = inspect.getattr_static(PUBLIC[name], "__dataclass_params__")
    assert parameters.frozen
