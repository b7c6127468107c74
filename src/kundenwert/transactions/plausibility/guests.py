"""One id that stands for many people: guest orders, a till, a missing id written out.

What is looked at is the number of rows and the sum of the amounts per customer.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.histories.validation import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kundenwert.histories import LogColumns
    from kundenwert.transactions.occasions import Occasions
    from kundenwert.transactions.reading import LogRows

    type Mask = NDArray[np.bool_]

__all__ = ["guest_ids"]

NAMED_SHARE: Final = 0.01
SHARE: Final = 0.10
TIMES_THE_THIRD: Final = 10
TIMES_THE_MEAN: Final = 10
ENOUGH_CUSTOMERS: Final = 100
NAMES: Final = re.compile(
    "guests?|guest(checkout|order|user)|gast|gaste|gast(kunde|bestellung|konto)|invites?|invitad[oa]|ospite|gosc|"
    "convidado|visitante|visitor|besucher|gost|vieras|gjest|anon|anonymous|anonyme?|anonim[oa]?|anonimowy|anoniem|"
    "anonymisiert|anonymi[sz]ed|deleted|geloscht|redacted|unknown|unbekannt|inconnu|desconocido|desconhecido|"
    "sconosciuto|nieznany|onbekend|okand|ukendt|ukjent|tuntematon|none|null|nil|nan|na|nat|undefined|missing|empty|"
    "blank|keine?|ohne|aucun|ninguno|nessuno|geen|unregistered|notregistered|unassigned|notassigned|no(user|customer|"
    "account|login)|notloggedin|walkin(customer)?|lauf(kunde|kundschaft)|bar(verkauf|kunde)|kasse|cash(sale)?|pos|"
    "till|sammelkunde|diverse?|divers|various|sundry|default|dummy|test(er|user|kunde)?|customer|kunde|client|user|x+"
)  # in small letters, without accents, blanks and marks


def guest_ids(rows: LogRows, observed: Mask, occasions: Occasions, columns: LogColumns) -> str | None:
    """Tell of ids that seem to stand for many people.

    Those that say so ("guest", "nan", "", "unknown", in several languages) and hold a hundredth of the rows or of
    the value; numbers that often stand for nobody (0, -1, 99999) if they hold a hundredth of the rows and ten times
    the mean; and, of a hundred customers or more, any with a tenth of the rows and ten times as many as the third.
    """
    everybody = len(rows.customer_id)
    count = np.bincount(rows.customer if observed.all() else rows.customer[observed], minlength=everybody)
    total = int(count.sum())
    priced = occasions.amount is not None and occasions.amount.max(initial=0.0) > 0
    value = np.bincount(occasions.customer, weights=occasions.amount, minlength=everybody) if priced else count
    money = float(value.sum())
    mean = total / max(1, int(np.count_nonzero(count)))
    large = (count >= NAMED_SHARE * total) | (value >= NAMED_SHARE * money)
    named = [
        who
        for who in np.flatnonzero(large & (count > mean))
        if (kind := _stands_for_nobody(rows.customer_id[int(who)])) == "name"
        or (kind == "number" and count[who] >= max(NAMED_SHARE * total, TIMES_THE_MEAN * mean))
    ]
    found = np.unique([*named, *_outstanding(count)]).astype(np.int64)
    if len(found) == 0:
        return None
    found = found[np.argsort(-count[found], kind="stable")]
    most = int(found[0])
    of_value = f" and {value[most] / money:.1%} of the value" if priced else ""
    others = [shown(rows.customer_id, who) for who in found[1:4]]
    also = "" if not others else f"; {', '.join(others)}{' and more' if len(found) > 4 else ''} likewise"
    ids = ", ".join(shown(rows.customer_id, who) for who in found[:4])
    return (
        f"id {shown(rows.customer_id, most)} holds {count[most]:,} of {total:,} rows ({count[most] / total:.1%})"
        f"{of_value}, where a customer has {mean:.1f} rows on average{also}. It seems to stand for many people, such "
        "as guest orders, and would count as one customer who buys all the time: the model of all others bends towards "
        "it, and its own value means nothing. Give these rows ids of their own (such as a hash of the e-mail address), "
        f'or leave them out, in pandas log = log[~log["{columns.customer}"].isin([{ids}])]'
    )


def _outstanding(count: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(count) < ENOUGH_CUSTOMERS:
        return np.empty(0, dtype=np.int64)
    third = np.partition(count, -3)[-3]
    return np.flatnonzero((count >= SHARE * count.sum()) & (count >= TIMES_THE_THIRD * third))


def _stands_for_nobody(customer: object) -> str:
    """Return "name" for ids that tell it, "number" for numbers that are often used for it, "" for others."""
    text = str(customer).strip().casefold()
    if re.fullmatch(r"-?0*|0*\.0|-0*1|-?9{5,}", text):
        return "number" if text else "name"
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if sign.isalnum())
    return "name" if NAMES.fullmatch(plain) or not plain else ""
