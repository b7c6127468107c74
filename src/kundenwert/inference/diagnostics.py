"""What is known about the quality of a posterior, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from kundenwert.storage.registry import register

__all__ = ["Diagnostics"]

HIGHEST_PARETO_K: Final = 0.7
SMALLEST_IMPORTANCE_ESS: Final = 1000.0
HIGHEST_R_HAT: Final = 1.01
SMALLEST_NUTS_ESS: Final = 400.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """Quality of a posterior.

    Parameters
    ----------
    method
        ``"importance sampling"``, ``"NUTS"``, ``"MAP"`` or ``"fixed"``.
    draws, chains
        Draws kept a chain, and chains.
    seed
        Seed that reproduces the result; None for fixed values.
    seconds
        Elapsed time of the fit.
    points, rounds
        Importance sampling: points of the last round, and how often the proposal was fitted.
    pareto_k
        Importance sampling: tail index of the *weights*; below 0.7 they can be trusted.
    ess
        Effective sample size: of the weights, (sum w)^2/sum w^2, or the smallest bulk ESS over parameters for NUTS.
    r_hat
        NUTS: largest r-hat over parameters; below 1.01 the chains agree.
    divergences
        NUTS: steps at which the sampler left the posterior's support numerically.
    notes
        What happened on the way, such as a fall-back from one method to another.
    """

    method: str
    draws: int
    chains: int
    seed: int | None = None
    seconds: float = 0.0
    points: int | None = None
    rounds: int | None = None
    pareto_k: float | None = None
    ess: float | None = None
    r_hat: float | None = None
    divergences: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong and what to do about it; empty if nothing is."""
        found: list[str] = []
        if self.pareto_k is not None and not self.pareto_k < HIGHEST_PARETO_K:
            found.append(
                f"Pareto k of the importance weights is {self.pareto_k:.2f}, {HIGHEST_PARETO_K} or more: a few points "
                "dominate. Use more points, or method=kundenwert.NUTS()."
            )
        if self.pareto_k is not None and self.ess is not None and self.ess < SMALLEST_IMPORTANCE_ESS:
            found.append(
                f"The importance ESS is {self.ess:.0f}, below {SMALLEST_IMPORTANCE_ESS:.0f}. "
                "Use more points, or method=kundenwert.NUTS()."
            )
        if self.r_hat is not None and not self.r_hat < HIGHEST_R_HAT:
            found.append(
                f"r-hat is {self.r_hat:.3f}, {HIGHEST_R_HAT} or more: the chains disagree. "
                "Use more tuning steps and draws, or tighter priors."
            )
        if self.r_hat is not None and self.ess is not None and self.ess < SMALLEST_NUTS_ESS:
            found.append(f"The smallest ESS is {self.ess:.0f}, below {SMALLEST_NUTS_ESS:.0f}. Use more draws.")
        if self.divergences:
            found.append(f"{self.divergences} divergences. Raise target_accept, or use tighter priors.")
        return tuple(found)

    @property
    def ok(self) -> bool:
        """Whether nothing is known to be wrong."""
        return not self.problems

    def __str__(self) -> str:
        facts = [f"{self.method}: {self.chains} × {self.draws} draws in {self.seconds:.2f} s"]
        if self.points is not None:
            facts.append(f"{self.points} points, {self.rounds} round{'s' if self.rounds != 1 else ''}")
        for name, value in (("Pareto k", self.pareto_k), ("r-hat", self.r_hat)):
            if value is not None:
                facts.append(f"{name} {value:.2f}")
        if self.ess is not None:
            facts.append(f"ESS {self.ess:.0f}")
        if self.divergences is not None:
            facts.append(f"{self.divergences} divergences")
        verdict = self.problems or ("No problem found.",)
        if self.draws * self.chains == 1:
            verdict = ("A single value of each parameter: intervals have no width.",)
        lines = [", ".join(facts), *self.notes, *verdict]
        return "\n".join(lines)


register(Diagnostics)
