"""Random logs, in the dresses that shops, databases and libraries give them, and what each row means."""

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from tests.reading.oracle import Asked, Row

UTC = dt.UTC
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC", "Pacific/Auckland", "America/Sao_Paulo")
TEXTS = (
    *("Ann", "ann", "Ann ", "", " ", "a\x00", "a", "a\x00b", "é", "e\u0301", "1", "01", "1.0", "nan", "None", "NaT"),
    *("ß", "ss", "\u200b", "客", "😀", "a,b", '"q"', "True", "\\N", "0", "x" * 300),
)
WHOLE = (0, 1, -1, 7, 2**53, 2**53 + 1, 2**53 + 2, -(2**53) - 1, 2**63 - 1, -(2**63))
UNSIGNED = (0, 1, 2**53 + 1, 2**63, 2**63 + 1, 2**64 - 1)
UNREADABLE = ("", "soon", "2024-13-01", "2024-02-30", "31.31.2024", "NaT", "0", "2024-01", "24-01-01", "None")
NO_AMOUNT = ("", "free", "1.2.3", "12,34,5", "nan", "--1", "1,23.4", "1.23,4", "0x10")


@dataclass
class Case:
    """A frame, the arguments of summarize, the rows that an oracle reads, and the errors that are deserved."""

    frame: object
    arguments: dict[str, Any]
    rows: list[Any]
    asked: Asked
    deserved: set[str] = field(default_factory=set)
    story: str = ""


@dataclass
class Dress:
    """Values of a column as they are written, which library types they may have, and what they mean."""

    given: list[Any]
    meaning: list[Any]
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)
    deserved: set[str] = field(default_factory=set)
    story: str = ""
    zone: str | None = None


def random_case(rng):
    rows = rng.choice((1, 2, 5, 12, 30))
    ids, times, amounts = _ids(rng, rows), _times(rng, rows), _amounts(rng, rows)
    library = rng.choice(("objects", "inferred", "arrow pandas", "polars", "pyarrow", "duckdb", "reader"))
    if times.kind == "objects" or ids.kind == "objects" or amounts.kind == "objects":
        library = "objects"
    if library == "duckdb" and times.kind == "aware" and "time_zone" not in times.arguments:
        library = "pyarrow"  # DuckDB keeps instants, and shows them in the zone of its session
    with_amounts = rng.random() < 0.8
    resolution = rng.choice(("day", "day", "hour", "week"))
    until = _until(rng, [moment for moment in times.meaning if moment is not None])
    asked = Asked(
        resolution=resolution,
        until=until[1],
        amounts=with_amounts,
        net_refunds=rng.random() < 0.4,
        drop=rng.random() < 0.6,
    )
    arguments = times.arguments | {
        "customer": "who",
        "time": "when",
        "amount": "paid" if with_amounts else None,
        "until": until[0],
        "unit": resolution,
        "resolution": resolution,
        "net_refunds": asked.net_refunds,
        "on_bad_rows": "drop" if asked.drop else "raise",
    }
    arguments |= amounts.arguments
    columns = {"who": ids, "when": times, "paid": amounts}
    order = list(columns)
    rng.shuffle(order)
    frame = _frame(library, {name: columns[name] for name in order})
    meanings = zip(ids.meaning, times.meaning, amounts.meaning, strict=True)
    deserved = ids.deserved | times.deserved | (amounts.deserved if with_amounts else set())
    if library == "inferred" and ids.kind in {"whole", "unsigned"} and None in ids.given:
        deserved |= {"ColumnError"}  # pandas makes floats of them, or objects that are floats in part
    story = f"{library}: {ids.story}, {times.story}, {amounts.story}"
    return Case(frame, arguments, [Row(*meaning) for meaning in meanings], asked, deserved, story)


