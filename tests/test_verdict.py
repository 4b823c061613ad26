"""The verdict: what is right is accepted, each slip is named, and no answer, however bad, ends in a stack trace."""

import itertools
import json
import sys
from collections import Counter

import numpy as np
import plain_stllr
import pytest

from stllr_ref import oracle
from stllr_ref.oracle import Verdict, judge, verdict
from stllr_ref.oracle.contract import LAYERS, POST_TRACES, PSIS, QUANTITIES, RESETS
from stllr_ref.oracle.judgement import KEPT, UNKNOWN
from stllr_ref.oracle.slips import CAUSES, slipped

GRADIENTS = ("dW", "dV", "db")
FOURTEEN = [
    "late pre trace", "post trace including now", "undecayed reset", "hard reset", "Psi after the reset", "Psi of the spike", "decays swapped", "sign",
    "undelayed recurrence", "other post-trace convention", "window ignored", "batch mean", "non-causal term gated by Psi", "bias with alpha",
]  # fmt: skip
EVERY = list(itertools.product(LAYERS, RESETS, PSIS, POST_TRACES))
# Slips are planted in every layer, reset and Psi, in alternating conventions; conv's loops are slow, so one Psi will do there.
SLIPPED = [
    (layer, reset, psi, POST_TRACES[(i + j) % 2])
    for layer in LAYERS for i, reset in enumerate(RESETS) for j, psi in enumerate(PSIS)
    if layer != "conv" or psi == "triangle"
]  # fmt: skip


@pytest.fixture(scope="module")
def cases():
    return {settings: oracle.case(*settings, steps=6, batch=2) for settings in EVERY}


@pytest.fixture(scope="module")
def dense():
    return oracle.case()


@pytest.fixture(scope="module")
def right(dense):
    return plain_stllr.answer(dense)


# --------------------------------------------------------------------------------------------------- what is right


@pytest.mark.parametrize("options", [dict(), dict(reverse=True), dict(dtype=np.float32)], ids=["float64", "other order", "float32"])
def test_plain_loops_are_accepted_on_every_case(options, cases):
    for settings, case in cases.items():
        outcome = verdict(case, plain_stllr.answer(case, **options))
        assert outcome.accepted and outcome.cause == "" and outcome.missing == (), (settings, str(outcome))
        assert outcome.checked == tuple(name for name in QUANTITIES if name != "dV" or settings[0] == "recurrent")
        assert outcome.tolerance == (5e-4 if options.get("dtype") else 1e-9)


def test_the_orders_of_summation_and_the_precisions_compared_do_differ(dense, right):
    for options in (dict(reverse=True), dict(dtype=np.float32)):
        other = plain_stllr.answer(dense, **options)
        assert not np.array_equal(other["u"], right["u"]) and not np.array_equal(other["dW"], right["dW"])


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_case_in_single_precision_accepts_both_precisions(layer, dtype):
    case = oracle.case(layer, dtype="float32")
    outcome = verdict(case, plain_stllr.answer(case, dtype=dtype))
    assert outcome.accepted and outcome.tolerance == 5e-4, str(outcome)


@pytest.mark.parametrize("settings", [dict(steps=40, batch=2), dict(batch=1), dict(last=1), dict(last=12), dict(steps=2), dict(seed=9)], ids=str)
def test_plain_loops_are_accepted_whatever_the_sizes(settings):
    case = oracle.case("recurrent", **settings)
    assert verdict(case, plain_stllr.answer(case)).accepted


def test_a_bias_of_ones_own_is_part_of_the_case():
    for layer in LAYERS:
        case = oracle.case(layer, steps=6, batch=2)
        case["b"] = np.random.default_rng(1).normal(0, 0.3, len(case["W"]))
        assert verdict(case, plain_stllr.answer(case)).accepted
        assert verdict(case, plain_stllr.answer({**case, "b": None})).quantity == "u"


@pytest.mark.parametrize("name", QUANTITIES)
def test_each_quantity_may_come_alone_and_the_rest_is_said_to_be_missing(name):
    case = oracle.case("recurrent", steps=6, batch=2)
    outcome = verdict(case, {name: plain_stllr.answer(case)[name]})
    assert outcome.accepted and outcome.checked == (name,) and outcome.missing == tuple(q for q in QUANTITIES if q != name)
    assert "not returned, so not checked: " in str(outcome)


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint64, np.float32, np.float16])
def test_spikes_may_be_of_any_real_type(kind, dense, right):
    assert verdict(dense, {"y": right["y"].astype(kind)}).accepted
    wrong = right["y"].astype(kind)
    wrong[3, 1, 2] = not wrong[3, 1, 2]
    outcome = verdict(dense, {"y": wrong})
    assert (outcome.accepted, outcome.quantity, outcome.step, outcome.index) == (False, "y", 3, (1, 2))


