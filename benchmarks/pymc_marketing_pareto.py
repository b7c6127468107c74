"""The posterior of Pareto/NBD by PyMC-Marketing's NUTS, on all processors."""

from __future__ import annotations

import arviz as az
import pandas as pd
from measure import arguments, processors, save, timed
from pymc_marketing.clv import ParetoNBDModel

PARAMETERS = ["r", "alpha", "s", "beta"]


def main() -> None:
    """Fit the histories that kundenwert wrote."""
    parser = arguments(__doc__)
    parser.add_argument("--histories", required=True, help="customer_id, frequency, recency, T in weeks")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=4)
    options = parser.parse_args()
    histories = pd.read_csv(options.histories)[["customer_id", "frequency", "recency", "T"]]
    model = ParetoNBDModel()
    size = {"draws": options.draws, "tune": options.draws, "chains": options.chains}
    cores = min(options.chains, processors())
    _, times = timed(
        lambda: model.fit(data=histories, method="mcmc", cores=cores, random_seed=1, progressbar=False, **size)
    )
    table = az.summary(model.idata["posterior"], var_names=PARAMETERS, round_to="none")
    save(
        options.out,
        ["pymc-marketing", "pymc", "pytensor", "numba", "numpy", "scipy", "arviz"],
        times
        | {
            "customers": len(histories),
            "draws": options.draws * options.chains,
            "ess": float(table["ess_bulk"].min()),
            "r_hat": float(table["r_hat"].max()),
            "mean": table["mean"].to_dict(),
            "sd": table["sd"].to_dict(),
        },
    )


if __name__ == "__main__":  # its chains run in processes of their own
    main()