def _ids(rng, rows):
    kind = rng.choice(("text", "text", "whole", "unsigned", "labels", "numbered labels", "objects", "mixed"))
    pool = {"text": TEXTS, "labels": TEXTS, "objects": TEXTS, "mixed": TEXTS, "unsigned": UNSIGNED}.get(kind, WHOLE)
    some = rng.sample(pool, k=min(len(pool), rng.choice((1, 2, 4, 6))))
    values = [rng.choice(some) for _ in range(rows)]
    gaps = rng.random() < 0.3
    meaning = [None if gaps and rng.random() < 0.2 else value for value in values]
    if kind == "mixed":
        late = rng.choice((1, True, 1.0, b"a", ("a",)))
        values = [*meaning[:-1], late]
        others = [value for value in meaning[:-1] if value is not None]
        deserved = {"ColumnError"} if others or not isinstance(late, int) or isinstance(late, bool) else set()
        return Dress(values, [*meaning[:-1], late], "objects", deserved=deserved, story=f"ids mixed with {late!r}")
    if kind == "objects":
        nothing = (None, float("nan"), pd.NA, pd.NaT)
        values = [rng.choice(nothing) if value is None else value for value in meaning]
        return Dress(values, meaning, "objects", story="ids as objects")
    return Dress(meaning, meaning, kind, story=f"ids {kind}{' with gaps' if gaps else ''}")


def _times(rng, rows):
    year = rng.choice((1969, 2024, 2024))
    around = rng.choice((dt.datetime(year, 3, 29), dt.datetime(year, 10, 25), dt.datetime(year, 12, 28)))  # noqa: DTZ001
    spread = rng.choice((5, 60, 24 * 14))
    moments = [around + dt.timedelta(minutes=rng.randrange(spread * 60)) for _ in range(rows)]
    gaps = rng.random() < 0.25
    known = [not (gaps and rng.random() < 0.2) for _ in range(rows)]
    dress = rng.choice((_dates, _datetimes, _aware, _iso, _offsets, _formatted, _numbers, _objects))
    made = dress(rng, moments, known)
    made.story += " with gaps" if gaps else ""
    return made


def _dates(rng, moments, known):
    days = [moment.date() if there else None for moment, there in zip(moments, known, strict=True)]
    meaning = [None if day is None else dt.datetime.combine(day, dt.time()) for day in days]
    return Dress(days, meaning, "dates", _zone(rng, often=False), story="dates")


def _datetimes(rng, moments, known):
    values = [moment if there else None for moment, there in zip(moments, known, strict=True)]
    return Dress(values, values, "datetimes", _zone(rng, often=False), story="datetimes")


def _aware(rng, moments, known):
    zone = rng.choice(ZONES)
    arguments = _zone(rng)
    values = [
        moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) if there else None
        for moment, there in zip(moments, known, strict=True)
    ]
    target = ZoneInfo(arguments.get("time_zone", zone))
    meaning = [None if value is None else _wall(value, target) for value in values]
    return Dress(values, meaning, "aware", arguments, story=f"times in {zone}", zone=zone)


def _iso(rng, moments, known):
    def written(moment):
        way = rng.randrange(8)
        day = f"{moment:%Y-%m-%d}"
        if way < 3:
            text = (day, f"{moment:%Y%m%d}", f"{moment.year}-{moment.month}-{moment.day}")[way]
            return text, dt.datetime.combine(moment.date(), dt.time())
        clock = (f"{moment:T%H:%M}", f"{moment: %H:%M:%S}", f"{moment:T%H:%M:%S}.123456789", f"{moment: %H:%M:%S},5")
        return f"{rng.choice(('', ' '))}{day}{clock[way - 4]}{rng.choice(('', ' '))}", moment

    return _text(rng, moments, known, written, {"parse_dates": True} | _zone(rng, often=False), "ISO text")


