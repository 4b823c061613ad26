"""Cases in which every slip shows, right answers against plain loops and by hand, and files that hold both."""

import json
import re
import zipfile

import numpy as np
import plain_stllr
import pytest

from stllr_ref import oracle
from stllr_ref.gradcheck import error
from stllr_ref.oracle import cases
from stllr_ref.oracle.contract import ARRAYS, KEYS, LAYERS, META, POST_TRACES, PSIS, QUANTITIES, RESETS, checked
from stllr_ref.oracle.slips import fire, learn, slipped, windows_beside

CONTRACT = {"layer", "x", "W", "V", "b", "gamma", "theta", "reset", "psi", "lam_pre", "lam_post", "alpha_pre", "alpha_post", "post_trace", "last", "delta"}
EVERY = [(layer, reset, psi, post_trace) for layer in LAYERS for reset in RESETS for psi in PSIS for post_trace in POST_TRACES]
SOME = [(layer, reset, PSIS[i % 4], POST_TRACES[i % 2]) for i, (layer, reset) in enumerate((a, b) for a in LAYERS for b in RESETS)]


def one(layer="dense", W=1.0, V=None, x=(1, 1), **options):
    """Return a case of one neuron with one input, all steps in the window, delta 1."""
    x = np.reshape(np.array(x, float), (-1, 1, 1))
    case = dict(layer=layer, x=x, W=np.array([[W]]), V=V if V is None else np.array([[V]]), b=None, gamma=0.5, theta=1.0, reset="soft", psi="triangle",
                lam_pre=0.75, lam_post=0.2, alpha_pre=1.0, alpha_post=-1.0, post_trace="code", last=len(x), delta=np.ones_like(x))  # fmt: skip
    return {**case, **options}


# ----------------------------------------------------------------------------------------------------------- cases


@pytest.mark.parametrize("layer", LAYERS)
def test_a_case_has_the_keys_of_the_contract_and_no_others(layer):
    case = oracle.case(layer)
    assert set(case) == CONTRACT == set(KEYS)
    assert (case["V"] is not None) == (layer == "recurrent") and case["b"] is None
    assert all(type(case[name]) in (float, int, str) for name in CONTRACT - set(ARRAYS))
    assert all(type(case[name]) is np.ndarray for name in ("x", "W", "delta"))


@pytest.mark.parametrize("layer, arrays, numbers", [
    ("recurrent", dict(x=197, W=7.8061575188, V=2.0972455189, delta=-8.395686354),
     dict(gamma=0.64, theta=0.9, lam_pre=0.87, lam_post=0.51, alpha_pre=0.76, alpha_post=-0.85)),
    ("conv", dict(x=1568, W=4.3519643833, delta=75.8791474366),
     dict(gamma=0.79, theta=0.54, lam_pre=0.85, lam_post=0.42, alpha_pre=0.65, alpha_post=0.83)),
], ids=["recurrent", "conv"])  # fmt: skip
def test_a_seed_names_its_case_for_good(layer, arrays, numbers):
    """Who reports "wrong on seed 5" means numbers: sums of the arrays, as drawn when this was written."""
    case = oracle.case(layer, seed=5)
    assert {name: case[name].sum() for name in arrays} == pytest.approx(arrays, rel=1e-9)
    assert {name: case[name] for name in numbers} == numbers


@pytest.mark.parametrize("layer, ndim", [("dense", 3), ("recurrent", 3), ("conv", 5)])
@pytest.mark.parametrize("steps, batch", [(12, 3), (7, 5), (5, 2), (4, 6)])
def test_no_two_axes_have_the_same_length(layer, ndim, steps, batch):
    case = oracle.case(layer, steps=steps, batch=batch)
    lengths = [*case["x"].shape, case["W"].shape[0]]
    assert case["x"].ndim == ndim and case["x"].shape[:2] == (steps, batch)
    assert len(set(lengths)) == len(lengths)
    assert case["delta"].shape == (steps, batch, case["W"].shape[0], *case["x"].shape[3:])


