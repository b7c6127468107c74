"""The exception tree: everything that kundenwert raises on purpose.

::

    KundenwertError
    ├── DataError (ValueError)             the data handed in cannot be used as they are
    │   ├── ColumnError                    a column is missing, doubled or of the wrong type
    │   ├── RowError                       rows hold values that cannot be right; names the first one
    │   └── MissingInformationError        the histories lack something that the model needs
    ├── SpecificationError (ValueError)    an argument, prior or parameter is out of its range
    │   └── DurationError (TypeError)      a bare number stands where a Duration is needed
    ├── InfiniteValueError (ValueError)    the quantity asked for has no finite value
    ├── SizeError (MemoryError)            the result would not fit in memory
    ├── InferenceError (RuntimeError)      no posterior could be computed
    ├── ModelError (AssertionError)        a model lacks a property that posteriors rely on (kundenwert.testing)
    ├── MissingPackageError (ImportError)  an optional package is not installed
    ├── FileFormatError (ValueError)       a file is damaged, or was not saved by kundenwert
    ├── FileReadError (OSError)            the system does not let a file be read
    │   └── MissingFileError (FileNotFoundError)   there is no such file
    └── FileWriteError (OSError)           a file could not be written; the old one is as it was

Every message says what was got, what was expected and what to do.

Warnings have a tree as well::

    KundenwertWarning (UserWarning)
    ├── InferenceWarning                   a posterior was computed, but not as asked for, or not as precisely
    ├── ComparisonWarning                  a comparison hangs on a few customers
    ├── OrganicWarning                     the held-out of a campaign contradict the organic forecast
    ├── DependenceWarning                  customers who buy often spend more, or less
    └── LogWarning                         a log can be read, but looks wrong; its text stands in the audit as well
        ├── FutureDateWarning              it goes on after today
        ├── LonelyDateWarning              its first days stand alone, long before the rest
        ├── GuestIdWarning                 one id holds the purchases of many people
        ├── NegativeAmountsWarning         negative amounts do not look like refunds
        ├── LogBeginsLateWarning           customers were there before it begins
        ├── FirstPurchaseWarning           it lacks first purchases that were given
        └── DuplicateRowsWarning           it holds rows twice

Each can be silenced by itself: ``warnings.filterwarnings("ignore", category=kundenwert.errors.GuestIdWarning)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ColumnError",
    "ComparisonWarning",
    "DataError",
    "DependenceWarning",
    "DuplicateRowsWarning",
    "DurationError",
    "FileFormatError",
    "FileFormatWarning",
    "FileReadError",
    "FileWriteError",
    "FirstPurchaseWarning",
    "FutureDateWarning",
    "GuestIdWarning",
    "InferenceError",
    "InferenceWarning",
    "InfiniteValueError",
    "KundenwertError",
    "KundenwertWarning",
    "LogBeginsLateWarning",
    "LogWarning",
    "LonelyDateWarning",
    "MissingFileError",
    "MissingInformationError",
    "MissingPackageError",
    "ModelError",
    "NegativeAmountsWarning",
    "OrganicWarning",
    "RowError",
    "SizeError",
    "SpecificationError",
    "ZeroAmountWarning",
]


class KundenwertError(Exception):
    """Parent of every exception that kundenwert raises on purpose."""


class DataError(KundenwertError, ValueError):
    """The data handed in cannot be used as they are."""


@final
class ColumnError(DataError):
    """A column is missing, doubled or of the wrong type."""


@final
class RowError(DataError):
    """Rows hold values that cannot be right.

    Attributes
    ----------
    rows
        Which rows of the table are at fault, one truth value a row, if the others can do without them; else None.
    reason
        What is wrong with them, in a few words.
    """

    def __init__(self, message: str, *, rows: Sequence[bool] | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.rows = rows
        self.reason = reason


@final
class MissingInformationError(DataError):
    """The histories lack something that the model needs."""


class SpecificationError(KundenwertError, ValueError):
    """An argument, a prior or a parameter is out of its range."""


@final
class DurationError(SpecificationError, TypeError):
    """A bare number stands where a Duration is needed."""


@final
class InfiniteValueError(KundenwertError, ValueError):
    """The quantity asked for has no finite value."""


@final
class SizeError(KundenwertError, MemoryError):
    """The result would not fit in memory."""


@final
class InferenceError(KundenwertError, RuntimeError):
    """No posterior could be computed."""


@final
class ModelError(KundenwertError, AssertionError):
    """A model lacks a property that posteriors rely on; raised by :mod:`kundenwert.testing`."""


@final
class MissingPackageError(KundenwertError, ImportError):
    """An optional package is not installed."""


@final
class FileFormatError(KundenwertError, ValueError):
    """A file is damaged, was not saved by kundenwert, or comes from a newer version."""


class FileReadError(KundenwertError, OSError):
    """The system does not let a file be read."""


@final
class MissingFileError(FileReadError, FileNotFoundError):
    """There is no such file."""


@final
class FileWriteError(KundenwertError, OSError):
    """A file could not be written; the file that was there before is as it was."""


class KundenwertWarning(UserWarning):
    """Parent of every warning that kundenwert gives."""


@final
class InferenceWarning(KundenwertWarning):
    """A posterior was computed, but not in the way or to the precision that was asked for."""


@final
class OrganicWarning(KundenwertWarning):
    """The held-out of a campaign return far more, or less, often by themselves than the model of purchases foresees."""


@final
class ComparisonWarning(KundenwertWarning):
    """Models, or groups of customers, are compared, but that hangs on a few customers or a posterior may be off."""


@final
class DependenceWarning(KundenwertWarning):
    """Customers who buy often spend more per purchase, or less, so that values that take no notice are off."""


class LogWarning(KundenwertWarning):
    """A log can be read, but looks wrong; the audit of the histories tells it as well."""


@final
class FutureDateWarning(LogWarning):
    """The observation ends after today, so that silence is counted that nobody has seen yet."""


@final
class LonelyDateWarning(LogWarning):
    """The first days of a log stand alone, long before all others; or all of them are of January 1970."""


@final
class GuestIdWarning(LogWarning):
    """One id holds so many purchases that it seems to stand for many people."""


@final
class NegativeAmountsWarning(LogWarning):
    """Negative amounts do not look like refunds: they come before any purchase of the customer."""


@final
class LogBeginsLateWarning(LogWarning):
    """The log begins in the middle: many of its customers had bought before."""


@final
class LogEndsEarlyWarning(LogWarning):
    """The log ends long before `until`, and never had such a pause: it seems to be cut there."""


@final
class FirstPurchaseWarning(LogWarning):
    """First purchases that were given are not in the log, though it had begun by then."""


@final
class DuplicateRowsWarning(LogWarning):
    """Many rows are alike in id, time and amount, more than chance explains."""


@final
class FileFormatWarning(KundenwertWarning):
    """A file was loaded, but its format does not protect it, or holds more than this version knows."""


@final
class ZeroAmountWarning(KundenwertWarning):
    """A model of spend was fitted without amounts of zero, so that what it expects is more than a purchase brings."""