def _offsets(rng, moments, known):
    zone = rng.choice(ZONES)
    arguments = {"parse_dates": True} | _zone(rng)
    target = arguments.get("time_zone")
    offsets = set()

    def written(moment):
        instant = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        offset = f"{instant:%z}"
        if zone == "UTC":
            offset = rng.choice(("Z", " UTC", "+00:00", "+0000", " +00"))
        else:
            offset = rng.choice((offset, f" {offset}", f"{offset[:3]}:{offset[3:]}"))
        offsets.add(instant.utcoffset())
        return f"{instant:%Y-%m-%d %H:%M:%S}{offset}", _wall(instant, ZoneInfo(target) if target else instant.tzinfo)

    made = _text(rng, moments, known, written, arguments, f"text with offsets of {zone}")
    made.deserved |= {"ColumnError"} if len(offsets) > 1 and target is None else set()
    return made


def _formatted(rng, moments, known):
    way = rng.choice(("%d.%m.%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d %b %Y %H:%M:%S", "%Y%m%d%H%M", "%d.%m.%y"))
    exact = "%M" in way

    def written(moment):
        meant = moment.replace(second=0) if exact else dt.datetime.combine(moment.date(), dt.time())
        return moment.strftime(way), meant

    return _text(rng, moments, known, written, {"time_format": way} | _zone(rng, often=False), f"text as {way}")


def _numbers(_, moments, known):
    values = [int(f"{moment:%Y%m%d}") if there else None for moment, there in zip(moments, known, strict=True)]
    meaning = [
        dt.datetime.combine(moment.date(), dt.time()) if there else None
        for moment, there in zip(moments, known, strict=True)
    ]
    return Dress(values, meaning, "whole", {"time_format": "%Y%m%d"}, story="numbers such as 20240131")


def _objects(rng, moments, known):
    values: list[Any] = []
    meaning: list[Any] = []
    for moment, there in zip(moments, known, strict=True):
        way = rng.randrange(4)
        if not there:
            values.append(rng.choice((None, float("nan"), pd.NaT, pd.NA)))
            meaning.append(None)
        elif way == 0:
            values.append(moment.date())
            meaning.append(dt.datetime.combine(moment.date(), dt.time()))
        else:
            values.append((moment, pd.Timestamp(moment), np.datetime64(moment))[way - 1])
            meaning.append(moment)
    return Dress(values, meaning, "objects", story="dates and datetimes mixed")


def _text(rng, moments, known, written, arguments, story):
    bad = rng.random() < 0.25
    values: list[Any] = []
    meaning: list[Any] = []
    for moment, there in zip(moments, known, strict=True):
        text, meant = written(moment)
        if bad and rng.random() < 0.2:
            text, meant = rng.choice(UNREADABLE), None
        values.append(text if there else None)
        meaning.append(meant if there else None)
    return Dress(values, meaning, "text", arguments, story=story)


def _amounts(rng, rows):
    kind = rng.choice(("floats", "whole", "decimals", "text", "text", "objects"))
    cents = [rng.choice((0, 5, 99, 1234, 123456, 123456789, rng.randrange(10_000))) for _ in range(rows)]
    sign = [-1 if rng.random() < 0.2 else 1 for _ in range(rows)]
    exact = [Decimal(s * c) / 100 for s, c in zip(sign, cents, strict=True)]
    gaps = rng.random() < 0.2
    known = [not (gaps and rng.random() < 0.3) for _ in range(rows)]
    if kind == "text":
        return _written_amounts(rng, exact, known)
    values: list[Any]
    meaning: list[Any]
    if kind == "whole":
        exact = [Decimal(int(value)) for value in exact]
        values = [int(value) if there else None for value, there in zip(exact, known, strict=True)]
    elif kind == "decimals":
        values = [value if there else None for value, there in zip(exact, known, strict=True)]
    else:
        strange = (float("inf"), -float("inf"), 1e300, float("nan")) if gaps else ()
        values, meaning = [], []
        for value, there in zip(exact, known, strict=True):
            written = float(value) if there or not strange else rng.choice(strange)
            if kind == "objects" and there:
                written = rng.choice((written, value, np.float64(written)))
            values.append(written)
            meaning.append(value if there or not strange else written)
        return Dress(values, meaning, kind, story=f"amounts as {kind}")
    meaning = [value if there else None for value, there in zip(exact, known, strict=True)]
    return Dress(values, meaning, kind, story=f"amounts as {kind}")