def test_lists_and_half_precision_and_db_of_a_channel_shape_are_taken():
    case = oracle.case("conv", steps=6, batch=2)
    answer = plain_stllr.answer(case)
    assert verdict(case, {name: value.tolist() for name, value in answer.items()}).accepted
    assert verdict(case, {"dW": answer["dW"].astype(np.float16)}).accepted
    assert verdict(case, {"db": answer["db"].reshape(-1, 1, 1)}).accepted


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-9), (np.float32, 5e-4)])
@pytest.mark.parametrize("name", ["u", "psi", "tr_x", "tr_psi", "dW", "db"])
def test_the_tolerance_is_a_part_of_the_largest_entry(name, dtype, tolerance, dense, right):
    for part, accepted in ((0.8, True), (1.2, False)):
        moved = right[name].copy()
        moved.flat[3] += part * tolerance * np.abs(moved).max()
        assert verdict(dense, {name: moved.astype(dtype)}).accepted == accepted


# ---------------------------------------------------------------------------------------------------- what slipped


def test_the_fourteen_slips_are_known_by_name():
    assert set(FOURTEEN) <= set(CAUSES) and set(FOURTEEN) <= set(plain_stllr.SLIPS.values())


@pytest.mark.parametrize("slip", [slip for slip, cause in plain_stllr.SLIPS.items() if cause])
def test_a_slip_is_named_wherever_it_can_show_also_from_one_gradient_alone(slip, cases):
    shown = 0
    for settings in SLIPPED:
        case = cases[settings]
        answer, cause = plain_stllr.answer(case, slip=slip), plain_stllr.cause_of(slip, case)
        outcome = verdict(case, answer)
        if not plain_stllr.can_show(slip, case):
            assert outcome.accepted, (settings, str(outcome))
            continue
        shown += 1
        assert not outcome.accepted and outcome.cause == cause and outcome.slips == (cause,), (settings, str(outcome))
        assert outcome.found != outcome.expected
        for name in GRADIENTS:
            if name in answer:
                alone = verdict(case, {name: answer[name]})
                assert alone.accepted or alone.cause == cause, (settings, name, str(alone))
                assert not alone.accepted or name not in moved(slip, case)
    assert shown >= 3


def moved(slip, case):
    """Return the gradients that a slip of the rule cannot leave as they are."""
    if plain_stllr.SLIPS[slip] in ("undelayed recurrence", "dV transposed") or slip.endswith("of V alone"):
        return ("dV",)
    if plain_stllr.SLIPS[slip] in ("late pre trace", "normalised pre trace", "filter flipped") or slip.endswith("dW alone"):
        return ("dW",)
    if slip.startswith("bias"):
        return ("db",)
    if slip.startswith("window a step"):  # in a single step, Psi may be 0 everywhere
        return ("dW", "dV")
    if plain_stllr.SLIPS[slip] in ("u after the reset", "tr_psi without now"):
        return ()
    if plain_stllr.SLIPS[slip] in ("post trace including now", "decays swapped", "other post-trace convention", "non-causal term gated by Psi", "no non-causal term", "alphas swapped", "non-causal term with tr_x for x") or slip.endswith("V alone"):
        return ("dW", "dV")
    return GRADIENTS


@pytest.mark.parametrize("slip", ["late pre trace", "undecayed reset", "hard reset", "Psi of the spike", "window ignored", "undelayed recurrence", "bias with alpha"])
@pytest.mark.parametrize("case_dtype, dtype", [("float64", np.float32), ("float32", np.float32), ("float32", np.float64)])
def test_a_slip_is_named_in_single_precision_too(slip, case_dtype, dtype):
    for psi in PSIS:
        case = oracle.case("recurrent", psi=psi, dtype=case_dtype)
        outcome = verdict(case, plain_stllr.answer(case, dtype=dtype, slip=slip))
        assert outcome.cause == slip, str(outcome)


PLANTED = ["no non-causal term", "alphas swapped", "non-causal term with tr_x for x", "normalised pre trace", "window a step short", "window a step long", "window a step early"]


@pytest.mark.parametrize("slip", PLANTED)
@pytest.mark.parametrize("case_dtype, dtype", [("float64", np.float32), ("float32", np.float32), ("float32", np.float64)])
def test_the_further_slips_are_named_in_single_precision_too(slip, case_dtype, dtype):
    for layer, psi in itertools.product(("dense", "recurrent"), PSIS):
        case = oracle.case(layer, psi=psi, dtype=case_dtype)
        outcome = verdict(case, plain_stllr.answer(case, dtype=dtype, slip=slip))
        assert plain_stllr.SLIPS[slip] in outcome.slips and (psi == "fast_sigmoid" or len(outcome.slips) == 1), str(outcome)


def test_a_term_gated_by_a_tiny_psi_and_no_term_are_told_apart_in_double_precision_and_both_named_in_single():
    both, names = 0, ("no non-causal term", "non-causal term gated by Psi")
    for case in (oracle.case("dense", reset, "fast_sigmoid", seed=seed) for reset in RESETS for seed in range(8)):
        told = {slip: plain_stllr.answer(case, slip=slip)["dW"] for slip in names}
        apart = np.abs(told[names[0]] - told[names[1]]).max() / max(np.abs(dW).max() for dW in told.values())
        for slip in names:
            assert verdict(case, {"dW": told[slip]}).slips == (slip,)
            outcome = verdict(case, {"dW": told[slip].astype(np.float32)})
            if apart < 4e-4:
                both += 1
                assert set(outcome.slips) == set(names) and " or " in outcome.cause, str(outcome)
            elif apart > 6e-4:
                assert outcome.slips == (slip,)
    assert both >= 2


