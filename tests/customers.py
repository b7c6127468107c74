"""Histories and posteriors for tests, made from plain numbers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

import kundenwert as kw

PURCHASE_MODELS = (kw.BGNBD, kw.MBGNBD)
TABLE_ERROR = 1e-9  # relative error of costly expectations at given parameters


def histories_of(
    x: Any, t_x: Any, T: Any, *, unit: Any = "day", mean_amount: Any = None, customer_id: Any = None
) -> Any:
    """Histories of customers with these frequencies, recencies and T, which broadcast against each other."""
    x, t_x, T = np.broadcast_arrays(np.atleast_1d(x), t_x, T)
    ids = np.arange(len(x)) if customer_id is None else customer_id
    frame = pd.DataFrame({"customer_id": ids, "frequency": x, "recency": t_x, "T": T})
    if mean_amount is not None:
        frame["monetary_value"] = mean_amount
    return kw.CustomerHistories.from_pandas(frame, unit=unit)


def with_draws(model: type[Any], *, unit="day", **parameters) -> Any:
    """Posterior of a purchase model with these draws."""
    draws = np.broadcast_arrays(*(np.atleast_1d(parameters[name]) for name in model().parameter_names))
    one = kw.fixed(model.Parameters(**dict.fromkeys(model().parameter_names, 1.0), unit=unit))
    return replace(one, values=one.model.named([np.array(value, dtype=np.float64)[None] for value in draws]))


def log_likelihood(posterior, histories):
    """Log-likelihood of customers under a posterior with a single draw."""
    tree = posterior.to_datatree(histories)
    return tree["log_likelihood"][type(posterior.model).__name__].to_numpy()[0, 0]
