"""Run every benchmark, each measurement in a process of its own, and write RESULTS.md.

Standard library only, and small: a child's peak memory is never less than that of the process that started it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import report
from measure import processors

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent
WORK: Final = HERE / ".work"
UV: Final = ROOT / ".tools" / "bin" / "uv"
PROCESSORS: Final = 2

type Measurement = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How large a run is."""

    every: int  # one customer of CDNOW in so many
    draws: int  # of each of PyMC-Marketing's chains
    chains: int
    pareto_draws: int  # of each of two chains of PyMC-Marketing for Pareto/NBD, which are slow
    repeats: int  # of what takes a second or two
    processes: int  # for cold starts
    customers: tuple[int, ...]  # simulated, growing


FULL: Final = Scale(
    every=1,
    draws=1000,
    chains=4,
    pareto_draws=250,
    repeats=5,
    processes=7,
    customers=(10_000, 30_000, 100_000, 300_000, 1_000_000),
)
QUICK: Final = Scale(every=10, draws=100, chains=2, pareto_draws=20, repeats=1, processes=2, customers=(1_000, 3_000))

# days over which customers arrive, and from the first arrival to the end of observation
POPULATIONS: Final = {"12 weeks": (84, 273), "3 years": (1096, 1096)}


class Bench:
    """Runs scripts and keeps what they measured."""

    def __init__(self, scale: Scale, only: list[str]) -> None:
        self.scale = scale
        self.only = only
        self.measured: dict[str, Measurement] = {}

    def wants(self, case: str) -> bool:
        """Whether this case is to run."""
        return not self.only or case in self.only

    def measure(self, name: str, python: Path, script: str, *options: object) -> Measurement:
        """Run a script that writes a measurement; one that fails says so in the results."""
        out = WORK / f"{name}.json"
        out.unlink(missing_ok=True)
        print(f"{datetime.now(UTC):%H:%M:%S} {name}", flush=True)
        log = WORK / f"{name}.log"
        began = time.perf_counter()
        with log.open("w") as file:
            command = [python, HERE / script, "--out", out, *options]
            code = subprocess.run([str(part) for part in command], stdout=file, stderr=file, check=False).returncode  # noqa: S603
        process = time.perf_counter() - began
        if code:
            print("\n".join(log.read_text().splitlines()[-20:]), file=sys.stderr)
            self.measured[name] = {"failed": f"exit code {code}"}
        else:
            self.measured[name] = json.loads(out.read_text()) | {"process": process}
        return self.measured[name]


def peer(name: str, requirements: Path) -> Path:
    """Python of a peer's own environment, made if it is missing or out of date."""
    home = ROOT / f".venv-peer-{name}"
    python, done = home / "bin" / "python", home / ".done"
    if done.exists() and done.stat().st_mtime >= requirements.stat().st_mtime:
        return python
    if not UV.exists():
        sys.exit(f"{UV} is missing: `make bench` brings it")
    print(f"making the environment of {name}", flush=True)
    for arguments in (
        ["venv", "--clear", "--python", sys.executable, home],
        ["pip", "sync", "--python", home, "--require-hashes", "--compile-bytecode", requirements],
    ):
        subprocess.run([str(part) for part in (UV, *arguments, "--quiet")], check=True)  # noqa: S603
    done.touch()
    return python


def run_cdnow(bench: Bench) -> None:
    """Posterior, mode and expected purchases on the full CDNOW, against the peers."""
    ours, scale = Path(sys.executable), bench.scale
    lifetimes = peer("lifetimes", HERE / "peers" / "lifetimes.txt")
    marketing = peer("pymc-marketing", HERE / "peers" / "pymc-marketing.txt")
    log = next((lifetimes.parent.parent / "lib").glob("python*/site-packages/lifetimes/datasets/CDNOW_master.txt"))
    data = ("--log", log, "--every", scale.every)
    repeats = ("--repeats", scale.repeats)
    if bench.wants("mode"):
        bench.measure("mode_lifetimes", lifetimes, "lifetimes_mode.py", *data, *repeats)
        bench.measure("mode_kundenwert", ours, "kundenwert_mode.py", *data, *repeats)
    if bench.wants("posterior"):
        model = WORK / "pymc_marketing_model.nc"
        bench.measure("posterior_kundenwert", ours, "kundenwert_posterior.py", *data, *repeats)
        fitted = ("--model", model)
        size = ("--draws", scale.draws, "--chains", scale.chains)
        script = "pymc_marketing_posterior.py"
        theirs = bench.measure("posterior_pymc_marketing", marketing, script, *data, *size, *fitted)
        if "failed" not in theirs:
            theirs = bench.measure("purchases_pymc_marketing", marketing, "pymc_marketing_purchases.py", *fitted)
        compare = () if "failed" in theirs else ("--peer", f"{model}.npz")
        all_draws = ("--draws", scale.draws * scale.chains)
        bench.measure("purchases_kundenwert", ours, "kundenwert_purchases.py", *data, *repeats, *all_draws, *compare)
        if "failed" not in theirs:
            bench.measure("value_pymc_marketing", marketing, "pymc_marketing_value.py", *fitted)
        bench.measure("value_kundenwert", ours, "kundenwert_value.py", *data, *repeats, *all_draws)


