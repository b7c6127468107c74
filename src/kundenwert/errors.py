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
    └── FileFormatError (ValueError)       a saved posterior cannot be read

Every message says what was got, what was expected and what to do.

Warnings have a tree as well: ``KundenwertWarning`` (``UserWarning``) is the parent of all of them.
"""

from __future__ import annotations

from typing import final

__all__ = [
    "ColumnError",
    "ComparisonWarning",
    "DataError",
    "DependenceWarning",
    "DurationError",
    "FileFormatError",
    "InferenceError",
    "InferenceWarning",
    "InfiniteValueError",
    "KundenwertError",
    "KundenwertWarning",
    "MissingInformationError",
    "MissingPackageError",
    "ModelError",
    "RowError",
    "SizeError",
    "SpecificationError",
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
    """Rows hold values that cannot be right."""


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
    """A saved posterior cannot be read."""


class KundenwertWarning(UserWarning):
    """Parent of every warning that kundenwert gives."""


@final
class InferenceWarning(KundenwertWarning):
    """A posterior was computed, but not in the way or to the precision that was asked for."""


@final
class ComparisonWarning(KundenwertWarning):
    """Models, or groups of customers, were compared, but that hangs on a few customers or a posterior may be off."""


@final
class DependenceWarning(KundenwertWarning):
    """Customers who buy often spend more per purchase, or less, so that values that take no notice are off."""