def test_of_one_or_several_gradients_the_slip_that_explains_most_is_the_likely_one():
    case = oracle.case("recurrent")
    answer = plain_stllr.answer(case)
    outcome = verdict(case, {**answer, "dW": -answer["dW"], "dV": 2 * answer["dV"], "db": -answer["db"]})
    assert outcome.cause == "likely sign, and something else besides (it does not explain dV)"  # and not: dV, db
    outcome = verdict(case, {**answer, "dW": -answer["dW"], "dV": -answer["dV"], "db": 2 * answer["db"]})
    assert outcome.cause == "likely sign, and something else besides (it does not explain db)"


def test_late_of_v_alone_leaves_dw_right(dense):
    case = oracle.case("recurrent")
    outcome = verdict(case, plain_stllr.answer(case, slip="late pre trace of V alone"))
    assert (outcome.quantity, outcome.cause) == ("dV", "late pre trace")


@pytest.mark.parametrize("seed", range(5))
def test_names_do_not_hang_on_one_seed(seed):
    case = oracle.case("recurrent", seed=seed + 10)
    for slip in plain_stllr.SLIPS:
        if plain_stllr.can_show(slip, case) and plain_stllr.SLIPS[slip]:
            assert verdict(case, plain_stllr.answer(case, slip=slip)).cause == plain_stllr.cause_of(slip, case), slip


@pytest.mark.parametrize("slip", [slip for slip, cause in plain_stllr.SLIPS.items() if not cause])
def test_an_unlisted_slip_is_rejected_and_given_no_false_name(slip, cases):
    shown = 0
    for settings in SLIPPED:
        if plain_stllr.can_show(slip, cases[settings]):
            outcome = verdict(cases[settings], plain_stllr.answer(cases[settings], slip=slip))
            assert not outcome.accepted and outcome.cause.startswith(UNKNOWN) and outcome.slips == (), (settings, str(outcome))
            shown += 1
    assert shown >= 10


def test_a_wrong_leak_is_rejected_and_given_no_false_name(cases):
    for case in cases.values():
        outcome = verdict(case, plain_stllr.answer({**case, "gamma": case["gamma"] + 0.05}) if case["layer"] != "conv" else {"u": oracle.expected({**case, "gamma": case["gamma"] + 0.05})["u"]})
        assert (outcome.quantity, outcome.cause) == ("u", UNKNOWN)


def test_the_first_wrong_quantity_step_and_index_are_told_with_both_numbers(dense):
    answer = plain_stllr.answer(dense)
    expected = answer["psi"][4, 1, 3]
    answer["psi"][4, 1, 3] += 0.25
    answer["psi"][7] += 0.5
    answer["tr_psi"][0] += 1
    answer["u"][2, 0, 0] *= 1 + 1e-12
    outcome = verdict(dense, answer)
    assert (outcome.quantity, outcome.step, outcome.index, outcome.cause) == ("psi", 4, (1, 3), UNKNOWN)
    assert outcome.expected == pytest.approx(expected, rel=1e-12) and outcome.found == pytest.approx(expected + 0.25)
    assert outcome.error == pytest.approx(0.5 / np.abs(answer["psi"][:4]).max(), rel=0.2)
    told = str(outcome)
    assert told.startswith("rejected: psi at step 4, index [1, 3]: found ") and "correct before it: u, y\n" in told and UNKNOWN in told


def test_a_gradient_has_an_index_but_no_step(dense, right):
    wrong = right["dW"].copy()
    wrong[2, 5] += 1
    outcome = verdict(dense, {"dW": wrong})
    assert (outcome.quantity, outcome.step, outcome.index) == ("dW", None, (2, 5))
    assert str(outcome).startswith("rejected: dW, index [2, 5]: found ")


def test_the_slip_is_explained_in_words(dense):
    told = str(verdict(dense, plain_stllr.answer(dense, slip="batch mean")))
    assert f"cause: batch mean\n    {CAUSES['batch mean']}" in told


def test_one_slip_and_something_else_is_said_to_be_both(dense):
    answer = plain_stllr.answer(dense, slip="hard reset")
    outcome = verdict(dense, {**answer, "dW": 2 * answer["dW"]})
    assert (outcome.quantity, outcome.slips) == ("u", ("hard reset",))
    assert outcome.cause == "likely hard reset, and something else besides (it does not explain dW)"


def test_slips_that_the_answer_cannot_tell_apart_are_all_named():
    case = oracle.case("recurrent", "hard", "arctan", "paper", batch=1)
    outcome = verdict(case, {"y": plain_stllr.answer(case, slip="no reset")["y"]})
    assert not outcome.accepted and "no reset" in outcome.cause.split(" or ") and all(name in CAUSES for name in outcome.slips)


def test_single_precision_returned_as_double_is_told_and_not_accepted(cases):
    for case in cases.values():
        answer = {name: value.astype(np.float32).astype(float) for name, value in oracle.expected({**case, **{n: case[n].astype(np.float32) for n in ("x", "W", "delta")}}).items()}
        outcome = verdict(case, answer)
        assert not outcome.accepted and outcome.cause == "computed in single precision?", str(outcome)