@pytest.mark.parametrize("settings", SOME, ids="-".join)
def test_a_case_is_alive_in_every_regime_and_far_from_degenerate(settings):
    case = oracle.case(*settings, seed=3)
    right = oracle.expected(case)
    v = right["u"] - case["theta"]
    assert 0.02 < right["y"].mean() < 0.98 and right["y"][:-1].any()
    assert (v < -1).any() and ((-1 < v) & (v < 0)).any() and ((0 < v) & (v < 1)).any() and (v > 1).any()
    assert np.abs(v).min() > 1e-5
    assert 1 <= case["last"] < len(case["x"]) and case["theta"] != 1 and case["alpha_pre"] != 1 and abs(case["alpha_post"]) != 1
    assert len({case[name] for name in ("gamma", "lam_pre", "lam_post")}) == 3
    assert (case["delta"] > 0).any() and (case["delta"] < 0).any()
    assert {0, 1, 2} <= set(np.unique(case["x"]))


@pytest.mark.parametrize("settings", SOME, ids="-".join)
def test_no_slip_brings_a_potential_to_the_threshold_or_hides(settings):
    case = oracle.case(*settings, seed=4)
    right, causes = oracle.expected(case), set()
    for cause, answer in slipped(case):
        causes.add(cause)
        assert max(np.abs(answer[name] - right[name]).max() / np.abs(right[name]).max() for name in right) > 2e-3, cause
        if cause != "u after the reset":
            assert np.abs(answer["u"] - case["theta"]).min() > 1e-5, cause
    assert len(causes) >= 13


def test_a_seed_makes_one_case_and_another_seed_another():
    state = np.random.get_state()[1].copy()
    first, again, other = oracle.case(seed=5), oracle.case(seed=5), oracle.case(seed=6)
    assert np.array_equal(first["x"], again["x"]) and first["gamma"] == again["gamma"]
    assert not np.array_equal(first["x"], other["x"])
    assert np.array_equal(np.random.get_state()[1], state)


def test_a_case_is_drawn_in_few_tries(monkeypatch):
    tried, fault = [], cases._fault
    monkeypatch.setattr(cases, "_fault", lambda made: tried.append(fault(made)) or tried[-1])
    for settings in EVERY:
        oracle.case(*settings)
    assert len(tried) < 2 * len(EVERY) and tried.count(None) == len(EVERY)


@pytest.mark.parametrize("part, same", [(0, True), (1e-7, True), (1e-4, False)])
def test_a_term_gated_and_a_term_left_out_may_lie_near_each_other_but_not_on_each_other(part, same):
    right = oracle.expected(oracle.case())
    moved = {**right, "dW": 2 * right["dW"]}
    pair = [("no non-causal term", moved), ("non-causal term gated by Psi", {**moved, "dW": (1 + part) * moved["dW"]})]
    assert bool(list(cases._alike([(None, right), *pair]))) == same
    assert list(cases._alike([(None, right), pair[0], ("sign", pair[1][1])]))


@pytest.mark.parametrize("T, last, windows", [
    (12, 5, {(6, 11), (8, 11), (6, 10)}),  # first and last step
    (12, 1, {(10, 11), (10, 10)}),
    (12, 12, {(1, 11), (0, 10)}),
    (12, 11, {(2, 11), (0, 10)}),
    (12, 10, {(3, 11), (1, 10)}),
    (2, 1, {(0, 0)}),
])  # fmt: skip
def test_the_windows_one_step_off(T, last, windows):
    found = windows_beside(T, last)
    assert all(len(span) for span in found) and {(span[0], span[-1]) for span in found} == windows


def test_both_signs_of_alpha_post_are_drawn():
    assert {np.sign(oracle.case(seed=seed)["alpha_post"]) for seed in range(8)} == {-1, 1}


def test_a_case_and_its_answers_keep_single_precision():
    case = oracle.case("recurrent", dtype="float32")
    assert {case[name].dtype for name in ("x", "W", "V", "delta")} == {np.dtype("float32")}
    assert {value.dtype for value in oracle.expected(case).values()} == {np.dtype("float32")}


def test_a_case_of_mixed_precision_is_answered_in_double():
    case = oracle.case()
    for changed in (("x",), ("x", "W"), ("x", "W", "delta")):
        right = oracle.expected({**case, **{name: case[name].astype("float32") for name in changed}})
        assert {value.dtype.name for value in right.values()} == {"float32" if len(changed) == 3 else "float64"}


