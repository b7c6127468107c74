"""The posterior of BG/NBD by PyMC-Marketing's default fit, on all processors."""

from __future__ import annotations

import arviz as az
import cdnow
import numpy as np
from measure import arguments_with_cdnow, processors, save, timed
from pymc_marketing.clv import BetaGeoModel, rfm_summary

PARAMETERS = ["r", "alpha", "a", "b"]


def main() -> None:
    """Fit, and keep the fitted model for the predictions."""
    parser = arguments_with_cdnow(__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--model", required=True, help="where the fitted model goes")
    options = parser.parse_args()
    log = cdnow.read(options.log, options.every)
    histories = rfm_summary(log, "customer_id", "date", observation_period_end=cdnow.UNTIL, time_unit="D")
    histories[["recency", "T"]] /= 7
    model = BetaGeoModel()
    # by default it would use half of the logical processors
    size = {"draws": options.draws, "tune": options.draws, "chains": options.chains}
    cores = min(options.chains, processors())
    _, times = timed(lambda: model.fit(data=histories, cores=cores, random_seed=1, progressbar=False, **size))
    model.save(options.model)
    posterior = model.idata["posterior"]
    draws = {name: posterior[name].to_numpy() for name in PARAMETERS}
    np.savez(f"{options.model}.npz", **draws)
    table = az.summary(posterior, var_names=PARAMETERS, round_to="none")
    save(
        options.out,
        ["pymc-marketing", "pymc", "pytensor", "numba", "numpy", "scipy", "arviz"],
        times
        | {
            "customers": len(histories),
            "repeats": int(histories["frequency"].sum()),
            "draws": options.draws * options.chains,
            "ess": float(table["ess_bulk"].min()),
            "r_hat": float(table["r_hat"].max()),
            "mean": table["mean"].to_dict(),
            "sd": table["sd"].to_dict(),
        },
    )


if __name__ == "__main__":  # its chains run in processes of their own
    main()
