"""How plans are kept: with all that they were made from, so that they can be evaluated by another process."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from kundenwert.economics.assumptions.terms import PerCustomer
from kundenwert.errors import SpecificationError
from kundenwert.histories.tables import customer_table
from kundenwert.scalars import check_count, check_seed
from kundenwert.storage.registry import Kind, explain_annotations, fields_of, register, register_kind
from kundenwert.winback.evaluation import CampaignEvaluation
from kundenwert.winback.offers import Offer
from kundenwert.winback.plan import DECISIONS, WinbackPlan
from kundenwert.winback.setting import Setting

if TYPE_CHECKING:
    from narwhals.stable.v2.typing import IntoDataFrame

__all__ = ["register_plans"]

NUMBERS: Final = ("mean", "lower", "upper", "p_pays", "p_return", "p_return_without", "expected_spend")
PROBABILITIES: Final = ("p_pays", "p_return", "p_return_without")


def register_plans() -> None:
    """Let plans and their evaluations be kept."""
    explain_annotations({"IntoDataFrame": pd.DataFrame})
    register(Offer, CampaignEvaluation)
    register_kind(Kind(cls=Setting, version=1, parts=_parts_of_setting, made_of=lambda content: Setting(**content)))
    register_kind(Kind(cls=WinbackPlan, version=1, parts=fields_of, made_of=_plan))


def _parts_of_setting(setting: Setting) -> dict[str, object]:
    """All of it, but of the table of customers only what is asked for: some columns, and customers of the plan."""
    asked = _columns_of((setting.spend, setting.economics, setting.offers))
    asked += [name for name in (setting.segment, *setting.covariates) if name is not None]
    table = None
    if setting.customers is not None and asked:
        table = _excerpt(setting.customers, setting.histories.customer_id, list(dict.fromkeys(asked)))
    return {**fields_of(setting), "customers": table}


def _columns_of(value: Any) -> list[str]:  # noqa: ANN401 - anything that assumptions are made of
    """Columns that values of customers are looked up in."""
    if isinstance(value, PerCustomer):
        return [value.column]
    if isinstance(value, tuple):
        return [name for each in value for name in _columns_of(each)]
    if is_dataclass(value):
        return [name for field in fields(value) for name in _columns_of(getattr(value, field.name))]
    return []


def _excerpt(customers: IntoDataFrame, customer_id: pd.Index, names: list[str]) -> pd.DataFrame:
    """These columns of the table, for these customers, as pandas has them."""
    table, ids = customer_table(customers, "customer_id", [name for name in names if name != "customer_id"])
    rows = ids.get_indexer(customer_id)
    rows = rows[rows >= 0]
    native = isinstance(customers, pd.DataFrame)
    columns: dict[str, Any] = {"customer_id": ids.take(rows)}
    for name in names:
        if name == "customer_id":
            continue
        column = customers[name] if native else _pandas_of(table.get_column(name))  # type: ignore[index]  # pandas
        columns[name] = column.iloc[rows].reset_index(drop=True)
    return pd.DataFrame(columns)


def _pandas_of(column: nw.Series[Any]) -> pd.Series:
    """A column of another library."""
    values, dtype = column.to_list(), column.dtype
    missing = any(value is None for value in values)
    if dtype == nw.Boolean:
        return pd.Series(values, dtype="boolean" if missing else "bool")
    if dtype.is_integer():
        return pd.Series(values, dtype="Int64" if missing else "int64")
    if dtype.is_numeric():
        return pd.Series([np.nan if value is None else float(value) for value in values], dtype="float64")
    return pd.Series(values, dtype=object)


def _plan(content: dict[str, Any]) -> WinbackPlan:
    plan = WinbackPlan(**content)
    check_count(plan.setting.draws, "draws")
    check_seed(plan.setting.seed)
    _check_tables(plan)
    for name in ("p_pays", "p_within_cap", "hard_cap_probability", "hold_out", "interval"):
        if not 0 <= getattr(plan, name) <= 1:
            message = f"{name} of the plan is {getattr(plan, name)!r}; expected a number between 0 and 1"
            raise SpecificationError(message)
    if not plan.budget >= 0 or (plan.hard_cap is not None and not plan.hard_cap >= 0):
        message = f"budget and hard cap of the plan are {plan.budget!r} and {plan.hard_cap!r}; expected amounts"
        raise SpecificationError(message)
    return plan


def _check_tables(plan: WinbackPlan) -> None:
    """Check that the tables are those of the customers and offers that the plan is about."""
    setting, table, offers = plan.setting, plan.table, plan.offers
    labels = {offer.label for offer in setting.offers}
    decided = table.get("decision")
    right: Any = (
        table.index.equals(setting.histories.customer_id)
        and isinstance(decided, pd.Series)
        and isinstance(decided.dtype, pd.CategoricalDtype)
        and tuple(decided.cat.categories) == DECISIONS
        and not decided.isna().any()
        and all(set(table[name].dropna()) <= labels for name in ("offer", "intended_offer"))
        and all(table[name].dtype == np.float64 for name in NUMBERS)
        and all(((table[name] >= 0) & (table[name] <= 1) | table[name].isna()).all() for name in PROBABILITIES)
    )
    if not right:
        message = "the table of the plan is not that of its customers; expected a decision and numbers for each of them"
        raise SpecificationError(message)
    about = offers.index
    right = (
        about.nlevels == 2
        and set(about.get_level_values(1)) <= labels
        and about.get_level_values(0).isin(table.index).all()
        and about.is_unique
        and all(dtype == np.float64 for dtype in offers.dtypes)
        and list(plan.totals.columns) == ["mean", "lower", "upper", "mc_error"]
        and (plan.timing is None or plan.timing.index.isin(table.index).all())
    )
    if not right:
        message = "the table of offers of the plan is not that of its customers; expected a row for each and its offers"
        raise SpecificationError(message)
