r"""The verdict on an implementation from outside: right, or the first thing that is wrong and what probably slipped.

`verdict(case, result)` compares arrays, `judge(function, cases)` calls a function first.  Whatever comes back, the outcome
is a `Verdict`, never an exception.  Causes are found by computing what each slip of `slips` would have answered:
a slip is named where it explains everything that was returned.
"""

from typing import NamedTuple, Optional

import numpy as np

from stllr_ref.oracle import answers
from stllr_ref.oracle.cases import expected
from stllr_ref.oracle.contract import PSIS, QUANTITIES, SEQUENCES, TOLERANCE, checked
from stllr_ref.oracle.slips import CAUSES, fire, learn, shift, slipped
from stllr_ref.surrogates import psi_of

UNKNOWN, SINGLE, ROUNDED = "cause not recognised", "computed in single precision?", "rounded to few digits?"
KEPT = "another answer to the same case, asked again: something is kept between calls (a trace or a potential that is not reset?)"
# What single precision costs, as a part of the largest entry: of potentials and traces (measured 3e-7 at most), of sums of products.
# Psi multiplies it by its slope (200 of fast_sigmoid), see `_blur`.
BLUR = 2e-6


class Verdict(NamedTuple):
    """Whether an answer is right and, if not, the first wrong quantity in causal order; str() says it in words."""

    accepted: bool
    cause: str = ""  # what slipped, or what is wrong with the answer as such; "" where accepted
    slips: tuple = ()  # names of CAUSES that `cause` speaks of
    quantity: Optional[str] = None  # the first wrong one, in the order of QUANTITIES
    step: Optional[int] = None  # its first wrong step; None for gradients
    index: Optional[tuple] = None  # its first wrong entry, within the step or within the gradient
    found: Optional[float] = None
    expected: Optional[float] = None
    error: Optional[float] = None  # max|found - expected| / max|expected|, of that quantity; the largest of all where accepted
    tolerance: Optional[float] = None
    checked: tuple = ()  # names that were compared
    missing: tuple = ()  # names that the case asks for and the answer lacks
    notes: tuple = ()  # remarks on the side
    single: tuple = ()  # names that were compared with the tolerance of single precision

    def __str__(self):
        """Return the verdict in a few lines."""
        if self.accepted:
            lines = [f"accepted: {', '.join(self.checked)} (largest error {self.error:.0e}, {tolerances(self.checked, self.single)})"]
        elif self.found is None:
            lines = [f"rejected: {self.cause}"]
        else:
            where = f"{self.quantity}{'' if self.step is None else f' at step {self.step}'}, index {list(self.index)}"
            right = self.checked[: self.checked.index(self.quantity)]
            limit = tolerances((self.quantity,), self.single)
            lines = [f"rejected: {where}: found {self.found:.6g}, expected {self.expected:.6g}"]
            lines += [f"  largest error of {self.quantity}: {self.error:.1e} of its largest entry ({limit})"]
            lines += [f"  correct before it: {', '.join(right)}"] if right else []
            lines += [f"  cause: {self.cause}"]
            lines += [f"    {f'{name}: ' * (len(self.slips) > 1)}{CAUSES[name]}" for name in self.slips]
        lines += [f"  not returned, so not checked: {', '.join(self.missing)}"] if self.missing else []
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


def tolerances(checked, single):
    """Return in words with which tolerance names were checked, where those in single had the loose one."""
    tight, loose = (f"{TOLERANCE[dtype]:.0e}".replace("e-0", "e-") for dtype in ("float64", "float32"))
    if not any(name in single for name in checked):
        return f"tolerance {tight}"
    if all(name in single for name in checked):
        return f"tolerance {loose}: single precision"
    return f"tolerance {tight}, of {', '.join(name for name in checked if name in single)} {loose}: single precision"


def judge(function, cases):
    """Return the verdict on function(case) -> answer for each of the cases, in order; each call gets a copy of its case.

    The first case is asked once more at the end: what an earlier call left behind shows in another answer, and is no longer right.
    """
    out, first = [], None
    for case in cases:
        first = first or case
        out.append(_asked(function, case))
    if out and out[0].accepted:
        again = _asked(function, first)
        if not again.accepted:
            out[0] = again._replace(cause=f"asked the same case again: {again.cause}" if again.found is None else KEPT, slips=())
    return out


