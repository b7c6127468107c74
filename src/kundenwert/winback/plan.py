"""The plan: whom to make which offer, whom to leave alone, whom to hold out, and what that brings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import pandas as pd

from kundenwert.errors import MissingPackageError, RowError, SpecificationError
from kundenwert.scalars import is_number
from kundenwert.storage.disk import path_of, write_whole
from kundenwert.storage.spreadsheets import write_csv
from kundenwert.winback.choice import steps_of
from kundenwert.winback.detectable import Detectable
from kundenwert.winback.explanation import explained
from kundenwert.winback.gains import summary_of
from kundenwert.winback.lots import PRIORITY, lots

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from kundenwert.duration import Duration, Horizon
    from kundenwert.models.core import Array
    from kundenwert.winback.setting import Setting

__all__ = ["DECISIONS", "WinbackPlan"]

DECISIONS: Final = ("contact", "hold out", "wait", "leave alone", "not eligible")
MOST_BUDGETS: Final = 40


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WinbackPlan:
    """Whom to make which offer. Made by :func:`plan_winback`.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a customer, in the order of the histories. ``decision`` is "contact", "hold out" (drawn by chance to
        measure the effect), "wait" (an offer later is worth more), "leave alone" or "not eligible". ``offer`` is what
        is sent. ``intended_offer`` is what one rule gives to all who are eligible, which the held-out are compared by:
        what would have been sent to them; it is empty for the few who were contacted beyond the rule, because they
        fitted into the rest of the budget, and who are compared with nobody. ``mean``, ``lower`` and ``upper`` are the
        incremental net present value of that offer, or else of the best one; ``p_pays`` the probability that it is
        positive; ``p_return`` and ``p_return_without`` the probabilities to return within the window with that offer
        and without; ``expected_spend`` what it costs.
    offers : pandas.DataFrame
        The same for each customer who is eligible and each offer, indexed by both, and what it is made of:
        ``value_of_returns`` less ``redemption`` less ``contact_cost`` is ``mean``; ``subsidy`` is the part of the
        redemption that goes to those who would have come anyway; ``p_harms`` the probability that the offer lowers the
        return probability.
    totals : pandas.DataFrame
        Of all who are contacted: ``value``, ``spend``, ``returns`` with the plan, ``returns_without`` it and
        ``additional_returns``; mean and interval from joint draws, and ``mc_error``, the standard error that the mean
        has because there are only so many draws.
    timing : pandas.DataFrame or None
        If waits were asked for: the value of the best offer now and after each wait, as of today; the best of them; and
        what waiting for the shortest costs.
    p_pays : float
        Probability that the plan as a whole brings more than it costs.
    budget, hard_cap, hard_cap_probability
        What was allowed.
    p_within_cap : float
        Probability that realised spend is within the hard cap, or within the budget if there is none.
    shadow_price : float
        What one more unit of budget would bring, all costs paid; 0 if there is enough.
    optimality_gap : float
        How much more the best plan within the budget could bring, at most.
    hold_out : float
        Share of the eligible who were to be held out.
    prior_only : str
        Why effects are assumptions rather than measurements; empty if they were measured.
    window, horizon, interval, currency, seed
        As asked for.
    setting
        All that the plan was made from; :func:`evaluate_campaign` comes back to it.
    """

    table: pd.DataFrame
    offers: pd.DataFrame
    totals: pd.DataFrame
    timing: pd.DataFrame | None
    p_pays: float
    budget: float
    hard_cap: float | None
    hard_cap_probability: float
    p_within_cap: float
    shadow_price: float
    optimality_gap: float
    hold_out: float
    prior_only: str
    window: Duration
    horizon: Horizon
    interval: float
    currency: str
    seed: int
    setting: Setting = field(repr=False)

    def explain(self, customer_id: str | int) -> str:
        """Why the plan decides as it does on one customer, in plain words.

        Parameters
        ----------
        customer_id : str or int
            The customer.
        """
        if customer_id not in self.table.index:
            message = f"customer {customer_id!r} is not in this plan; expected one of the customers it was made for"
            raise RowError(message)
        decision = self.table.loc[customer_id].to_dict()
        if self.timing is not None and customer_id in self.timing.index:
            decision["best_wait_days"] = self.timing.loc[customer_id, "best_wait_days"]
        eligible = decision["decision"] != "not eligible"
        offers = self.offers.xs(customer_id, level="customer_id") if eligible else self.offers.iloc[:0]
        if not isinstance(decision["offer"], str):
            decision["offer"] = decision["intended_offer"]
        return explained(
            customer_id,
            decision,
            pd.DataFrame(offers),
            window=_words(self.window),
            currency=self.currency,
            shadow_price=self.shadow_price,
            interval=self.interval,
            prior_only=bool(self.prior_only),
        )

    def explanations(self, *, decision: str = "contact") -> pd.Series:
        """Explanations for all customers with this decision, indexed by customer_id.

        Parameters
        ----------
        decision : str
            "contact", "hold out", "wait", "leave alone" or "not eligible".
        """
        if decision not in DECISIONS:
            message = f"decision is one of {', '.join(map(repr, DECISIONS))}, got {decision!r}"
            raise SpecificationError(message)
        chosen = self.table.index[self.table["decision"] == decision]
        return pd.Series([self.explain(each) for each in chosen], index=chosen, name="explanation", dtype=object)

    def profit_by_budget(self, budgets: Sequence[float] | None = None) -> pd.DataFrame:
        """What the plan would bring with other budgets: mean and interval, from joint draws.

        Parameters
        ----------
        budgets : sequence of float, optional
            By default twelve, evenly spaced from 0 to what is spent if all offers that pay are made.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``budget``: columns mean, lower, upper, shadow_price, contacted.

        Raises
        ------
        SpecificationError
            If budgets are no amounts, or more than 40.
        """
        given = None if budgets is None else _checked_budgets(budgets)
        at = self.table.index.get_indexer(self._candidates)
        value, spend = self._candidate_arrays()
        steps = steps_of(value, spend, lots(self._candidates, self.seed, PRIORITY))
        spent = np.cumsum(steps.cost)
        if given is None:
            given = np.linspace(0, float(spent[-1]) if len(spent) else 0.0, 12).tolist()
        offer = np.full((len(given), len(at)), -1)
        price = np.zeros(len(given))
        for place, budget in enumerate(given):
            taken = int(np.searchsorted(spent, budget * (1 + 1e-12), side="right"))
            np.put(offer[place], steps.customer[:taken], steps.offer[:taken])
            price[place] = steps.price[taken] if taken < len(steps.price) else 0.0
        found = np.zeros((len(given), 3))
        if len(at):
            gains, index = self.setting.gains(at)
            numbers = np.zeros((len(given), len(gains), len(gains.offers)))
            for place in range(len(given)):
                who = np.flatnonzero(offer[place] >= 0)
                np.add.at(numbers[place], (index[who], offer[place][who]), 1.0)
            found = np.array([summary_of(totals.value, self.interval) for totals in gains.totals(numbers)])
        table = pd.DataFrame(found, columns=["mean", "lower", "upper"], index=pd.Index(given, name="budget"))
        return table.assign(shadow_price=price, contacted=(offer >= 0).sum(axis=1))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the plan to a file, whole or not at all; :func:`kundenwert.load` reads it back exactly.

        Weeks later, another process can evaluate the plan, and gets the same numbers. The file holds the ids of
        customers, their histories, and what the plan says of each, so keep it as you keep the log itself. Of the table
        of customers, it holds the columns that the plan made use of.

        Parameters
        ----------
        path : path
            Where to. A file that is there is replaced once the new one is complete.

        Raises
        ------
        FileWriteError
            If it cannot be written; then the old file is as it was.
        DataError
            If ids, or columns of the table of customers, are of a type that a file cannot hold.
        """
        from kundenwert.storage.keeping import save

        save(self, path)

    def to_csv(self, path: str | PathLike[str], *, escape: bool = True) -> None:
        """Write the table, one row a customer, to a CSV file.

        Spreadsheets run text that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and an id or a label may be
        anybody's text. Such text is written with an apostrophe before it, which spreadsheets take for "this is text".
        Numbers are written as they are. For a program, write with ``escape=False``; the page on files says how to take
        apostrophes off.

        Parameters
        ----------
        path : path
            Where to. A file that is there is replaced once the new one is complete.
        escape : bool
            Whether to make text harmless for spreadsheets. Without it, text is written as it is.

        Raises
        ------
        FileWriteError
            If it cannot be written; then the old file is as it was.
        """
        write_csv(self.table, path, escape=escape)

    def to_parquet(self, path: str | PathLike[str]) -> None:
        """Write the table, one row a customer, to a Parquet file.

        Parameters
        ----------
        path : path
            Where to.

        Raises
        ------
        MissingPackageError
            If PyArrow is not installed.
        FileWriteError
            If it cannot be written; then the old file is as it was.
        """
        if find_spec("pyarrow") is None:
            message = (
                "Parquet files are written with PyArrow, which is not installed: pip install 'kundenwert[pyarrow]'"
            )
            raise MissingPackageError(message)
        target, written = path_of(path), BytesIO()
        self.table.to_parquet(written, engine="pyarrow")
        write_whole(target, written.getvalue())

    @property
    def detectable(self) -> pd.DataFrame:
        """Which effect the evaluation of this campaign alone can show, and which one is expected.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``offer``, with a last row for all of them together, whose label is empty: ``contacted`` and
            ``held_out``, the numbers of customers who are compared; ``p_return_without``, the mean probability that
            they return by themselves; ``expected``, by how much the offer is expected to raise that of the contacted,
            on average; and ``detectable``, the smallest rise that is found significant at 5 % in 4 campaigns of 5 (the
            test of two shares, Fleiss, Levin & Paik 2003, chapter 4): inf if none is, for example without a hold-out.
        """
        labels, intended = [offer.label for offer in self.setting.offers], self.table["intended_offer"]
        rows = {label: Detectable.of(self.table[intended == label]) for label in labels} | {
            "": Detectable.of(self.table)
        }
        names = ["contacted", "held_out", "p_return_without", "expected", "detectable"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=names).rename_axis("offer")

    @property
    def _candidates(self) -> pd.Index:
        """Who may be contacted: eligible, and neither held out nor asked to wait."""
        return self.table.index[self.table["decision"].isin(["contact", "leave alone"])]

    def _candidate_arrays(self) -> tuple[Array, Array]:
        """Expected value and spend of candidates, shape (customers, offers)."""
        labels = [offer.label for offer in self.setting.offers]
        chosen = self.offers.loc[self.offers.index.get_level_values(0).isin(self._candidates)]
        value, spend = (
            chosen[name].unstack("offer").reindex(index=self._candidates, columns=labels)  # noqa: PD010 - a Series
            for name in ("mean", "expected_spend")
        )
        return value.fillna(-np.inf).to_numpy(), spend.fillna(0.0).to_numpy()

    def __repr__(self) -> str:
        return "\n".join([*self._sentences(), "", self.totals.to_string(float_format=lambda number: f"{number:,.2f}")])

    def _repr_html_(self) -> str:
        sentences = "<br>".join(escape(sentence) for sentence in self._sentences())
        return f"<p>{sentences}</p>\n{self.totals.to_html(float_format=lambda number: f'{number:,.2f}')}"

    def _sentences(self) -> list[str]:
        counts = self.table["decision"].value_counts()
        number = {name: int(counts.get(name, 0)) for name in DECISIONS}
        unit = f" {self.currency}" if self.currency else ""
        counts_in_words = (
            f"WinbackPlan for {len(self.table):,} customers: contact {number['contact']:,}, hold out "
            f"{number['hold out']:,}, wait with {number['wait']:,}, leave {number['leave alone']:,} alone, "
            f"{number['not eligible']:,} not eligible"
        )
        found = [
            counts_in_words,
            f"pays with probability {self.p_pays:.0%}; one more unit of budget brings {self.shadow_price:.3g}",
            f"no plan within the budget brings more than {self.optimality_gap:,.2f}{unit} beyond this one",
        ]
        if self.hard_cap is not None:
            found[1] = f"pays with probability {self.p_pays:.0%}"
            found[2] = f"costs {self.hard_cap:,.2f}{unit} or less with probability {self.p_within_cap:.0%}"
        if self.hold_out > 0 and (compared := Detectable.of(self.table)).contacted:
            found.append(compared.sentence())
        if self.prior_only:
            found.append(f"effects are assumptions, not measurements: {self.prior_only}")
        return found


def _checked_budgets(budgets: object) -> list[float]:
    """Return the budgets, of which there must be one at least, as numbers."""
    numeric = isinstance(budgets, (list, tuple, np.ndarray, pd.Series, pd.Index, range))
    given: list[Any] = list(budgets) if numeric else []  # type: ignore[call-overload]
    right = [(is_number(each) or each == math.inf) and each >= 0 for each in given]
    if not given or not all(right):
        wrong = budgets if not given else given[right.index(False)]
        message = f"budgets takes a list of amounts of money, each 0 or more; got {wrong!r}"
        raise SpecificationError(message)
    if len(given) > MOST_BUDGETS:
        message = f"{len(given)} budgets are too many at once; expected {MOST_BUDGETS} or fewer"
        raise SpecificationError(message)
    return [float(each) for each in given]


def _words(duration: Duration) -> str:
    """13 weeks, from weeks(13)."""
    name, _, number = repr(duration).rstrip(")").partition("(")
    return f"{number} {name if number != '1' else name.removesuffix('s')}"
