"""A remedy that an error names is carried out to the letter."""

import re

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

END = r"(?=$|; correct them|; check the columns|, and then|, which makes|, in pandas)"


def mended(log, error):
    """The log after the line of code that the message names."""
    line = re.search(rf"log(?:\['\w+'\])? = .+?{END}", str(error))
    assert line, f"no line of code in: {error}"
    names = {"log": log.copy() if isinstance(log, pd.DataFrame) else log, "pd": pd, "pl": pl, "pa": pa, "pc": pc}
    exec(line[0], names)  # noqa: S102 -- that the line works is what is tested
    return names["log"]


def arguments_in(error):
    """The first argument of each name that the message asks for, such as time_format='%d.%m.%Y'."""
    found = re.findall(r"\b(parse_dates|time_format|time_zone|decimal)=('[^']*'|True)", str(error))
    return {name: value == "True" or value.strip("'") for name, value in reversed(found)}