def run_family(bench: Bench) -> None:
    """Every model on small published data, and PyMC-Marketing's NUTS for Pareto/NBD on the same histories."""
    marketing = peer("pymc-marketing", HERE / "peers" / "pymc-marketing.txt")
    histories = ("--histories", WORK / "cdnow_sample_histories.csv")
    bench.measure("family", Path(sys.executable), "kundenwert_family.py", *histories, "--repeats", bench.scale.repeats)
    size = ("--draws", bench.scale.pareto_draws, "--chains", 2)  # 1,000 draws of four chains would take twenty minutes
    bench.measure("pareto_pymc_marketing", marketing, "pymc_marketing_pareto.py", *histories, *size)


def run_growth(bench: Bench) -> None:
    """Simulated populations up to a million customers."""
    ours = Path(sys.executable)
    largest = bench.scale.customers[-1]
    for population, (acquired, observed) in POPULATIONS.items():
        for customers in bench.scale.customers:
            name = f"growth_{population.replace(' ', '_')}_{customers}"
            log = WORK / "simulated.npz"
            size = ("--customers", customers, "--acquired", acquired, "--observed", observed, "--log", log)
            bench.measure(f"{name}_log", ours, "simulate_log.py", *size)
            # tables are timed once, and so are the fits of the most customers
            repeats = ("--repeats", 0 if customers == largest else bench.scale.repeats // 2)
            options = ("--log", log, "--observed", observed, "--lifetime", *repeats)
            bench.measure(name, ours, "kundenwert_million.py", *options)
            log.unlink(missing_ok=True)


def run_worth(bench: Bench) -> None:
    """The parts of the net present value of the largest population, and realised values of a tenth of it."""
    ours, largest = Path(sys.executable), bench.scale.customers[-1]
    for name, customers, futures in (("worth_npv", largest, 0), ("worth_realised", largest // 10, 1000)):
        acquired, observed = POPULATIONS["12 weeks"]
        log = WORK / "simulated.npz"
        size = ("--customers", customers, "--acquired", acquired, "--observed", observed, "--log", log)
        bench.measure(f"{name}_log", ours, "simulate_log.py", *size)
        options = ("--log", log, "--observed", observed, "--futures", futures)
        bench.measure(name, ours, "kundenwert_worth.py", *options)
        log.unlink(missing_ok=True)


def run_winback(bench: Bench) -> None:
    """RevivalNBD fitted to a tenth of the largest population, and five offers to each of them planned."""
    bench.measure(
        "winback", Path(sys.executable), "kundenwert_winback.py", "--customers", bench.scale.customers[-1] // 10
    )


def run_cohorts(bench: Bench) -> None:
    """Cohorts of contracts by the default fit and by NUTS, and one price for everybody."""
    cohorts = 60 if bench.scale is FULL else 30
    bench.measure("cohorts", Path(sys.executable), "kundenwert_cohorts.py", "--cohorts", cohorts)


def run_cold_start(bench: Bench) -> None:
    """New processes: the import, and the quickstart."""
    ours = Path(sys.executable)
    processes = range(bench.scale.processes)
    imports = [bench.measure("import", ours, "import_only.py") for _ in processes]
    quickstarts = [bench.measure("quickstart", ours, "quickstart_no_plot.py") for _ in processes]
    for name, runs, time_of in (("import", imports, "seconds"), ("quickstart", quickstarts, "process")):
        times = [run[time_of] for run in runs if "failed" not in run]
        if times:
            bench.measured[name] = runs[-1] | {"first": times[0], "seconds": statistics.median(times)}


def machine() -> Measurement:
    """What the run ran on."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    git = shutil.which("git")
    commit = "unknown"
    if git:
        command = [git, "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
        commit = subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()  # noqa: S603
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": processor,
        "processors": processors(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        "system": f"{platform.system()} {platform.machine()}",
        "load": os.getloadavg()[0],
        "commit": commit,
    }


def main() -> None:
    """Run the cases, print the results and, after a full run, write them to RESULTS.md."""
    cases = ("posterior", "mode", "family", "worth", "winback", "cohorts", "growth", "cold-start")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a dry run of a few minutes, not written to RESULTS.md")
    parser.add_argument("--only", nargs="+", choices=cases, default=[], help="these cases only; not written either")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # Linux; the children inherit it
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])
    WORK.mkdir(exist_ok=True)
    (WORK / ".gitignore").write_text("*\n")
    bench = Bench(QUICK if options.quick else FULL, options.only)
    began = time.perf_counter()
    results = {"machine": machine(), "quick": options.quick, "measured": bench.measured}
    if bench.wants("cold-start"):
        run_cold_start(bench)
    if bench.wants("posterior") or bench.wants("mode"):
        run_cdnow(bench)
    if bench.wants("family"):
        run_family(bench)
    if bench.wants("worth"):
        run_worth(bench)
    if bench.wants("winback"):
        run_winback(bench)
    if bench.wants("cohorts"):
        run_cohorts(bench)
    if bench.wants("growth"):
        run_growth(bench)
    results["minutes"] = (time.perf_counter() - began) / 60
    (WORK / "results.json").write_text(json.dumps(results, indent=1))
    text = report.render(results)
    print(text)
    if not options.quick and not options.only:
        (HERE / "RESULTS.md").write_text(text)
    sys.exit(any("failed" in one for one in bench.measured.values()))


if __name__ == "__main__":
    main()