@pytest.mark.parametrize("settings", [dict(steps=40, batch=8), dict(steps=2), dict(batch=1), dict(last=1), dict(last=12), dict(layer="recurrent", steps=3, batch=1), dict(layer="recurrent", last=10), dict(layer="conv", steps=20)], ids=str)
def test_sizes_of_ones_own_are_drawn(settings):
    case = oracle.case(**settings)
    assert case["x"].shape[0] == settings.get("steps", 12) and case["x"].shape[1] == settings.get("batch", 3)
    assert case["last"] == settings.get("last", case["last"])


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(layer="lstm"), "layer: got 'lstm', expected one of dense, recurrent, conv"),
        (dict(reset="zero"), "reset: got 'zero'"),
        (dict(psi="spike"), "psi: got 'spike'"),
        (dict(post_trace=None), "post_trace: got None"),
        (dict(dtype="float16"), "dtype: got 'float16'"),
        (dict(steps=1), "steps: got 1, expected at least 2: resets, traces and recurrence do not show"),
        (dict(steps=0), "steps: got 0"),
        (dict(steps=3), "steps, batch: got 3 for both"),
        (dict(batch=0), "batch: got 0"),
        (dict(batch=2.5), "batch: got 2.5"),
        (dict(last=13), "last: got 13, expected at most the 12 steps"),
        (dict(last=0), "last: got 0"),
        (dict(seed=-1), "seed: got -1"),
        (dict(layer="conv", steps=300, batch=40), "steps, batch: got 300 x 40, expected at most 1000: of more potentials one lies at the threshold"),
        (dict(steps=10**9), "steps, batch: got 1000000000 x 3, expected at most 20000"),
        (dict(last=10**9), "last: got 1000000000, expected at most the 12 steps"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_request_that_cannot_be_met_is_refused_in_one_line(settings, words):
    with pytest.raises(ValueError) as refused:
        oracle.case(**settings)
    assert words in str(refused.value) and "\n" not in str(refused.value)


# --------------------------------------------------------------------------------------------------- right answers


@pytest.mark.parametrize("settings", EVERY, ids="-".join)
def test_the_right_answers_are_those_of_plain_loops(settings):
    case = oracle.case(*settings, steps=6, batch=2, seed=1)
    right, plain = oracle.expected(case), plain_stllr.answer(case)
    assert set(right) == set(plain) == set(QUANTITIES) - ({"dV"} if settings[0] != "recurrent" else set())
    assert max(error(right[name], plain[name]) for name in plain) < 1e-13


@pytest.mark.parametrize("settings", SOME, ids="-".join)
def test_the_simulation_of_slips_without_a_slip_is_the_layer(settings):
    case = oracle.case(*settings)
    again, right = learn(case, *fire(case, case["reset"])), oracle.expected(case)
    assert max(error(again[name], right[name]) for name in right) < 1e-13 and set(again) == set(right)


@pytest.mark.parametrize("layer, shape", [("dense", (5,)), ("recurrent", (5,)), ("conv", (4,)), ("conv", (4, 1, 1))])
def test_a_bias_of_ones_own_drives_the_neurons(layer, shape):
    case = oracle.case(layer)
    case["b"] = np.random.default_rng(0).normal(0, 0.5, shape)
    right, plain = oracle.expected(case), plain_stllr.answer(case)
    assert right["db"].shape == shape[:1] and error(right["u"], oracle.expected({**case, "b": None})["u"]) > 0.05
    assert max(error(right[name], plain[name]) for name in plain) < 1e-13
    again = learn(case, *fire(case, case["reset"]))
    assert max(error(again[name], right[name]) for name in right) < 1e-13


@pytest.mark.parametrize("reset, u", [("soft", [0.9, 1.35, 1.075, 0.9375, 1.36875, 1.084375]), ("hard", [0.9, 1.35, 0.9, 1.35, 0.9, 1.35]), ("none", [0.9, 1.35, 1.575, 1.6875, 1.74375, 1.771875])])
def test_tc01_potentials_of_each_reset_by_hand(reset, u):
    right = oracle.expected(one(W=0.9, x=[1] * 6, reset=reset))
    np.testing.assert_allclose(right["u"].ravel(), u, rtol=1e-15)
    assert right["y"].ravel().tolist() == [float(value > 1) for value in u]


@pytest.mark.parametrize("theta, psi", [(1.0, 0.195), (0.8, 0.135)])
def test_tc07_psi_reads_the_potential_before_the_reset(theta, psi):
    assert oracle.expected(one(W=1.35, theta=theta, x=[1, 0]))["psi"][0, 0, 0] == pytest.approx(psi, rel=1e-14)


def test_tc12_traces_by_hand_and_both_conventions_of_the_eligibility():
    case = one(W=1.0, x=[1, 0, 1, 1], gamma=0.0)  # psi .3 0 .3 .3: |u - theta| is 0, 1, 0, 0
    right = oracle.expected(case)
    np.testing.assert_allclose(right["tr_x"].ravel(), [1, 0.75, 1.5625, 2.171875])
    np.testing.assert_allclose(right["tr_psi"].ravel(), [0.3, 0.06, 0.312, 0.3624])
    causal = 0.3 * (1 + 1.5625 + 2.171875)
    assert right["dW"][0, 0] == pytest.approx(causal - 0.06 - 0.312, rel=1e-14)
    assert oracle.expected({**case, "post_trace": "paper"})["dW"][0, 0] == pytest.approx(causal - 0.2 * (0.06 + 0.312), rel=1e-14)


def test_tc13_recurrence_is_delayed_in_rule_and_dynamics():
    right = oracle.expected(one("recurrent", W=0.8, V=0.4, x=[1, 1, 0, 1, 1], alpha_post=0.0, lam_pre=0.5, last=2))
    assert right["y"].ravel().tolist() == [0, 1, 0, 1, 1]
    assert right["dW"][0, 0] == pytest.approx(0.78421875, rel=1e-14) and right["dV"][0, 0] == pytest.approx(0.433125, rel=1e-14)


@pytest.mark.parametrize("shape", [(4, 2, 2, 2), (4, 2, 3, 5), (4, 2, 5, 3), (4, 3, 3, 3), (4, 2, 3)])
def test_filters_are_square_odd_and_as_deep_as_the_input(shape):
    case = oracle.case("conv")
    assert case["W"].shape == (4, 2, 3, 3)
    with pytest.raises(ValueError, match=r"^W: got shape .*, expected \[C_out, 2, k, k\] with odd k, as x has shape"):
        oracle.expected({**case, "W": np.ones(shape)})


@pytest.mark.parametrize("last", [1, 4, 12])
def test_tc14_only_the_last_steps_teach(last):
    case = oracle.case(last=5)
    case["last"] = last
    outside = case["delta"].copy()
    outside[: 12 - last] = 0
    assert error(oracle.expected(case)["dW"], oracle.expected({**case, "delta": outside, "last": 12})["dW"]) < 1e-14


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(x=None), "x: got"),
        (dict(W=np.zeros((5, 6))), "W: got shape (5, 6), expected [N_out, 7]"),
        (dict(W=np.zeros((0, 7))), "W: got shape (0, 7)"),
        (dict(V=np.zeros((5, 5))), "V: got one with a dense layer"),
        (dict(layer="recurrent"), "V: got none with a recurrent layer"),
        (dict(layer="recurrent", V=np.zeros((5, 4))), "V: got shape (5, 4), expected (5, 5)"),
        (dict(layer="recurrent", V=np.zeros((1, 5))), "V: got shape (1, 5), expected (5, 5)"),
        (dict(layer="conv"), "x: got shape (12, 3, 7), expected 5 axes"),
        (dict(delta=np.zeros((12, 3, 4))), "delta: got shape (12, 3, 4), expected (12, 3, 5)"),
        (dict(b=np.zeros(4)), "b: got shape (4,), expected (5,)"),
        (dict(gamma=1.5), "gamma: got 1.5, expected a number from 0 to 1"),
        (dict(theta=0), "theta: got 0.0, expected a number above 0"),
        (dict(lam_pre="x"), "lam_pre: got 'x', expected a number"),
        (dict(last=13), "last: got 13"),
        (dict(psi="mine"), "psi: got 'mine'"),
        (dict(delta=np.full((12, 3, 5), np.nan)), "delta: got nan at (0, 0, 0)"),
        (dict(delta=np.full((12, 3, 5), 1j)), "delta: got complex numbers"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_case_of_ones_own_that_does_not_fit_is_refused_in_one_line(change, words):
    case = {**oracle.case(), **change}
    case = {name: value for name, value in case.items() if not (name == "x" and value is None)}
    for reader in (checked, oracle.expected):
        with pytest.raises(ValueError) as refused:
            reader(case)
        assert words in str(refused.value) and "\n" not in str(refused.value)


def test_a_case_of_ones_own_may_hold_booleans_and_whole_numbers():
    case = oracle.case()
    for kind in (bool, int):
        made = checked({**case, "x": case["x"].astype(kind)})
        assert made["x"].dtype == float and np.array_equal(made["x"], case["x"].astype(kind)) and made["x"].any()


# ------------------------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_case_comes_back_from_its_file_as_it_was(layer, dtype, tmp_path):
    case = oracle.case(layer, "hard", "arctan", "paper", dtype=dtype)
    oracle.save(tmp_path / "case", case)  # no suffix is added
    again = oracle.load(tmp_path / "case")
    assert list(again) == list(case)
    for name, value in case.items():
        assert type(again[name]) is type(value)
        assert np.array_equal(again[name], value) and getattr(again[name], "dtype", None) == getattr(value, "dtype", None)


def test_a_file_holds_the_right_answers_and_the_conventions_and_no_pickle(tmp_path):
    case = oracle.case("recurrent")
    right = oracle.save(tmp_path / "case.npz", case)
    with np.load(tmp_path / "case.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert {name for name in arrays if name.startswith("expected_")} == {f"expected_{name}" for name in QUANTITIES}
    for name, value in oracle.expected(case).items():
        assert np.array_equal(arrays[f"expected_{name}"], value) and np.array_equal(right[name], value)
    assert "b" not in arrays and {"x", "W", "V", "delta", "gamma", "last", "layer"} <= set(arrays)
    assert json.loads(str(arrays["meta"])) == META
    told = str(arrays["meta"])
    assert all(word in told for word in ("gamma*(u[t-1] - theta*y[t-1])", "strictly", "no mean", "no alpha", "paper", "[C_out]", "0.0005", "--result"))


def test_a_bias_travels_in_the_file(tmp_path):
    case = {**oracle.case("conv"), "b": np.arange(4.0)}
    oracle.save(tmp_path / "case.npz", case)
    assert np.array_equal(oracle.load(tmp_path / "case.npz")["b"], case["b"])
    assert oracle.load(tmp_path / "case.npz")["V"] is None


def test_an_earlier_file_stays_whole_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "case.npz"
    oracle.save(path, oracle.case())
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cases.np, "savez", full)
    with pytest.raises(ValueError, match="No space left on device, expected a file that can be written"):
        oracle.save(path, oracle.case(seed=1))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["case.npz"]


def test_a_place_that_cannot_be_written_is_refused_in_one_line(tmp_path):
    for place in (tmp_path / "no" / "case.npz", tmp_path):
        with pytest.raises(ValueError, match=rf"^{re.escape(str(place))}: got [A-Z][a-z ]+, expected a file that can be written$"):
            oracle.save(place, oracle.case())
    assert list(tmp_path.iterdir()) == []


def write(path, change=lambda arrays: None, **more):
    """Write the file of a case, changed."""
    oracle.save(path, oracle.case())
    with np.load(path) as file:
        arrays = {**file, **more}
    change(arrays)
    np.savez(path, **arrays)


@pytest.mark.parametrize("name", sorted(CONTRACT - {"V", "b"}))
def test_a_file_that_lacks_a_key_is_refused_by_name(name, tmp_path):
    write(tmp_path / "case.npz", lambda arrays: arrays.pop(name))
    with pytest.raises(ValueError, match=rf"case\.npz: {name}: got none, expected a case with"):
        oracle.load(tmp_path / "case.npz")


@pytest.mark.parametrize(
    "more, words",
    [
        (dict(x=np.zeros((12, 3))), "x: got shape (12, 3)"),
        (dict(delta=np.zeros((12, 3, 9))), "delta: got shape (12, 3, 9), expected (12, 3, 5)"),
        (dict(gamma=np.zeros(2)), "gamma: got shape (2,), expected one value"),
        (dict(gamma="half"), "gamma: got 'half', expected a number"),
        (dict(reset="zero"), "reset: got 'zero', expected one of soft, hard, none"),
        (dict(last=2.5), "last: got 2.5, expected a whole number"),
        (dict(W=np.array([["a"] * 7] * 5)), "W: got dtype <U1, expected numbers"),
        (dict(W=np.array([[object()] * 7] * 5)), "W: got Python objects or a damaged array"),
        (dict(V=np.zeros((5, 5))), "V: got one with a dense layer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_with_a_wrong_entry_is_refused_by_name(more, words, tmp_path):
    write(tmp_path / "case.npz", **more)
    with pytest.raises(ValueError) as refused:
        oracle.load(tmp_path / "case.npz")
    assert words in str(refused.value) and "case.npz: " in str(refused.value) and "\n" not in str(refused.value)


def damaged(path):
    """Write an npz whose first array is cut short."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", b"\x93NUMPY\x01\x00v\x00{'descr'")


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda path: None, "got no file, expected an npz file"),
        (lambda path: path.mkdir(), "expected an npz file that can be read"),
        (lambda path: path.write_bytes(b""), "something else than an npz file"),
        (lambda path: path.write_text("u,y,psi\n1,2,3\n"), "something else than an npz file"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "something else than an npz file"),
        (lambda path: np.save(open(path, "wb"), np.zeros(3)), "something else than an npz file"),
        (lambda path: np.array([{}], dtype=object).dump(path), "something else than an npz file"),
        (damaged, "x: got Python objects or a damaged array"),
    ],
    ids=["missing", "folder", "empty", "text", "half a zip", "npy", "pickle", "damaged"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_no_npz_file_is_refused_in_one_line(make, words, tmp_path):
    make(tmp_path / "case.npz")
    with pytest.raises(ValueError) as refused:
        oracle.load(tmp_path / "case.npz")
    assert words in str(refused.value) and "case.npz" in str(refused.value) and "\n" not in str(refused.value)


def test_checking_a_case_leaves_it_as_it_was():
    case = oracle.case("recurrent")
    again = checked(case)
    assert all(np.array_equal(again[name], case[name]) for name in KEYS)


@pytest.mark.parametrize("low, high, elsewhere", [(-np.inf, -1, -0.5), (-1, 0, -1.5), (0, 1, 1.5), (1, np.inf, 0.5)])
def test_a_draw_without_a_potential_in_one_regime_of_psi_is_dropped(low, high, elsewhere, monkeypatch):
    case = oracle.case()
    right = oracle.expected(case)
    v = right["u"] - case["theta"]
    moved = np.where((v > low) & (v < high), elsewhere, v)
    assert (moved != v).any()
    monkeypatch.setattr(cases, "expected", lambda made: {**right, "u": moved + case["theta"]})
    assert cases._fault(case) == "potentials not in every regime of Psi"


@pytest.mark.parametrize("fault", ["a silent or saturated layer", "potentials not in every regime of Psi", "a potential at the threshold, where rounding decides on spikes", "the slip 'sign' does not show", "'the right answer' and 'sign' look alike"])
def test_a_draw_that_hides_something_is_dropped(fault, monkeypatch):
    """Each condition, broken by hand on a good case, is the reason given; a case for which it always fails is refused with it."""
    case = oracle.case()
    assert cases._fault(case) is None
    if fault == "a silent or saturated layer":
        case["W"] = case["W"] * 1e-3
    if fault == "potentials not in every regime of Psi":
        case["W"], case["theta"] = case["W"] * 0.1, 0.2
    if fault.startswith("a potential at the threshold"):
        case["theta"] = float(oracle.expected(case)["u"][4, 1, 2] + 9e-5)
    if fault == "the slip 'sign' does not show":
        monkeypatch.setattr(cases, "slipped", lambda made: [("sign", oracle.expected(made))])
    if fault == "'the right answer' and 'sign' look alike":
        right = oracle.expected(case)
        monkeypatch.setattr(cases, "slipped", lambda made: [("sign", {**right, "dW": right["dW"] * 1.001, "db": -right["db"]})])
    assert cases._fault(case) == fault
    monkeypatch.setattr(cases, "_fault", lambda made: fault)
    with pytest.raises(ValueError) as refused:
        oracle.case()
    assert str(refused.value) == f"steps, batch, last: got 12, 3, 5, expected numbers with which a case can be drawn (60 tries: {fault})"
