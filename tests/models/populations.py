"""Parameters at which every model has to keep the contract: published ones and hostile ones, by the model's name.

The first ones are those of every test run; the others are for `make test-slow`.
"""

from typing import Any

HEAVY = {"GGompNBD", "BGCNBD", "MBGCNBD"}  # models whose formulas take long
POPULATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "BGNBD": {
        "CDNOW": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "unit": "week"},
        "hardly anybody stays": {"r": 3.0, "alpha": 200.0, "a": 1.0, "b": 0.02, "unit": "day"},
        "few buy nearly all": {"r": 0.05, "alpha": 0.5, "a": 30.0, "b": 200.0, "unit": "day"},
        "loyal or gone": {"r": 20.0, "alpha": 0.1, "a": 0.05, "b": 0.02, "unit": "hour"},
        "all alike": {"r": 2000.0, "alpha": 9000.0, "a": 500.0, "b": 4500.0, "unit": "day"},
    },
    "MBGNBD": {
        "CDNOW": {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614, "unit": "week"},
        "hardly anybody stays": {"r": 3.0, "alpha": 200.0, "a": 1.0, "b": 0.02, "unit": "day"},
        "few buy nearly all": {"r": 0.05, "alpha": 0.5, "a": 30.0, "b": 200.0, "unit": "day"},
        "loyal or gone": {"r": 20.0, "alpha": 0.1, "a": 0.05, "b": 0.02, "unit": "hour"},
        "all alike": {"r": 2000.0, "alpha": 9000.0, "a": 500.0, "b": 4500.0, "unit": "day"},
    },
    "ParetoNBD": {
        "CDNOW": {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669, "unit": "week"},
        "gone at once or never": {"r": 3.0, "alpha": 200.0, "s": 0.05, "beta": 0.01, "unit": "day"},
        "often and for a short time": {"r": 20.0, "alpha": 0.1, "s": 3.0, "beta": 2.0, "unit": "hour"},
        "all alike": {"r": 2000.0, "alpha": 9000.0, "s": 500.0, "beta": 45000.0, "unit": "day"},
        "some hardly ever buy": {"r": 0.05, "alpha": 0.5, "s": 20.0, "beta": 5000.0, "unit": "day"},
    },
    "GGompNBD": {
        # Bemmaor & Glady (2012), table 2
        "CDNOW": {"r": 0.553, "alpha": 10.578, "b": 0.0002, "s": 0.603, "beta": 0.0026, "unit": "week"},
        "hardly anybody leaves early": {"r": 1.5, "alpha": 20.0, "b": 0.01, "s": 0.8, "beta": 30.0, "unit": "day"},
        "often, and all leave at one age": {
            "r": 20.0,
            "alpha": 0.1,
            "b": 0.5,
            "s": 30.0,
            "beta": 1e4,
            "unit": "hour",
        },
        "all leave at one age": {"r": 3.0, "alpha": 20.0, "b": 0.5, "s": 1.0, "beta": 5000.0, "unit": "day"},
    },
    "BGCNBD": {
        "CDNOW": {"k": 2, "r": 0.229, "alpha": 1.742, "a": 0.582, "b": 2.055, "unit": "week"},
        "like clockwork": {"k": 6, "r": 2.0, "alpha": 5.0, "a": 1.0, "b": 8.0, "unit": "day"},
        "few buy nearly all": {"k": 3, "r": 0.05, "alpha": 0.5, "a": 30.0, "b": 200.0, "unit": "day"},
    },
    "MBGCNBD": {
        "CDNOW": {"k": 2, "r": 0.52, "alpha": 2.56, "a": 0.75, "b": 1.41, "unit": "week"},
        "like clockwork": {"k": 6, "r": 2.0, "alpha": 5.0, "a": 1.0, "b": 8.0, "unit": "day"},
        "hardly anybody stays": {"k": 3, "r": 3.0, "alpha": 200.0, "a": 1.0, "b": 0.02, "unit": "day"},
    },
    "BGBB": {
        "donors": {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783},
        "hardly anybody stays": {"alpha": 0.05, "beta": 30.0, "gamma": 1.0, "delta": 0.02},
        "nearly always": {"alpha": 20.0, "beta": 0.5, "gamma": 0.1, "delta": 200.0},
    },
    "GammaGamma": {
        "CDNOW": {"p": 6.25, "q": 3.74, "gamma": 15.44},
        "no mean amount": {"p": 0.5, "q": 0.4, "gamma": 0.001},
        "nearly the same for all": {"p": 40.0, "q": 30.0, "gamma": 1e5},
    },
    "LogNormalSpend": {
        "a shop": {"mu": 3.0, "tau": 0.6, "sigma": 0.4},
        "customers alike": {"mu": -3.0, "tau": 0.05, "sigma": 0.9},
    },
    "ShiftedBetaGeometric": {
        "subscribers": {"gamma": 0.704, "delta": 1.182},
        "loyal or gone": {"gamma": 0.01, "delta": 0.02},
        "all alike": {"gamma": 300.0, "delta": 9000.0},
    },
    "BetaDiscreteWeibull": {
        "subscribers": {"gamma": 0.259, "delta": 1.722, "c": 1.584},
        "loyal or gone": {"gamma": 0.01, "delta": 0.02, "c": 0.3},
        "all alike": {"gamma": 300.0, "delta": 9000.0, "c": 2.5},
    },
}