def single(case, slip=None):
    """Return what plain loops give in single precision, as double."""
    return {name: value.astype(float) for name, value in plain_stllr.answer(case, dtype=np.float32, slip=slip).items()}


def test_what_plain_loops_in_single_precision_are_off_is_taken_for_it_whatever_psi(cases):
    for settings, case in cases.items():
        assert verdict(case, single(case)).cause == "computed in single precision?", settings


def spoilt(array, part):
    """Return an array with normal noise of which the largest is that part of its own largest entry."""
    noise = np.random.default_rng(0).normal(size=array.shape)
    return array + part * np.abs(array).max() * noise / np.abs(noise).max()


@pytest.mark.parametrize("slip", [None, "late pre trace", "batch mean", "hard reset"])
@pytest.mark.parametrize("psi", ["triangle", "sigmoid", "arctan"])
def test_an_error_that_single_precision_does_not_make_is_not_put_down_to_it(slip, psi):
    case = oracle.case("recurrent", psi=psi)
    answer = plain_stllr.answer(case, slip=slip)
    for part, claimed in ((1e-6, True), (1e-4, False)):
        outcome = verdict(case, {**answer, "dW": spoilt(answer["dW"], part)})
        assert ("computed in single precision?" in outcome.cause) == claimed, str(outcome)
        assert "rounded" not in outcome.cause


@pytest.mark.parametrize("slip, psi", [("late pre trace", "triangle"), ("no non-causal term", "arctan"), ("hard reset", "sigmoid")])
def test_a_slip_left_out_of_the_list_is_not_called_its_neighbour_in_single_precision(slip, psi, monkeypatch):
    """Stands for a slip that nobody simulated: an answer 1e-4 from that of a known one."""
    case = oracle.case("recurrent", psi=psi)
    answer = {name: value if name == "y" else spoilt(value, 1e-4) for name, value in plain_stllr.answer(case, slip=slip).items()}
    outcome = verdict(case, answer)
    assert not outcome.accepted and "single precision" not in outcome.cause and outcome.slips == ()


@pytest.mark.parametrize("write", [lambda a: np.round(a, 4), lambda a: np.vectorize(lambda v: float(f"{v:.5g}"))(a), lambda a: np.vectorize(lambda v: float(f"{v:.4e}"))(a)], ids=["4 decimals", "5 digits", "%.4e"])
@pytest.mark.parametrize("slip", [None, "late pre trace"])
def test_a_rounded_answer_is_said_to_be_rounded_or_nothing_false(write, slip):
    for psi in PSIS:
        case = oracle.case("recurrent", psi=psi)
        answer = {name: write(value) for name, value in plain_stllr.answer(case, slip=slip).items()}
        outcome = verdict(case, answer)
        assert not outcome.accepted and "single precision" not in outcome.cause and set(outcome.slips) <= {slip}
        if psi != "fast_sigmoid":  # whose entries are mostly smaller than the last decimal
            assert outcome.cause == ("rounded to few digits?" if slip is None else f"{slip}, and rounded to few digits?"), str(outcome)


def test_zeros_are_not_called_rounded(dense):
    tiny = {**dense, "delta": dense["delta"] * 1e-6}
    assert verdict(tiny, {"dW": np.zeros((5, 7))}).cause == f"{UNKNOWN} (dW is 0 everywhere)"


@pytest.mark.parametrize("slip", FOURTEEN)
def test_a_slip_computed_in_single_precision_and_returned_as_double_is_told_to_be_both(slip):
    """One number will do: in PyTorch a float times a boolean tensor is in single precision."""
    case = oracle.case("recurrent")
    answer = {name: value.astype(float) for name, value in plain_stllr.answer(case, dtype=np.float32, slip=slip).items()}
    outcome = verdict(case, answer)
    assert outcome.slips == (slip,) and outcome.cause == f"{slip}, and computed in single precision?"


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("post_trace", POST_TRACES)
def test_a_slip_stands_in_the_list_only_where_it_has_a_meaning(layer, post_trace):
    case = oracle.case(layer, post_trace=post_trace)
    causes = Counter(cause for cause, _ in slipped(case))
    assert causes["post trace including now"] == (2 if post_trace == "paper" else 1)  # with the factor lam_post, and without
    assert Counter(cause for cause, _ in slipped({**case, "lam_post": 0.0}))["post trace including now"] == 1
    assert (causes["filter flipped"] > 0, causes["dV transposed"] > 0) == (layer == "conv", layer == "recurrent")
    assert (causes["undelayed recurrence"] > 0) == (layer == "recurrent") and causes["soft reset"] == 0 < causes["hard reset"]


@pytest.mark.parametrize("name, change, hint", [
    ("psi", lambda a: 2 * a, "psi is 2 times what is expected, everywhere"),
    ("dW", lambda a: a / 7, "dW is 0.142857 times what is expected, everywhere"),
    ("u", lambda a: 0 * a, "u is 0 everywhere"),
    ("y", lambda a: np.concatenate([0 * a[:1], a[:-1]]), "y is right but one step late"),
    ("tr_x", lambda a: np.concatenate([a[1:], a[-1:]]), "tr_x is right but one step early"),
])  # fmt: skip
def test_what_is_plain_to_see_is_said_though_the_cause_is_not_known(name, change, hint, dense, right):
    assert verdict(dense, {name: change(right[name])}).cause == (f"{UNKNOWN} ({hint})")


