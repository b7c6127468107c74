"""Files behind a digest that is right, which nobody should have written: refused before they can do harm."""

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest

import kundenwert as kw
from kundenwert.errors import FileFormatError
from tests.storage import files


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept.nc"


def refused(path, kind, change, words, *, parts=True):
    path.write_bytes(files.bytes_of(kind))
    (files.rewrite_parts if parts else files.rewrite)(path, change)
    with pytest.raises(FileFormatError, match=rf"kept\.nc(?s:.)*({words})"):
        kw.load(path)


def nested(depth):
    return b'{"format": "kundenwert", "content": ' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "directory, words",
    [
        (b"", "directory that cannot be read"),
        (b"[]", "directory without content"),
        (b"{}", "directory without content"),
        (b'{"format": "kundenwert"', "directory that cannot be read"),
        (b'{"format": "kundenwert", "content": NaN}', "NaN is no number"),
        (b'{"format": "kundenwert", "content": 1e999}', "holds inf where a number was expected"),
        (b'{"format": "kundenwert", "content": "\xff"}', "directory that cannot be read"),
        (nested(100), "more than 60 levels"),
        (nested(10**6), "directory that cannot be read"),
        (b'{"format": "kundenwert", "content": ' + b"9" * 10_000 + b"}", "directory that cannot be read"),
    ],
    ids=range(10),
)
def test_directories_that_are_none(path, directory, words):
    refused(path, "purchases", lambda _: directory, words, parts=False)


@pytest.mark.parametrize(
    "content",
    [None, 3, "text", [], {"type": "Path", "version": 1, "parts": {}, "dispensable": []}, {"type": 5}, {}],
    ids=range(7),
)
def test_what_is_nothing_that_can_be_kept(path, content):
    path.write_bytes(files.bytes_of("purchases"))
    files.rewrite(path, lambda directory: directory.update(content=content))
    with pytest.raises(FileFormatError, match=r"kept\.nc"):
        kw.load(path)


def test_a_part_of_something_is_not_loaded_for_the_whole(path):
    """An offer by itself is nothing that has a method save."""
    path.write_bytes(files.bytes_of("plan"))
    files.rewrite(path, lambda d: d.update(content=d["content"]["parts"]["setting"]["parts"]["offers"][0]))
    with pytest.raises(
        FileFormatError, match=r"holds Offer, a part of what can be saved; expected one of PurchasePosterior"
    ):
        kw.load(path)


def at(*names):
    """Walk into the directory."""

    def inside(parts) -> Any:
        for name in names:
            parts = parts[name]
        return parts

    return inside


def shared(parts):
    """Two arrays over the same bytes."""
    parts["recency"] = {**parts["T"]}


HISTORIES = [
    (lambda p: p["frequency"].update(dtype="<f8"), r"frequency is array\(.*(?s:.)*of a type"),
    (lambda p: p["customer_id"]["values"]["ends"].update(shape=[3]), "text|cannot be"),
    (lambda p: p["customer_id"]["values"].update(dtype="category"), "a type of column"),
    (lambda p: p["customer_id"]["values"].update(dtype="string[exec]"), "a type of column"),
    (lambda p: p["customer_id"].update(type="range", bounds=[0, 2**61, 1]), "entries for|cannot be"),
    (lambda p: p["customer_id"].update(type="range", bounds=[0, 10**30, 1]), "a range of ids"),
    (lambda p: p["customer_id"].update(type="range", bounds=[0, 5, 0]), "a range of ids"),
    (lambda p: p["customer_id"].update(names=[[1]]), "names of an index"),
    (lambda p: p.update(customer_id=None), "customer_id is None, of a type"),
    (lambda p: p.update(unit="opportunity"), "unit is 'opportunity', of a type"),
    (lambda p: p["steps"]["parts"].update(resolution="minute"), "resolution is 'minute', of a type"),
    (lambda p: p["steps"]["parts"]["first"].update(at=p["steps"]["parts"]["until"]["at"]), "cannot be|first"),
    (lambda p: p["gaps"]["parts"].update(values=p["gaps"]["parts"]["offsets"]), "cannot be|gaps"),
    (lambda p: p["audit"]["parts"].update(rows_read="many"), "rows_read is 'many', of a type"),
    (
        lambda p: p["audit"]["parts"].update(dropped={"type": "mapping", "version": 1, "keys": [1], "values": [2]}),
        "type",
    ),
    (lambda p: p["covariates"].update(values=[]), "a table was expected"),
    (lambda p: p["covariates"]["values"][1]["codes"].update(dtype="|u1"), "an array was expected|positions below"),
    (lambda p: p["covariates"]["values"][2]["array"].update(dtype="|b1", at=512), "truth values|an array was expected"),
    (shared, "an array was expected|cannot be"),
]


