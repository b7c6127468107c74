"""The data that come with the package are those of the source."""

import subprocess
import sys

import pandas as pd

from kundenwert.datasets import cdnow, donations, subscription_cohorts


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


def test_subscription_cohorts_are_those_of_the_article():
    table = subscription_cohorts()
    wide = table.pivot_table(index="renewal", columns="cohort", values="survivors")
    assert wide.shape == (13, 2)
    assert wide.loc[[0, 7, 12]].to_numpy().tolist() == [[1000, 1000], [491, 241], [394, 173]]
    assert (wide.diff().dropna() < 0).all(axis=None)
    assert [dtype.kind for dtype in table.dtypes[1:]] == ["i", "i"]


def test_importing_the_datasets_loads_no_third_party_package():
    script = "import sys, kundenwert.datasets; assert not {'numpy', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603 -- our own script


def test_donations_have_the_published_size():
    # Fader, Hardie & Shang (2010): 11,104 donors, of whom 3,464 never gave again, and 13,260 donations in 2002-2006
    table = donations()
    assert table.shape == (22, 5)
    assert not table.duplicated(["frequency", "recency"]).any()
    assert (table["opportunities"] == 6).all()
    assert table["customers"].sum() == 11_104
    assert table.loc[table["frequency"] == 0, "customers"].tolist() == [3464]
    assert table["donations_later"].sum() == 13_260
    assert (table["donations_later"] <= 5 * table["customers"]).all()
