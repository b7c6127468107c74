"""Likelihoods written out once more, customer by customer, as they stand in the papers."""

from typing import Any

import numpy as np
from scipy.special import betaln, gammaln


def bgnbd(table, r, alpha, a, b):
    """Fader, Hardie & Lee (2005), eq. (6), with its factors multiplied out."""
    x, t_x, T = (table[name].to_numpy() for name in ("frequency", "recency", "T"))
    alive = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + T)
    repeated = x > 0
    gone = betaln(a + 1, b + np.where(repeated, x, 1) - 1) - betaln(a, b) - (r + x) * np.log(alpha + t_x)
    return gammaln(r + x) - gammaln(r) + r * np.log(alpha) + np.where(repeated, np.logaddexp(alive, gone), alive)


def mbgnbd(table, r, alpha, a, b):
    """Batislam, Denizel & Filiztekin (2007): a customer can leave after the first purchase already."""
    x, t_x, T = (table[name].to_numpy() for name in ("frequency", "recency", "T"))
    alive = betaln(a, b + x + 1) - betaln(a, b) - (r + x) * np.log(alpha + T)
    gone = betaln(a + 1, b + x) - betaln(a, b) - (r + x) * np.log(alpha + t_x)
    return gammaln(r + x) - gammaln(r) + r * np.log(alpha) + np.logaddexp(alive, gone)


def gamma_gamma(table, p, q, gamma):
    """Fader & Hardie (2013), eq. (1a); customers without a positive repeat amount do not enter."""
    table = table[(table["frequency"] > 0) & (table["monetary_value"] > 0)]
    x, z = table["frequency"].to_numpy(), table["monetary_value"].to_numpy()
    constant = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
    return constant + (p * x - 1) * np.log(z) + p * x * np.log(x) - (p * x + q) * np.log(gamma + x * z)


FORMULAS: dict[str, Any] = {"BGNBD": bgnbd, "MBGNBD": mbgnbd, "GammaGamma": gamma_gamma}