@pytest.mark.parametrize("change, words", HISTORIES, ids=range(len(HISTORIES)))
def test_histories_that_cannot_be(path, change, words):
    refused(path, "histories", change, words)


def test_numbers_that_no_customer_can_have(path):
    """Bytes are changed behind a digest that is right."""
    content = files.bytes_of("histories")
    parts = files.directory_of(content)["content"]["parts"]
    for node, value, words in (
        (parts["T"], np.nan, "both finite"),
        (parts["recency"], -1.0, "0 <= recency"),
        (parts["frequency"], -3, "expected one gap per repeat purchase"),
        (parts["spend"]["parts"]["total"], np.inf, "finite sum"),
        (parts["spend"]["parts"]["log_total"], np.nan, "log_total"),
        (parts["spend"]["parts"]["positive"], 10**6, "positive"),
        (parts["spend"]["parts"]["first_amount"], np.inf, "first_amount"),
        (parts["gaps"]["parts"]["values"], 0, "gaps"),
        (parts["gaps"]["parts"]["offsets"], -1, "gaps|offsets"),
        (parts["steps"]["parts"]["last"], 10**12, "steps"),
        (parts["steps"]["parts"]["until"], 0, "steps"),
    ):
        changed = bytearray(content)
        changed[node["at"] : node["at"] + 8] = np.array([value], dtype=node["dtype"]).tobytes()
        path.write_bytes(files.sealed(bytes(changed)))
        with pytest.raises(FileFormatError, match=rf"kept\.nc holds a CustomerHistories(?s:.)*({words})"):
            kw.load(path)


PLANS = [
    (lambda p: p.update(p_pays=1.5), "p_pays of the plan is 1.5"),
    (lambda p: p.update(p_pays="1"), "p_pays is '1', of a type"),
    (lambda p: p.update(budget=-1.0), "budget"),
    (lambda p: p.update(window=13), "window is 13, of a type"),
    (lambda p: p.update(table=p["totals"]), "table of the plan is not that of its customers"),
    (lambda p: p.update(offers=p["totals"]), "table of offers of the plan"),
    (lambda p: p.update(totals=p["timing"]), "table of offers of the plan"),
    (lambda p: p["setting"]["parts"]["offers"].reverse() or p["setting"]["parts"]["offers"].pop(), "table of"),
    (lambda p: p["setting"]["parts"].update(histories=None), "histories is None, of a type"),
    (lambda p: p["setting"]["parts"].update(draws=0), "draws"),
    (lambda p: p["setting"]["parts"].update(seed=-1), "seed"),
    (lambda p: p["table"]["columns"]["values"]["text"].update(at=600), "text|table|cannot be|cannot be read"),
    (lambda p: p["setting"]["parts"]["economics"]["parts"].update(margin=7.0), "margin is a share"),
    (lambda p: p["setting"]["parts"]["economics"]["parts"]["referral"]["parts"].update(generations=0), "generations"),
]


@pytest.mark.parametrize("change, words", PLANS, ids=range(len(PLANS)))
def test_plans_that_cannot_be(path, change, words):
    refused(path, "plan", change, words)


def test_memory_is_bounded_by_the_size_of_the_file(path):
    """A thousand blocks over the same bytes do not become a thousand arrays."""
    path.write_bytes(files.bytes_of("histories"))

    def change(parts):
        one = {**parts["T"]}
        parts["covariates"]["values"] = [{"type": "plain", "version": 1, "array": {**one}} for _ in range(1000)]

    files.rewrite_parts(path, change)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="an array was expected"):
        kw.load(path)
    assert tracemalloc.get_traced_memory()[1] < 20 * path.stat().st_size + 10**6
    tracemalloc.stop()


def test_nothing_of_a_file_is_run(path):
    """Names of classes are looked up among those that can be kept, and nowhere else."""
    for name in ("os.system", "Popen", "eval", "__import__", "object", "DataFrame", "Setting.__init__"):
        refused(path, "purchases", lambda parts, name=name: parts.update(model={"type": name, "version": 1}), name)


def test_the_directory_is_json_to_others(path):
    path.write_bytes(files.bytes_of("plan"))
    place, length = map(int, path.read_bytes()[:512].split(b"\ndirectory ")[1].split()[:2])
    directory = json.loads(path.read_bytes()[place : place + length])
    assert directory["format_version"] == 2
    assert at("content", "parts", "setting", "type")(directory) == "Setting"