SETTINGS = [("psi", "triangle"), ("psi", "sigmoid"), ("psi", "arctan"), ("lam_pre", "gamma"), ("lam_post", "gamma"), ("theta", 1.0)]


@pytest.mark.parametrize("names", [None, ("dW",)], ids=["all", "dW"])
@pytest.mark.parametrize("name, value", SETTINGS, ids=str)
def test_a_right_answer_to_another_setting_is_told(name, value, names):
    case = oracle.case(psi="fast_sigmoid")
    answer = plain_stllr.answer({**case, name: case.get(value, value)})
    outcome = verdict(case, {key: answer[key] for key in names or answer})
    assert (outcome.accepted, outcome.slips, outcome.cause) == (False, (), f"{UNKNOWN} (right if {name} were {case.get(value, value)})")


# ------------------------------------------------------------------------------------------------ bad, worse, worst


class Tensor:
    """A tensor as PyTorch's: it must be detached and fetched before NumPy may read it."""

    def __init__(self, array, ready=False):
        self.array, self.ready = array, ready

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.array, ready=True)

    def numpy(self):
        if not self.ready:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad")
        return self.array

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")


def test_a_tensor_is_detached_and_fetched(dense, right):
    assert verdict(dense, {name: Tensor(value) for name, value in right.items()}).accepted


class Bfloat16(Tensor):
    """A tensor of a type that NumPy lacks, as PyTorch's bfloat16."""

    def cpu(self):
        return self

    def numpy(self):
        raise TypeError("Got unsupported ScalarType BFloat16")

    def float(self):
        return Tensor(self.array.astype(np.float32), ready=True)


def test_a_tensor_of_a_type_that_numpy_lacks_is_read_in_single_precision(dense, right):
    outcome = verdict(dense, {"dW": Bfloat16(right["dW"])})
    assert outcome.accepted and outcome.single == ("dW",)
    assert not verdict(dense, {"dW": Bfloat16(-right["dW"])}).accepted


@pytest.mark.parametrize("layer, name", [("dense", "dW"), ("recurrent", "dW"), ("recurrent", "dV")])
def test_a_gradient_that_is_none_is_a_fault_and_other_names_may_be_none(layer, name):
    case = oracle.case(layer)
    answer = plain_stllr.answer(case)
    outcome = verdict(case, {**answer, name: None})
    assert (outcome.accepted, outcome.quantity) == (False, name)
    assert outcome.cause == f"{name}: got None (was backward() run, is the weight a leaf that asks for a gradient?)"
    assert verdict(case, {name: None}).quantity == name
    others = verdict(case, {**answer, "u": None, "db": None, "tr_psi": None})
    assert others.accepted and set(others.missing) == {"u", "db", "tr_psi"}


def test_dv_of_a_layer_without_v_may_be_none(dense, right):
    assert verdict(dense, {**right, "dV": None}).accepted


def test_an_array_saved_without_a_name_beside_named_ones_is_mentioned(dense, right):
    outcome = verdict(dense, {"u": right["u"], "arr_0": right["dW"]})
    assert outcome.accepted and outcome.notes == ("arr_0 was not judged: savez without a name: write savez(FILE, dW=...)",)


def test_the_tolerance_is_told_where_it_was_the_loose_one(dense, right):
    assert "tolerance 1e-9)" in str(verdict(dense, right)) and verdict(dense, right).single == ()
    half = verdict(dense, {**right, "u": right["u"].astype(np.float32)})
    assert half.accepted and half.single == ("u",) and "tolerance 1e-9, of u 5e-4: single precision)" in str(half)
    short = oracle.case(dtype="float32")
    assert "tolerance 5e-4: single precision)" in str(verdict(short, plain_stllr.answer(short)))
    assert "(tolerance 5e-4: single precision)" in str(verdict(dense, {"dW": -right["dW"].astype(np.float32)}))
    assert "(tolerance 1e-9)" in str(verdict(dense, {"dW": -right["dW"], "u": right["u"].astype(np.float32)}))


class Broken(dict):
    def __iter__(self):
        raise RuntimeError("broken\nin two lines")

    keys = __iter__


class Unprintable:
    def __str__(self):
        raise RuntimeError

    __repr__ = __str__

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError(self)