def _asked(function, case):
    """Return the verdict on function(case)."""
    case = checked(case)
    _forget(case)
    result, raised = answers.call(function, case)
    return verdict(case, result) if raised is None else Verdict(False, raised)


def _forget(case):
    """Overwrite the memory that right answers may have been left in: np.empty must not hand them to a function that fills nothing."""
    shapes = [a.shape for a in expected(case).values()]  # the answers are let go here, or they would outlive what overwrites them
    stale = [np.full(shape, np.nan, dtype) for shape in shapes for dtype in (float, np.float32) for _ in range(16)]
    del stale


def verdict(case, result):
    """Judge an answer to a case.

    Parameters
    ----------
    case : dict
        As `stllr_ref.oracle.case` makes it.
    result : mapping of str to array
        Any of u, y, psi, tr_x, tr_psi, dW, dV, db, in the shapes of `stllr_ref.oracle.expected`; anything array-like (PyTorch
        and JAX arrays too), booleans and whole numbers included.  None counts as not returned, but for dW and dV (where the
        case has one): there it is a fault, no gradient was made.

    Returns
    -------
    Verdict
        Accepted where max|found - expected| <= tolerance max|expected| for every array returned: 1e-9, or 5e-4 where the
        case or the array is in single precision.

    Raises
    ------
    ValueError
        If the *case* is wrong (or its right answers overflow); a wrong answer never raises.

    Examples
    --------
    >>> from stllr_ref.oracle import case, expected
    >>> made = case()
    >>> answer = expected(made)
    >>> verdict(made, answer).accepted
    True
    >>> verdict(made, {"dW": answer["dW"] / 3}).cause
    'batch mean'
    """
    case = checked(case)
    single = case["x"].dtype == np.float32
    if single:
        expected(case)  # refused here if it overflows in single precision
    case = {name: value.astype(float) if isinstance(value, np.ndarray) else value for name, value in case.items()}
    right = expected(case)
    found, faults, notes = answers.read(result, case, right)
    if not right["dW"].any():
        notes += ("the right dW of this case is 0 everywhere: no fault of the learning half shows in it",)
    names = tuple(name for name in right if name in found)
    missing = tuple(name for name in right if name not in found and name not in faults) if found or faults else ()
    tolerance = {name: TOLERANCE["float32" if single or _short(found[name]) else "float64"] for name in names}
    with np.errstate(all="ignore"):  # what comes from outside may hold anything
        found = {name: found[name].astype(float) for name in names}
        wrong = [name for name in names if not _close(found[name], right[name], tolerance[name])]
        errors = {name: _error(found[name], right[name]) for name in names}
        first = next((name for name in QUANTITIES if name in wrong or name in faults), None)
        others = tuple(fault for name, fault in faults.items() if name != first)
        others += tuple(f"{name} holds NaN or infinity" for name in names if not np.isfinite(found[name]).all())
        loose = tuple(name for name in names if tolerance[name] == TOLERANCE["float32"])
        seen = {"checked": names, "missing": missing, "notes": notes + others, "single": loose}
        if "" in faults:
            return Verdict(False, faults[""], notes=notes)
        if first is None:
            worst = max(names, key=lambda name: errors[name] / tolerance[name])
            return Verdict(True, error=errors[worst], tolerance=tolerance[worst], **seen)
        if first in faults:
            return Verdict(False, faults[first], quantity=first, **seen)
        a, b, limit = found[first], right[first], tolerance[first]
        where = tuple(int(i) for i in np.argwhere(~(np.abs(a - b) <= limit * (np.abs(b).max() or 1.0)))[0])
        cause, slips = _cause(case, found, right, tolerance, first, bool(faults))
    step, index = (where[0], where[1:]) if first in SEQUENCES else (None, where)
    values = {"found": float(a[where]), "expected": float(b[where]), "error": errors[first], "tolerance": limit}
    return Verdict(False, cause, slips, first, step, index, **values, **seen)


def _short(array):
    """Return whether an array is of single precision or less."""
    return array.dtype.kind == "f" and array.dtype.itemsize <= 4


def _error(a, b):
    """Return max|a - b| / max|b|, max|a - b| where b is all 0."""
    return float(np.abs(a - b).max() / (np.abs(b).max() or 1.0))


