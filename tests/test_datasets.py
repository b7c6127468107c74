"""The data that come with the package are those of the source."""

import subprocess
import sys

import pandas as pd

from kundenwert.datasets import cdnow


def test_cdnow_has_the_published_size():
    log = cdnow()
    assert log.shape == (6919, 4)
    assert sorted(log["customer_id"].unique()) == list(range(1, 2358))
    assert (log["date"].min(), log["date"].max()) == (pd.Timestamp("1997-01-01"), pd.Timestamp("1998-06-30"))
    assert log["quantity"].sum() == 16_479
    assert round(log["amount"].sum(), 2) == 244_091.94


def test_cdnow_has_columns_of_the_right_types():
    assert [(name, dtype.kind) for name, dtype in cdnow().dtypes.items()] == [
        ("customer_id", "i"),
        ("date", "M"),
        ("quantity", "i"),
        ("amount", "f"),
    ]


def test_every_cohort_member_first_bought_in_the_first_quarter():
    assert cdnow().groupby("customer_id")["date"].min().max() == pd.Timestamp("1997-03-25")


def test_every_call_gives_a_frame_of_its_own():
    log = cdnow()
    log["amount"] = 0.0
    assert cdnow()["amount"].sum() > 0


def test_importing_the_datasets_loads_no_third_party_package():
    script = "import sys, kundenwert.datasets; assert not {'numpy', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 -- our own script
