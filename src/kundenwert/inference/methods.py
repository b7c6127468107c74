"""How a posterior is computed: frozen specifications, handed to :func:`kundenwert.fit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, final

from kundenwert.errors import SpecificationError
from kundenwert.scalars import check_count

__all__ = ["MAP", "NUTS", "ImportanceSampling", "Method"]

SMALLEST_ROUND: Final = 2048


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ImportanceSampling:
    """Sampling from a heavy-tailed fit of the posterior, corrected by importance weights.

    Parameters
    ----------
    draws : int
        Draws of equal weight to keep.
    points : int, optional
        Quasi-random points a round, a power of two from 2,048. By default 8,192 for up to 5,000 distinct histories,
        4,096 for up to 60,000 and 2,048 beyond, but never fewer than the draws.
    refits : int
        How often the proposal may be refitted to the weighted points when the diagnostics ask for it.
    """

    draws: int = 2000
    points: int | None = None
    refits: int = 4

    def __post_init__(self) -> None:
        _check_counts(self, draws=1, refits=0)
        if self.points is not None:
            _check_counts(self, points=SMALLEST_ROUND)
            if self.points & (self.points - 1):
                message = f"ImportanceSampling: points must be a power of two, got {self.points}"
                raise SpecificationError(message)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NUTS:
    """Markov chain Monte Carlo by PyMC's No-U-Turn sampler: the reference, and slow.

    Parameters
    ----------
    draws, tune, chains : int
        Kept draws and warm-up steps of each chain, and the number of chains.
    target_accept : float
        Acceptance probability that step sizes aim for; raise it when divergences are reported.
    sampler : {"pymc", "nutpie"}
        Which implementation runs; ``nutpie`` is an extra (``pip install kundenwert[nutpie]``).
    progress : bool, optional
        Whether to show how far it is; by default as the call of ``fit`` does.
    longest : float
        Refuse to start when the forecast exceeds this many minutes.
    """

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    target_accept: float = 0.9
    sampler: Literal["pymc", "nutpie"] = "pymc"
    progress: bool | None = None
    longest: float = 10.0

    def __post_init__(self) -> None:
        _check_counts(self, draws=4, tune=1, chains=1)
        if not 0 < self.target_accept < 1:
            message = f"NUTS: target_accept must be a probability, got {self.target_accept!r}"
            raise SpecificationError(message)
        if self.sampler not in {"pymc", "nutpie"}:
            message = f"NUTS: sampler must be 'pymc' or 'nutpie', got {self.sampler!r}"
            raise SpecificationError(message)
        if not self.longest > 0:
            message = f"NUTS: longest must be a positive number of minutes, got {self.longest!r}"
            raise SpecificationError(message)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MAP:
    """The mode of the posterior on the model's own coordinates: one draw, no uncertainty.

    The density is taken on logarithms (rates, shapes) and logits (probabilities). With every prior
    :class:`kundenwert.Flat` this is maximum likelihood: no Jacobian enters.
    """


type Method = ImportanceSampling | NUTS | MAP


def _check_counts(method: object, **smallest: int) -> None:
    for name, least in smallest.items():
        number = check_count(getattr(method, name), f"{type(method).__name__}: {name}", smallest=least)
        object.__setattr__(method, name, number)