def _close(a, b, tolerance):
    """Return whether a agrees with b; NaN never does."""
    return _error(a, b) <= tolerance


def _cause(case, found, right, tolerance, first, more):
    """Return the probable cause in words and the names of the slips in it; more: something else is wrong already."""
    if not np.isfinite(found[first]).all():
        return "NaN or infinity", ()
    besides, simulated = ", and something else besides" if more else "", [(None, right), *slipped(case)]
    ways = {
        "": lambda answer: _left(found, answer, tolerance),
        SINGLE: lambda answer: _left(found, answer, _blur(case, answer, tolerance)),
        ROUNDED: lambda answer: [name for name in _left(found, answer, tolerance) if not _rounded(found[name], answer[name])],
    }
    for way, left in ways.items():  # one number in single precision blurs a slip, too
        whole = list(dict.fromkeys(cause for cause, answer in simulated if not left(answer)))
        if None in whole:
            return way + besides, ()
        if whole:
            return " or ".join(whole) + f", and {way}" * bool(way) + besides, tuple(whole)
    moved = [(cause, answer) for cause, answer in simulated[1:] if not _close(answer[first], right[first], TOLERANCE["float64"])]
    parts = [(cause, left(answer)) for cause, answer in moved for left in ways.values()]
    parts = [(cause, left) for cause, left in parts if first not in left]
    if parts:
        left = min((left for _, left in parts), key=len)
        likely = dict.fromkeys(cause for cause, other in parts if len(other) == len(left))
        return f"likely {' or '.join(likely)}, and something else besides (it does not explain {', '.join(left)})", tuple(likely)
    hint = _setting(case, found, tolerance) or _hint(first, found[first], right[first])
    return UNKNOWN + (f" ({hint})" if hint else ""), ()


def _setting(case, found, tolerance):
    """Return in words which settings of the case, one at another value, would make everything right that was found, or ""."""
    others = [("psi", name) for name in PSIS if name != case["psi"]]
    others += [("lam_pre", case["gamma"]), ("lam_post", case["gamma"]), ("theta", 1.0)]
    changed = [(f"{name} were {value}", {**case, name: value}) for name, value in others]
    fits = [words for words, other in changed if not _left(found, learn(other, *fire(other, other["reset"])), tolerance)]
    return f"right if {' or if '.join(fits)}" if fits else ""


def _left(found, answer, limits):
    """Return the names of what was found and does not agree with an answer."""
    return [name for name in found if not _close(found[name], answer[name], limits[name])]


def _blur(case, answer, tolerance):
    """Return what may separate an answer from the same in single precision, name -> part of the largest entry."""
    v, Psi, psi = answer["u"] - case["theta"], psi_of(case["psi"]), answer["psi"]
    off = BLUR / 2 * np.abs(answer["u"]).max()
    steep = max(_error(Psi(v + off), Psi(v)), _error(Psi(v - off), Psi(v))) if psi.any() else 0.0
    blurred = {name: BLUR + (0.0 if name in ("u", "y", "tr_x") else 2 * steep) for name in answer}
    return {name: max(tolerance.get(name, 0.0), min(part, TOLERANCE["float32"])) for name, part in blurred.items()}


def _rounded(a, b):
    """Return whether a is b to some decimals or significant digits, two of its largest entry at least."""
    if _error(a, b) > 2e-3:
        return False
    size = 10.0 ** np.floor(np.log10(np.where(a, np.abs(a), 1.0)))
    for digits in range(1, 8):
        for unit in (10.0**-digits, size * 10.0 ** (1 - digits)):
            if (np.abs(a / unit - np.round(a / unit)) < 1e-5).all() and (np.abs(a - b) <= 0.501 * unit).all():
                return True
    return False


def _hint(name, a, b):
    """Return what is plain to see about a wrong array, or ""."""
    like = TOLERANCE["float32"]
    if not a.any():
        return f"{name} is 0 everywhere"
    if name in SEQUENCES and (_close(a, shift(b), like) or _close(a[:-1], b[1:], like)):
        return f"{name} is right but one step {'late' if _close(a, shift(b), like) else 'early'}"
    ratio = float((a * b).sum() / (b * b).sum()) if b.any() else 0.0
    return f"{name} is {ratio:.6g} times what is expected, everywhere" if ratio and _close(a, ratio * b, like) else ""