def _written_amounts(rng, exact, known):
    mark = rng.choice((".", ","))
    group = rng.choice(("", "," if mark == "." else ".", " ", "'"))
    bad = rng.random() < 0.2
    values: list[Any] = []
    meaning: list[Any] = []
    for value, there in zip(exact, known, strict=True):
        text = f"{value:,.2f}".replace(",", "_").replace(".", mark).replace("_", group)
        if bad and rng.random() < 0.3:
            text, value = rng.choice(NO_AMOUNT), None  # noqa: PLW2901
        values.append(text if there else None)
        meaning.append(value if there else None)
    given = rng.random() < 0.85
    nothing = all(value is None for value in values)
    return Dress(
        values,
        meaning,
        "text",
        {"decimal": mark} if given else {},
        deserved=set() if given or nothing else {"ColumnError"},
        story=f"amounts as text with {mark!r} and {group!r}",
    )


def _zone(rng, *, often=True):
    return {"time_zone": rng.choice(ZONES)} if rng.random() < (0.5 if often else 0.2) else {}


def _wall(instant, zone):
    return instant.astimezone(zone).replace(tzinfo=None)


def _until(rng, moments):
    """Until as it is handed in, and what it means."""
    if not moments or rng.random() < 0.3:
        return None, None
    chosen = sorted(moments)[rng.randrange(len(moments))]
    day = chosen.date()
    return rng.choice(
        (
            (day, day),
            (day.isoformat(), day),
            (np.datetime64(day), day),
            (chosen, chosen),
            (pd.Timestamp(chosen), chosen),
            (np.datetime64(chosen), chosen),
            (pd.Period(day, "D"), day),
        )
    )


ARROW = {
    "text": pa.string(),
    "whole": pa.int64(),
    "unsigned": pa.uint64(),
    "dates": pa.date32(),
    "datetimes": pa.timestamp("us"),
    "floats": pa.float64(),
    "decimals": pa.decimal128(18, 2),
}


def _arrow(dress):
    if dress.kind == "aware":
        return pa.array(dress.given, pa.timestamp("us", dress.zone))
    if dress.kind == "labels":
        return pa.array(dress.given, pa.string()).dictionary_encode()
    if dress.kind == "numbered labels":
        return pa.array(dress.given, pa.int64()).dictionary_encode()
    return pa.array(dress.given, ARROW[dress.kind])


def _polars(name, dress):
    if dress.kind == "numbered labels":
        return pl.Series(name, dress.given, pl.Int64)
    if dress.kind == "labels":
        return pl.Series(name, dress.given, pl.String).cast(pl.Categorical)
    if dress.kind == "decimals":
        return pl.Series(name, dress.given, pl.Decimal(18, 2))
    return pl.Series(name, _arrow(dress))


def _pandas(dress, *, inferred):
    if dress.kind in {"labels", "numbered labels"}:
        return pd.Series(pd.Categorical(dress.given))
    if inferred:
        return pd.Series(dress.given, dtype="uint64" if dress.kind == "unsigned" and None not in dress.given else None)
    return pd.Series(dress.given, dtype=object)


def _frame(library, columns):
    if library in {"objects", "inferred"}:
        return pd.DataFrame({name: _pandas(dress, inferred=library == "inferred") for name, dress in columns.items()})
    if library == "polars":
        return pl.DataFrame([_polars(name, dress) for name, dress in columns.items()])
    table = pa.table({name: _arrow(dress) for name, dress in columns.items()})
    if library == "arrow pandas":
        return table.to_pandas(types_mapper=pd.ArrowDtype)
    if library == "duckdb":
        return duckdb.connect().from_arrow(table)
    return table.to_reader(max_chunksize=7) if library == "reader" else table