BAD = {
    "None": (lambda right: None, "the answer is nothing (None), expected a dict"),
    "list": (lambda right: [right["u"]], "the answer is a list, expected a dict"),
    "array": (lambda right: right["u"], "the answer is a ndarray, expected a dict"),
    "text": (lambda right: "dW", "the answer is a str, expected a dict"),
    "empty": (lambda right: {}, "the answer holds nothing, expected any of u, y, psi, tr_x, tr_psi, dW, db"),
    "only None": (lambda right: {"u": None, "db": None}, "the answer holds nothing, expected any of u"),
    "a gradient that was not made": (lambda right: {"u": right["u"], "dW": None}, "dW: got None (was backward() run, is the weight a leaf that asks for a gradient?)"),
    "savez without a name": (lambda right: {"arr_0": right["dW"]}, "the answer holds arr_0 alone, expected any of u, y, psi, tr_x, tr_psi, dW, db (savez without a name: write savez(FILE, dW=...))"),
    "flat": (lambda right: {"dW": right["dW"].ravel()}, "dW: got shape [35], expected [5, 7] = [N_out, N_in]; reshape it, last axis fastest"),
    "flat, one too many": (lambda right: {"dW": np.zeros(36)}, "dW: got shape [36], expected [5, 7] = [N_out, N_in]"),
    "unknown names": (lambda right: {"dw": right["dW"], "trace_x": 1}, "the answer holds dw, trace_x alone, expected any of u"),
    "other keys": (lambda right: {0: right["dW"], (1, 2): 3, Unprintable(): 4}, "the answer holds 0, (1, 2)"),
    "broken dict": (lambda right: Broken(u=1), "the answer cannot be read (RuntimeError: broken in two lines)"),
    "dV of a dense layer": (lambda right: {"dV": np.zeros((5, 5))}, "the answer holds dV alone"),
    "scalar": (lambda right: {"u": 1.0}, "u: got shape [], expected [12, 3, 5] = [T, B, N_out]"),
    "batch first": (lambda right: {"u": right["u"].swapaxes(0, 1)}, "u: got shape [3, 12, 5] = [B, T, N_out], expected [12, 3, 5] = [T, B, N_out]; time comes first"),
    "transposed": (lambda right: {"dW": right["dW"].T}, "dW: got shape [7, 5] = [N_in, N_out], expected [5, 7] = [N_out, N_in]; swap the axes"),
    "one step": (lambda right: {"u": right["u"][-1]}, "u: got shape [3, 5], expected [12, 3, 5]"),
    "window alone": (lambda right: {"psi": right["psi"][-5:]}, "psi: got shape [5, 3, 5], expected [12, 3, 5]"),
    "bias a sample": (lambda right: {"db": np.zeros((3, 5))}, "db: got shape [3, 5], expected [5] = [N_out]"),
    "no entries": (lambda right: {"u": []}, "u: got shape [0]"),
    "words": (lambda right: {"u": "high"}, "u: got text, expected real numbers"),
    "objects": (lambda right: {"u": [object()]}, "u: got Python objects, expected real numbers"),
    "complex": (lambda right: {"u": right["u"] + 0j}, "u: got complex numbers, expected real numbers"),
    "dates": (lambda right: {"u": np.zeros((12, 3, 5), "M8[s]")}, "u: got dtype datetime64[s], expected real numbers"),
    "ragged": (lambda right: {"u": [[1, 2], [3]]}, "u: got rows of unequal length"),
    "a dict in it": (lambda right: {"u": {"step 0": 1}}, "u: got Python objects"),
    "unreadable": (lambda right: {"u": Unprintable()}, "u: got something that is no array (RuntimeError: (a RuntimeError that cannot be printed))"),
    "a function": (lambda right: {"u": lambda: 1}, "u: got Python objects"),
}


@pytest.mark.parametrize("make, words", BAD.values(), ids=BAD)
def test_a_bad_answer_gets_a_verdict_in_one_line(make, words, dense, right):
    for outcome in (verdict(dense, make(right)), *judge(lambda case: make(right), [dense])):
        assert not outcome.accepted and words in outcome.cause and "\n" not in outcome.cause
        assert str(outcome).splitlines()[0] == f"rejected: {outcome.cause}"


@pytest.mark.parametrize("names, hint", [("dw", "did you mean dW?"), ("trpsi", "did you mean tr_psi?"), ("Y", "did you mean y?"), ("db_grad", "did you mean db?"), ("loss", "no quantity of that name")])
def test_unknown_names_are_mentioned_with_the_near_one(names, hint, dense, right):
    outcome = verdict(dense, {"u": right["u"], names: right["u"]})
    assert outcome.accepted and len(outcome.notes) == 1 and hint in outcome.notes[0] and f"note: {names} was not judged" in str(outcome)


def test_what_stood_in_the_case_is_no_unknown_name(dense, right):
    for psi in ("triangle", np.array("triangle")):  # psi is the name of a function in a case, an array in an answer
        outcome = verdict(dense, {**dense, "psi": psi, "meta": "", "expected_u": right["u"], "u": right["u"]})
        assert (outcome.accepted, outcome.checked, outcome.notes) == (True, ("u",), ())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nan_and_infinity_are_wrong_and_told(value, dtype, dense, right):
    bad = right["u"].astype(dtype)
    bad[5, 2, 1] = value
    outcome = verdict(dense, {**right, "u": bad})
    assert (outcome.quantity, outcome.step, outcome.index, outcome.cause) == ("u", 5, (2, 1), "NaN or infinity")
    assert np.isnan(outcome.found) == np.isnan(value) and "note: u holds NaN or infinity" in str(outcome)


def test_numbers_beyond_any_scale_are_wrong_without_a_warning(dense, right):
    assert not verdict(dense, {"u": np.full_like(right["u"], 1e308) * np.sign(right["u"])}).accepted
    assert not verdict(dense, {"u": np.full(right["u"].shape, -1.7e308)}).accepted


