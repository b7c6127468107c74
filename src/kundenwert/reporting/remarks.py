"""What the computation, the models and the reading of the log remark, in words for those who decide.

What those who fit the models have to do stands in the originals: ``posterior.diagnostics`` and ``histories.audit``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kundenwert.inference.diagnostics import (
    HIGHEST_PARETO_K,
    HIGHEST_R_HAT,
    SMALLEST_IMPORTANCE_ESS,
    SMALLEST_NUTS_ESS,
)
from kundenwert.language import mark
from kundenwert.posterior import SpendPosterior

if TYPE_CHECKING:
    from kundenwert.inference.diagnostics import Diagnostics
    from kundenwert.language import Language
    from kundenwert.posterior.base import Posterior
    from kundenwert.reporting.findings import Findings

__all__ = ["FINDINGS", "posteriors", "problems", "remarks"]

PURCHASES: Final = mark("When customers buy")
SPEND: Final = mark("How much they spend")
NOTES: Final = (
    (
        re.compile(r"([\d,]+) customers? whose repeat purchases add up to nothing"),
        mark("Customers whose repeat purchases cost nothing are not counted in what a purchase brings: {first}."),
    ),
    (
        re.compile(r"([\d,]+) of ([\d,]+) repeat purchases (?:\([^)]*\) )?cost nothing and do not enter"),
        mark(
            "Repeat purchases that cost nothing: {first} of {second}. They are left out of what a purchase brings, so "
            "that values are too high by as much."
        ),
    ),
    (
        re.compile(r"Without the gaps between purchases"),
        mark(
            "The dates of single purchases are not known here: who only pauses and who has gone rests mostly on what "
            "was assumed beforehand."
        ),
    ),
    (
        re.compile(r"Log-likelihood at the mode"),
        mark("The most probable values of the parameters were taken for certain, so that ranges have no width."),
    ),
)
FINDINGS: Final = {
    "FutureDateWarning": mark(
        "The observation ends after the day on which the log was read: silence is counted that nobody has seen yet."
    ),
    "LonelyDateWarning": mark(
        "The first days of the log stand alone, long before all others: look whether these dates are right."
    ),
    "GuestIdWarning": mark(
        "One customer number holds so many purchases that it seems to stand for many people, such as guests: the "
        "value of that customer is not one of a person."
    ),
    "NegativeAmountsWarning": mark(
        "Negative amounts do not look like refunds; they may be losses. If the amounts are profits and not revenue, "
        "values on this page are wrong."
    ),
    "LogBeginsLateWarning": mark(
        "The log begins in the middle: many of its customers had bought before. They look newer than they are, and new "
        "customers look better than they are."
    ),
    "LogEndsEarlyWarning": mark(
        "The log ends long before the day up to which customers are said to be observed. In the time after its end "
        "nobody seems to buy, so that comparisons with it are wrong."
    ),
    "FirstPurchaseWarning": mark(
        "First purchases that were given are missing from the log, though it had begun by then."
    ),
    "DuplicateRowsWarning": mark(
        "Many rows of the log are alike in customer, time and amount: an export may be in it twice, and amounts are "
        "then too high."
    ),
}
OTHER_FINDING: Final = mark(
    "Something looks wrong with the log; whoever made this page finds it in what was noted when the log was read."
)
OTHER_NOTE: Final = mark("There is a technical remark; whoever made this page finds it in the notes of the fit.")


def posteriors(found: Findings) -> dict[str, Posterior]:
    """Those that the page rests on, by what they are about."""
    say = found.language.say
    result: dict[str, Posterior] = {say(PURCHASES): found.asked.purchases}
    if isinstance(found.asked.spend, SpendPosterior):
        result[say(SPEND)] = found.asked.spend
    return result


def problems(found: Findings) -> tuple[str, ...]:
    """What is wrong with the posteriors, if anything is."""
    say = found.language.say
    return tuple(
        say(mark("{what}: {problem} Do not use this page before that is mended."), what=what, problem=problem)
        for what, posterior in posteriors(found).items()
        for problem in _problems(posterior.diagnostics, found.language)
    )


def _problems(known: Diagnostics, language: Language) -> list[str]:
    """As the diagnostics find them, in the language of the page."""
    say, found = language.say, []
    if known.pareto_k is not None and not known.pareto_k < HIGHEST_PARETO_K:
        text = mark("the result hangs on few points (Pareto k of the importance weights is {k}; below {most} is good).")
        found.append(say(text, k=language.decimal(known.pareto_k, 2), most=language.decimal(HIGHEST_PARETO_K, 1)))
    fewest = SMALLEST_IMPORTANCE_ESS if known.pareto_k is not None else SMALLEST_NUTS_ESS
    if known.ess is not None and known.ess < fewest:
        text = mark(
            "the result rests on too few independent draws (the effective sample size is {ess}; {least} or more is "
            "good)."
        )
        found.append(say(text, ess=language.decimal(known.ess, 0), least=language.decimal(fewest, 0)))
    if known.r_hat is not None and not known.r_hat < HIGHEST_R_HAT:
        text = mark("two runs of the computation disagree (r-hat is {r_hat}; below {most} is good).")
        found.append(say(text, r_hat=language.decimal(known.r_hat, 3), most=language.decimal(HIGHEST_R_HAT, 2)))
    if known.divergences:
        text = mark("the sampler failed at some steps ({number} divergences; 0 is good).")
        found.append(say(text, number=language.decimal(known.divergences, 0)))
    if not found and known.problems:
        found.append(say(mark("the computation reports a problem.")))
    return found


def remarks(found: Findings) -> tuple[str, ...]:
    """What was noticed when the log was read, and when the models were fitted."""
    say = found.language.say
    said = [say(FINDINGS.get(name, OTHER_FINDING)) for name in found.asked.histories.audit.findings]
    if found.heldout is not None and found.heldout.ends_early is not None:
        said.append(say(FINDINGS["LogEndsEarlyWarning"]))
    for posterior in posteriors(found).values():
        said += [_note(note, found.language) for note in posterior.diagnostics.notes]
    return tuple(dict.fromkeys(said))


def _note(note: str, language: Language) -> str:
    for pattern, text in NOTES:
        if matched := pattern.match(note):
            numbers = [language.decimal(int(number.replace(",", "")), 0) for number in matched.groups()]
            return language.say(text, **dict(zip(("first", "second"), numbers, strict=False)))
    return language.say(OTHER_NOTE)
