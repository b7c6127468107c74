"""RevivalNBD: customers who lapse are gone for good, or only dormant and return by themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, cast, final, override

import numpy as np

from kundenwert.duration import units_per_year
from kundenwert.errors import SpecificationError
from kundenwert.models.core import PurchaseModel, Purchases, Quantity, TimeParameters, check_positive
from kundenwert.models.families.beta_geometric import CONCENTRATION, MEAN_DROPOUT, MEAN_RATE, SHAPE
from kundenwert.models.kernels.dormancy import RevivingCustomers
from kundenwert.models.kernels.revival_averages import averages, second_life
from kundenwert.models.kernels.revival_futures import futures, log_gamma
from kundenwert.models.kernels.revival_histories import Revival, log_likelihood, shares, state_weights
from kundenwert.models.kernels.revival_questions import from_return_on, in_kind, return_time
from kundenwert.models.kernels.revival_tables import tabulated
from kundenwert.priors import Beta, LogNormal
from kundenwert.scalars import is_number, is_whole, store_plainly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from kundenwert.duration import Unit
    from kundenwert.histories import HistoryColumn
    from kundenwert.models.core import AliveCustomer, Array, Expectation, Functions, History
    from kundenwert.priors import Prior

__all__ = ["RevivalNBD"]

DORMANT_SHARE: Final = Beta(1, 3)
RELATIVE_RETURN_RATE: Final = LogNormal(math.log(0.2), 1)
MOST_STAGES: Final = 8
LARGEST_SHAPE: Final = 1e6  # of the rates: nodes grow with its square root
DEPENDS_ON_GAPS: Final = (
    "what customers of RevivalNBD do next depends on their gaps, and this is asked of frequency, recency and T alone; "
    "it cannot be told for this model. Use kundenwert.MBGNBD() here"
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RevivalNBD(PurchaseModel[Revival]):
    """Customers who lapse after a purchase, the *first one included*, are gone for good, or dormant and return.

    After each purchase a customer stays active with probability 1 - p, and the next gap is a sum of `k` stages of rate
    lambda; falls dormant with probability omega p, and comes back with a purchase after an exponential time of rate
    eta; or leaves for good. Without dormancy (omega = 0) this is :class:`MBGNBD`, with k > 1 :class:`MBGCNBD`.

    It needs the gaps between purchases: make histories from the log with :func:`kundenwert.summarize`. Choose k by
    :func:`kundenwert.rolling_origin`.

    Parameters
    ----------
    k : int
        Stages of an active gap, 1 to 8. The larger, the more regular customers buy while active.
    gaps : bool
        Whether to learn from the single gaps. With False, frequency, recency and T are enough, as a ready-made table
        has them; how many of those who lapse return is then hardly identified, and a fit warns of it.
    mean_rate : Prior
        Mean purchase rate while active, r/(k alpha), per *year*.
    shape : Prior
        Shape r of the rates across customers; small means that few customers make most purchases.
    mean_lapse : Prior
        Mean probability of lapsing after a purchase, a/(a+b).
    concentration : Prior
        a + b; large means that all customers have about the same probability of lapsing.
    dormant_share : Prior
        omega, the share of lapses after which a customer is only dormant. By default Beta(1, 3), whose density is
        largest at no dormancy at all: without evidence of returns the model shrinks to MBG/NBD.
    relative_return_rate : Prior
        eta divided by the mean purchase rate of active customers; by default about a fifth. Most customers buy more
        slowly than the mean, so a dormant gap need not be longer than an active one of theirs.

    Notes
    -----
    All priors are proper. The individual process is a defective hyper-exponential renewal process; with k = 1 and
    omega = 1 the interrupted Poisson process of Kuczura (1973), The Bell System Technical Journal 52(3), 437-448.
    Likelihoods and probabilities of states are good to about 1e-9, whatever the parameters; expectations over many
    draws to about 1e-5.
    """

    k: int = 1
    gaps: bool = True
    mean_rate: Prior = MEAN_RATE
    shape: Prior = SHAPE
    mean_lapse: Prior = MEAN_DROPOUT
    concentration: Prior = CONCENTRATION
    dormant_share: Prior = DORMANT_SHARE
    relative_return_rate: Prior = RELATIVE_RETURN_RATE

    by_history: ClassVar[bool] = True
    numeric: ClassVar[bool] = True
    living: ClassVar[tuple[str, ...]] = ("active", "dormant")

    def __post_init__(self) -> None:
        _settle_k(self, self.k)
        if not isinstance(self.gaps, bool):
            message = f"RevivalNBD: gaps is True or False, got {self.gaps!r}"
            raise SpecificationError(message)
        _ = self.quantities  # a prior that does not fit is an error now, not at the fit

    @property
    def needs(self) -> tuple[HistoryColumn, ...]:  # type: ignore[override]  # it depends on what there is to learn from
        """Frequency, recency and T, and the single gaps unless it does without."""
        return ("x", "t_x", "T", "gaps") if self.gaps else ("x", "t_x", "T")

    @property
    def observes(self) -> str:  # type: ignore[override]  # densities of recency and of single gaps do not compare
        """What the likelihood is a density of."""
        return "purchases" if self.gaps else "frequency and recency"

    @override
    def cautions(self) -> tuple[str, ...]:
        if self.gaps:
            return ()
        message = (
            "Without the gaps between purchases, which of them were dormant is hardly visible: what the posterior says "
            "about omega, eta and the return of those who are silent for long is mostly the prior. Make histories from "
            "the log with kundenwert.summarize, and use kundenwert.RevivalNBD() to learn it."
        )
        return (message,)

    @property
    @override
    def parameter_names(self) -> tuple[str, ...]:
        return Revival._fields

    @property
    @override
    def quantities(self) -> tuple[Quantity, ...]:
        return (
            Quantity("mean_rate", self.mean_rate, 3.0),
            Quantity("shape", self.shape, 1.0),
            Quantity("mean_lapse", self.mean_lapse, 0.3, "probability"),
            Quantity("concentration", self.concentration, 3.0),
            Quantity("dormant_share", self.dormant_share, 0.25, "probability"),
            Quantity("relative_return_rate", self.relative_return_rate, 0.2),
        )

    @override
    def parameters_of(self, quantities: Sequence[Array], unit: Unit) -> Revival:
        mean_rate, shape, mean_lapse, concentration, dormant_share, relative_return_rate = quantities
        mean_rate = mean_rate / units_per_year(unit)
        return Revival(
            r=shape,
            alpha=shape / (self.k * mean_rate),
            a=mean_lapse * concentration,
            b=(1 - mean_lapse) * concentration,
            omega=dormant_share,
            eta=relative_return_rate * mean_rate,
        )

    @override
    def quantities_of(self, theta: Revival, unit: Unit) -> tuple[Array, ...]:
        r, alpha, a, b, omega, eta = theta
        mean_rate = r / (self.k * alpha)
        return (mean_rate * units_per_year(unit), r, a / (a + b), a + b, omega, eta / mean_rate)

    @override
    def named(self, values: Sequence[Array]) -> Revival:
        return Revival(*values)

    @override
    def log_likelihood(self, theta: Revival, h: History, f: Functions) -> Array:
        return log_likelihood(theta, self.k, self._known(h))

    @override
    def p_states(self, theta: Revival, h: History, f: Functions) -> Array:
        weights = state_weights(theta, self.k, self._known(h)).values
        return shares(weights[:-1], weights.sum(axis=0), h)

    @override
    def kind_of_states(self, states: int) -> NDArray[np.int64]:
        kinds = np.zeros(states, dtype=np.int64)
        kinds[-1] = 1
        return kinds

    @override
    def averaging(
        self, theta: Revival, columns: Mapping[HistoryColumn, Array], asked: Sequence[Expectation]
    ) -> Callable[[History], Array]:
        tables = tabulated(theta, self.k, columns, asked)
        return lambda h: averages(self.k, self._known(h), tables)

    @override
    def second_life(self, expectation: Expectation, first: float) -> Expectation:
        return cast("Expectation", second_life(expectation, first))

    @override
    def being(self, kind: int, ahead: float) -> Expectation:
        return cast("Expectation", in_kind(kind, ahead))

    @override
    def return_time(self, horizon: float) -> Expectation:
        return cast("Expectation", return_time(horizon))

    @override
    def from_return_on(self, rate: float, horizon: float) -> Expectation:
        return cast("Expectation", from_return_on(rate, horizon))

    @override
    def simulate_ahead(
        self, theta: Revival, h: History, draws: NDArray[np.intp], horizon: float, rng: np.random.Generator
    ) -> Purchases:
        return futures(theta, self.k, self._known(h), draws, horizon, rng)

    def _known(self, h: History) -> History:
        """The histories, if they tell what the model learns from."""
        if self.gaps and h.gaps is None and (h["x"] > 0).any():
            raise SpecificationError(DEPENDS_ON_GAPS)
        return h

    @override
    def alive(self, theta: Revival, x: Array, T: Array) -> tuple[AliveCustomer, ...]:
        raise SpecificationError(DEPENDS_ON_GAPS)

    @override
    def examples(self, theta: Revival, x: Array, T: Array) -> tuple[AliveCustomer, ...]:
        r, alpha, a, b, omega, eta = theta
        customers = RevivingCustomers(
            k=self.k, lam=(r + self.k * x) / (alpha + T), p=a / (a + b + x + 1), omega=omega, eta=eta
        )
        return tuple(customers.in_state(state) for state in range(self.k + 1))

    @override
    def endless(self, theta: Revival) -> NDArray[np.bool_]:
        return np.asarray((theta.a <= 1) | (theta.omega >= 1))

    @override
    def time_scale(self, theta: Revival) -> float:
        return float(np.min(theta.alpha))

    @override
    def simulate(self, theta: Revival, T: Array, rng: np.random.Generator) -> Purchases:
        own = Revival(*(np.broadcast_to(np.asarray(values, dtype=np.float64), T.shape) for values in theta))
        lam = np.exp(log_gamma(own.r, rng)) / own.alpha
        p, chance = rng.beta(own.a, own.b), rng.random(len(T))
        customers, times = [], []
        states = np.where(chance >= p, 0, np.where(chance < own.omega * p, self.k, -1))
        for state in (0, self.k):
            who = np.flatnonzero(states == state)
            some = RevivingCustomers(k=self.k, lam=lam[who], p=p[who], omega=own.omega[who], eta=own.eta[who])
            bought = some.in_state(state).simulate(float(T.max(initial=0.0)), rng)
            kept = bought.time <= T[who][bought.customer]
            customers.append(who[bought.customer[kept]])
            times.append(bought.time[kept])
        return Purchases.in_order(np.concatenate(customers), np.concatenate(times))

    @final
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Parameters(TimeParameters["RevivalNBD"]):
        """Given values of r, alpha, a, b, omega and eta; alpha in `unit`, eta per `unit`.

        omega is 0 to 1, r at most 1e6; k and gaps are those of the model.
        """

        r: float
        alpha: float
        a: float
        b: float
        omega: float
        eta: float
        k: int = 1
        gaps: bool = True

        def __post_init__(self) -> None:
            _settle_k(self, self.k)
            check_positive(self, ["r", "alpha", "a", "b", "eta"])
            if self.r > LARGEST_SHAPE:
                message = f"{type(self).__qualname__}: r must be at most {LARGEST_SHAPE:g}, got {self.r!r}"
                raise SpecificationError(message)
            if not is_number(self.omega) or not 0 <= self.omega <= 1:
                message = f"{type(self).__qualname__}: omega must be a share from 0 to 1, got {self.omega!r}"
                raise SpecificationError(message)
            store_plainly(self, "omega")

        @override
        def model(self) -> RevivalNBD:
            return RevivalNBD(k=self.k, gaps=self.gaps)


def _settle_k(thing: object, k: object) -> None:
    if not is_whole(k) or not 1 <= k <= MOST_STAGES:
        message = (
            f"{type(thing).__qualname__}: k, the number of stages of an active gap, must be a whole number from 1 to "
            f"{MOST_STAGES}, got {k!r}"
        )
        raise SpecificationError(message)
    object.__setattr__(thing, "k", int(k))