def test_nan_later_in_causal_order_does_not_hide_the_slip(dense):
    answer = plain_stllr.answer(dense, slip="hard reset")
    answer["dW"][0, 0] = np.nan
    outcome = verdict(dense, answer)
    assert (outcome.quantity, outcome.slips) == ("u", ("hard reset",)) and "dW holds NaN or infinity" in outcome.notes


def test_a_wrong_shape_later_in_causal_order_is_told_beside_the_slip(dense):
    answer = plain_stllr.answer(dense, slip="hard reset")
    outcome = verdict(dense, {**answer, "dW": answer["dW"].T})
    assert outcome.quantity == "u" and outcome.cause == "hard reset, and something else besides"
    assert any(note.startswith("dW: got shape [7, 5] = [N_in, N_out]") for note in outcome.notes)


def test_a_wrong_shape_earlier_in_causal_order_comes_first(dense, right):
    outcome = verdict(dense, {"u": right["u"].swapaxes(0, 1), "dW": -right["dW"]})
    assert outcome.quantity == "u" and "time comes first" in outcome.cause
    both = verdict(dense, {"u": right["u"].swapaxes(0, 1), "dW": right["dW"].T})
    assert both.quantity == "u" and len(both.notes) == 1 and both.notes[0].startswith("dW: got shape")


# ------------------------------------------------------------------------------------------------------- functions


def divides_by_zero(case):
    return {"u": case["x"] / (1 // 0)}


def helper(case):
    return np.linalg.inv(np.zeros((2, 3)))  # raises below NumPy's own lines


def stdlib(case):
    return json.loads("no JSON")  # raises in the standard library


def ours(case):
    return oracle.expected({})  # raises in stllr_ref


def nested(case):
    return {"u": fails_below(case)}


def fails_below(case):
    return case["nothing"]


def exits(case):
    raise SystemExit("bye")


def recurses(case):
    return recurses(case)


def long_story(case):
    raise KeyError("first line\nsecond line " + "x" * 1000)


@pytest.mark.parametrize("function, words", [
    (divides_by_zero, ["ZeroDivisionError: integer", "test_verdict.py:", 'return {"u": case["x"] / (1 // 0)}']),
    (helper, ["LinAlgError", "test_verdict.py:", "np.linalg.inv"]),
    (stdlib, ["JSONDecodeError", 'return json.loads("no JSON")']),
    (ours, ["ValueError: layer: got none", "return oracle.expected({})"]),
    (nested, ["KeyError: 'nothing'", f"test_verdict.py:{fails_below.__code__.co_firstlineno + 1}: ", 'return case["nothing"])']),
    (exits, ["SystemExit: bye", "raise SystemExit"]),
    (recurses, ["RecursionError", "return recurses(case)"]),
    (long_story, ["KeyError", "first line", "...", "raise KeyError"]),
    (lambda: {}, ["TypeError", "takes 0 positional arguments but 1 was given"]),
])  # fmt: skip
def test_a_function_that_raises_gets_a_verdict_with_its_own_last_line(function, words, dense):
    (outcome,) = judge(function, [dense])
    assert isinstance(outcome, Verdict) and not outcome.accepted
    assert outcome.cause.startswith("the function raised ") and "\n" not in outcome.cause and len(outcome.cause) < 500
    assert all(word in outcome.cause for word in words), outcome.cause


class Panic(BaseException):
    """As some bindings of other languages raise."""


@pytest.mark.parametrize("raises, words", [(lambda: pytest.fail("not today"), "not today"), (lambda: (_ for _ in ()).throw(Panic("lost")), "Panic: lost"), (lambda: (_ for _ in ()).throw(GeneratorExit()), "GeneratorExit")], ids=["pytest.fail", "own", "GeneratorExit"])
def test_what_is_no_exception_in_python_s_sense_gets_a_verdict_too(raises, words, dense):
    def function(case):
        raises()

    (outcome,) = judge(function, [dense])
    assert not outcome.accepted and outcome.cause.startswith("the function raised ") and words in outcome.cause


def test_a_module_that_the_function_misses_is_told_with_the_python_that_misses_it(dense):
    def function(case):
        import not_installed  # noqa: F401

    (outcome,) = judge(function, [dense])
    assert outcome.cause.endswith(f"; no not_installed in the Python that runs this: {sys.executable}")


def unfilled(shape, dtype=float):
    """Return arrays whose memory was handed out and never written; several, as it is the freed ones that count."""
    return [np.empty(shape, dtype) for _ in range(12)]


def returns(name, make):
    """Return a function that answers one quantity with arrays that were never filled, from its own case alone."""
    def function(case):
        conv = case["layer"] == "conv"
        shape = {"dW": case["W"].shape, "db": case["W"].shape[:1], "u": case["delta"].shape, "y": case["delta"].shape}[name]
        return {name: make(shape), "layer": conv}
    return function


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["dW", "db", "u", "y"])
def test_an_array_that_was_never_filled_is_not_accepted(name, dtype, layer):
    """A right answer may lie in freed memory."""
    for seed in range(3):
        case = oracle.case(layer, dtype=dtype, seed=seed)
        for make in (lambda shape: np.empty(shape, dtype), lambda shape: np.ma.masked_all(shape, dtype), lambda shape: unfilled(shape, dtype)[-1], lambda shape: np.empty(shape, "float32")):
            (outcome,) = judge(returns(name, make), [case])
            assert not outcome.accepted, (str(outcome), seed)


def test_dv_that_was_never_filled_is_not_accepted():
    case = oracle.case("recurrent")
    for _ in range(5):
        assert not judge(lambda case: {"dV": np.empty_like(case["V"])}, [case])[0].accepted


def test_an_interrupt_is_no_verdict(dense):
    def interrupted(case):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(interrupted, [dense])


def test_a_function_that_spoils_its_case_spoils_nothing(dense):
    def spoils(case):
        answer = plain_stllr.answer(case)
        case["x"][:], case["gamma"] = 9, 0
        case.clear()
        return answer

    before = {name: np.copy(value) for name, value in dense.items() if value is not None}
    assert [outcome.accepted for outcome in judge(spoils, [dense, dense])] == [True, True]
    assert all(np.array_equal(dense[name], value) for name, value in before.items())


def test_a_potential_that_is_not_reset_between_sequences_shows_in_the_second_case():
    kept = [0.0]

    def forgets_to_reset(case):
        us = []
        for x in case["x"]:
            us.append(kept[0] + x @ case["W"].T)
            kept[0] = case["gamma"] * (us[-1] - case["theta"] * (us[-1] > case["theta"]))
        return {"u": us}

    first, second = judge(forgets_to_reset, [oracle.case(seed=0), oracle.case(seed=1)])
    assert (second.quantity, second.step) == ("u", 0)
    assert not first.accepted and first.cause == KEPT  # it was right when asked first, and is not when asked again


@pytest.mark.parametrize("kept", ["tr_x", "nothing"])
def test_what_is_kept_between_calls_shows_though_a_single_case_is_asked(kept, dense):
    calls = []

    def layer(case):
        answer = plain_stllr.answer(case)
        calls.append(case)
        return {**answer, "tr_x": answer["tr_x"] + 0.1 * (len(calls) - 1) * (kept == "tr_x")}

    (outcome,) = judge(layer, [dense])
    assert len(calls) == 2 and outcome.accepted == (kept == "nothing")
    assert kept == "nothing" or (outcome.cause, outcome.quantity, outcome.step) == (KEPT, "tr_x", 0)


def test_a_function_that_fails_when_asked_again_is_rejected(dense):
    calls = []

    def once(case):
        calls.append(case)
        if len(calls) > 1:
            raise RuntimeError("the graph was freed")
        return plain_stllr.answer(case)

    (outcome,) = judge(once, [dense])
    assert not outcome.accepted and outcome.cause.startswith("asked the same case again: the function raised RuntimeError: the graph was freed (at ")


def test_a_wrong_answer_to_a_case_that_overflows_with_another_setting_gets_a_verdict():
    fields = {"delta": 3e307 * np.ones((12, 3, 5)), "alpha_post": 0.0, "psi": "fast_sigmoid"}
    case = {**oracle.case(), **fields}
    right = oracle.expected(case)
    with pytest.raises(ValueError, match="overflows"):
        oracle.expected({**case, "psi": "triangle"})
    assert verdict(case, {"u": 1.37 * right["u"] + 0.1}).cause == UNKNOWN


def test_a_function_that_makes_numpy_raise_does_not_make_the_verdict_raise(dense, right):
    def strict(case):
        np.seterr(all="raise")
        return {"u": right["u"] * 1e308}

    before = np.geterr()
    assert not judge(strict, [dense])[0].accepted
    assert np.geterr() == before


def test_each_case_gets_its_own_verdict():
    cases = [oracle.case(reset=reset, steps=6, batch=2) for reset in RESETS]
    soft_always = [v.accepted for v in judge(lambda case: plain_stllr.answer({**case, "reset": "soft"}), cases)]
    assert soft_always == [True, False, False]


def test_a_wrong_case_is_the_caller_s_mistake_and_raises(dense, right):
    with pytest.raises(ValueError, match="gamma: got 2.0"):
        verdict({**dense, "gamma": 2}, right)
    with pytest.raises(ValueError, match="^case: got NoneType, expected a dict as oracle.case makes it$"):
        verdict(None, {})


@pytest.mark.parametrize("dtype, size", [("float64", 1e308), ("float32", 1e38)])
def test_a_case_whose_right_answers_overflow_is_refused_as_a_case(dtype, size):
    case = oracle.case(dtype=dtype)
    case["W"] = np.full_like(case["W"], size)
    for call in (lambda: verdict(case, {"u": case["delta"]}), lambda: judge(lambda case: {"u": case["delta"]}, [case]), lambda: oracle.expected(case)):
        with pytest.raises(ValueError) as refused:
            call()
        assert str(refused.value) == f"case: got numbers whose right u overflows, expected a case with finite answers in {dtype}"


def test_a_case_that_teaches_nothing_is_judged_with_a_note(dense, right):
    idle = {**dense, "delta": 0 * dense["delta"]}
    outcome = verdict(idle, plain_stllr.answer(idle))
    assert outcome.accepted and outcome.notes == ("the right dW of this case is 0 everywhere: no fault of the learning half shows in it",)
    assert verdict(idle, {"dW": right["dW"]}).accepted is False
    assert verdict(dense, right).notes == ()
