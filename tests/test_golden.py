"""The published implementation's own numbers: every file of tests/golden/ (its README says what the keys mean).

One layer at a time (states, gradients of each step and their sum), whole networks (BP, DFA, sDFA; Adam), the published
BPTT baseline, weight standardisation and Psi.
"""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

from stllr_ref import (
    DFA,
    LIF,
    SLTT,
    STLLR,
    Bias,
    Conv2d,
    Dense,
    Layer,
    Leaky,
    Network,
    Standardised,
    bptt,
    cross_entropy,
    fast_sigmoid,
    network,
    sDFA,
    sigmoid,
    spike,
    triangle,
    window,
)
from stllr_ref.gradcheck import error
from stllr_ref.maps import AvgPool, GlobalAvg, MaxPool
from stllr_ref.optim import Adam
from stllr_ref.traces import trace

GOLDEN = Path(__file__).parent / "golden"
TOLERANCE = {np.float64: 1e-10, np.float32: 5e-4}
PSI = {"exp": fast_sigmoid, "tri": triangle, "sigmoid": sigmoid}
SIGNALS = {"DFA": DFA, "sDFA": sDFA}
POOLS = {"AVG": AvgPool, "MAX": MaxPool}
PARAMETERS = {"W": "weight", "W.gain": "gain", "V": "weight_rec", "V.gain": "gain_rec", "b": "bias"}  # ours: theirs
LEAK_LOGITS = {  # of each layer, from the bottom; the BPTT baseline's hidden one is in its file
    "AudioLike": {"linear1": 5, "last_layer": 5},
    "AudioLike deep": {"linear0": 2, "linear1": 5, "last_layer": 5},
    "ConvLike": {"conv1": 0, "conv2": 0, "linear16": -np.inf},
    "BPTTLike": {"linear1": None, "last_layer": 5},
    "BPTTConvLike": {"conv1": 0, "conv2": 0, "linear16": -np.inf},
}


def names(*kinds):
    return sorted(path.stem for path in GOLDEN.glob("*.npz") if path.stem.split("_")[0] in kinds)


LAYERS, NETS, BPTT, WS = names("dense", "rec", "conv"), names("net"), names("bptt"), names("ws")


@functools.cache
def load(name):
    """Return meta data and name -> array of a golden file."""
    with np.load(GOLDEN / f"{name}.npz") as z:
        return json.loads(str(z["meta"])), {key: z[key] for key in z.files if key != "meta"}


ADAM = [name for name in NETS + BPTT if load(name)[0]["adam_steps"]]


def logistic(x):
    return 1 / (1 + np.exp(-x))


def check(got, expected, dtype):
    """Assert that two dicts of arrays agree; `error` refuses NaN, other shapes and an expected array of zeros."""
    assert set(got) == set(expected) != set()
    assert {array.dtype for array in got.values()} == {np.dtype(dtype)}
    assert {name: e for name in got if not (e := error(got[name], expected[name])) < TOLERANCE[dtype]} == {}


def both_precisions(test):
    return pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: dtype.__name__)(test)


# ---------------------------------------------------------------------------------------------------- single layers


def synapse(W, gain, conv, dtype):
    W = W.astype(dtype)
    weight = W if gain is None else Standardised(W, gain)
    return Dense(weight) if conv is None else Conv2d(weight, **conv)


def bias(b, W, dtype):
    return Bias(b.astype(dtype).reshape(-1, *[1] * (0 if W.ndim == 2 else 2)))


def rule(factors, **options):
    lam_post, lam_pre, alpha_post, alpha_pre = factors
    return STLLR(lam_pre=lam_pre, lam_post=lam_post, alpha_pre=alpha_pre, alpha_post=alpha_post, **options)


def golden_layer(name, dtype):
    meta, z = load(name)
    W, gain = z["param_weight"], z["param_gain"] if meta["ws"] else None
    V = synapse(z["param_weight_rec"], z["param_gain_rec"] if meta["ws"] else None, None, dtype) if meta["kind"] == "rec" else None
    neuron = LIF(gamma=meta["leak"], theta=meta["threshold"], psi=PSI[meta["psi"]], reset=meta["reset"])
    psi = spike if meta["activation"] == "STLLRConv2dGradNormOut" else None
    return Layer(synapse(W, gain, meta["conv"], dtype), neuron, rule(meta["factors"], psi=psi), V=V, bias=bias(z["param_bias"], W, dtype))


@functools.cache
def layer_run(name, dtype, summed):
    """Return what a layer went through under the golden input and delta, names as published; gradients of each step or their sum."""
    _, z = load(name)
    layer, steps = golden_layer(name, dtype), []
    for x, delta in zip(z["x"].astype(dtype), z["delta"].astype(dtype)):
        layer.step(x)
        if not summed:
            layer.clear()
        layer.learn(delta)
        now = layer.now
        step = {"u_pre": now.u, "v": now.u - layer.neuron.theta, "spikes": now.y, "psi": now.psi, "trace_pre": now.pre["W"][0],
                "grad_input": layer.send(delta * now.psi), "trace_post_used": now.past, "u_post": layer.kept / layer.neuron.gamma}
        if "V" in now.pre:
            step["trace_rec"] = now.pre["V"][0]
        steps.append(step | {f"grad_{PARAMETERS[name]}": grad for name, grad in layer.grads().items()})
    return {key: np.array([step[key] for step in steps]) for key in steps[0]}


def agrees_with_layer(name, dtype, keys):
    """Assert that what a layer recorded under `keys` is what was published."""
    got, z = layer_run(name, dtype, False), load(name)[1]
    check({key: got[key] for key in keys}, {key: z[key] for key in keys}, dtype)


@both_precisions
@pytest.mark.parametrize("name", LAYERS)
def test_layer_has_the_published_potentials_and_spikes(name, dtype):
    meta, z = load(name)
    assert 0.1 < meta["spike_rate"] == z["spikes"].mean() < 0.65 and np.abs(z["v"]).min() > 1e-3
    agrees_with_layer(name, dtype, ["u_pre", "v", "spikes", "u_post", "psi"])


@both_precisions
@pytest.mark.parametrize("name", LAYERS)
def test_layer_has_the_published_traces(name, dtype):
    meta, _ = load(name)
    keys = ["trace_pre"] + ["trace_rec"] * (meta["kind"] == "rec")
    agrees_with_layer(name, dtype, keys + ["trace_post_used"] * (meta["factors"][2] != 0))  # alpha_post 0 keeps none


@pytest.mark.parametrize("name", LAYERS)
def test_post_trace_never_counts_the_present_step(name):
    meta, z = load(name)
    psi = z["spikes" if meta["activation"] == "STLLRConv2dGradNormOut" else "psi"]
    past = trace(psi, meta["factors"][0])
    assert error(np.concatenate([np.zeros_like(past[:1]), past[:-1]]), z["trace_post_used"]) < 1e-12


@both_precisions
@pytest.mark.parametrize("name", LAYERS)
def test_layer_sends_the_published_error_down(name, dtype):
    agrees_with_layer(name, dtype, ["grad_input"])


@both_precisions
@pytest.mark.parametrize("name", LAYERS)
def test_layer_has_the_published_gradient_at_every_step(name, dtype):
    _, z = load(name)
    got = layer_run(name, dtype, False)
    expected = {key.replace("step_", ""): value for key, value in z.items() if key.startswith("grad_step")}
    check({key: got[key].reshape(expected[key].shape) for key in expected}, expected, dtype)


@both_precisions
@pytest.mark.parametrize("name", LAYERS)
def test_layer_gathers_the_published_sum_of_gradients(name, dtype):
    _, z = load(name)
    got = layer_run(name, dtype, True)
    expected = {key.replace("sum_", ""): value for key, value in z.items() if key.startswith("grad_sum")}
    check({key: got[key][-1].reshape(expected[key].shape) for key in expected}, expected, dtype)


@both_precisions
@pytest.mark.parametrize("name", [name for name in LAYERS if load(name)[0]["ws"]])
def test_layer_multiplies_by_the_published_standardised_weight(name, dtype):
    _, z = load(name)
    values = {name: synapse.weight.value for name, synapse in golden_layer(name, dtype).synapses.items()}
    check(values, {name: z[{"W": "weight_eff", "V": "weight_rec_eff"}[name]] for name in values}, dtype)


# --------------------------------------------------------------------------------------------------------- networks


def golden_network(name, dtype=np.float64):
    """Return the network of a golden file and our parameter name -> the published one."""
    meta, z = load(name)
    exact, row, published = meta["bptt"], [], {}
    logits = LEAK_LOGITS[meta["net"]]
    for number, (layer, logit) in enumerate(logits.items()):
        theirs = {ours: f"{layer}.{theirs}" for ours, theirs in PARAMETERS.items()}
        if exact:
            theirs |= {"V": f"{layer}_rec.weight", "V.gain": f"{layer}_rec.gain"}
        p = {ours: z[f"param_{name}"] for ours, name in theirs.items() if f"param_{name}" in z}
        conv = {"padding": 1} if p["W"].ndim == 4 else None
        gamma = float(logistic(meta["leak_logit"] if logit is None else logit))
        if number == len(logits) - 1:  # a readout is never standardised: its published gain, if any, does nothing
            p.pop("W.gain", None)
            learns = STLLR(lam_pre=0.99, lam_post=0, alpha_pre=1, alpha_post=0) if gamma else SLTT()
            neuron = Leaky(gamma)
        else:
            learns = SLTT() if exact else rule(meta["factors"])
            neuron = LIF(gamma=gamma, theta=0.6, psi=triangle if conv else fast_sigmoid, reset=meta["reset"])
        row.append(Layer(synapse(p["W"], p.get("W.gain"), conv, dtype), neuron, learns,
                         V=synapse(p["V"], p.get("V.gain"), None, dtype) if "V" in p else None,
                         bias=bias(p["b"], p["W"], dtype) if "b" in p else None))
        published |= {f"{number}.{ours}": theirs[ours] for ours in p}
        if layer == "conv2":
            row.append(POOLS[meta["pool"]](2))
        if f"param_hook{layer[-1]}.fixed_fb_weights" in z:
            row.append(SIGNALS[meta["mode"]](z[f"param_hook{layer[-1]}.fixed_fb_weights"]))
        if layer == "conv2":
            row.append(GlobalAvg())
    return Network(row), published


def golden_run(name, net):
    """Return logits and gradients of a network on the golden batch, by the algorithm that the file is about."""
    meta, z = load(name)
    inside = window(meta["T"], [meta["T"]] * meta["B"], last=meta["delay_ls"])
    x, options = z["x"].astype(net.dtype), {"summed": True} if meta["bptt"] else {}
    return (bptt if meta["bptt"] else network).run(net, x, z["y"], cross_entropy, inside, **options)


def agree(ours, published, prefix, z, dtype):
    """Assert that parameters or gradients (our names) are the published ones, and that none was forgotten."""
    expected = {name: z[f"{prefix}_{theirs}"] for name, theirs in published.items()}
    assert sum(key.startswith("grad_") for key in z) == len(published)
    check({name: value.reshape(expected[name].shape) for name, value in ours.items()}, expected, dtype)


@both_precisions
@pytest.mark.parametrize("name", NETS + BPTT)
def test_network_has_the_published_spikes(name, dtype):
    meta, z = load(name)
    net, _ = golden_network(name, dtype)
    steps = []
    for x in z["x"].astype(dtype):
        net.step(x)
        steps.append([layer.y for layer in net.layers[:-1]])
    spikes = dict(zip(meta["hidden"], map(np.array, zip(*steps))))
    assert all(0.1 < rate < 0.3 for rate in meta["rates"].values())
    check(spikes, {layer: z[f"spikes_{layer}"] for layer in meta["hidden"]}, dtype)


@both_precisions
@pytest.mark.parametrize("name", NETS + BPTT)
def test_network_has_the_published_logits_and_prediction(name, dtype):
    _, z = load(name)
    logits, _ = golden_run(name, golden_network(name, dtype)[0])
    check({"logits": logits, "pred": logits.sum(0)}, {key: z[key] for key in ("logits", "pred")}, dtype)


@both_precisions
@pytest.mark.parametrize("name", NETS)
def test_network_has_the_published_gradients(name, dtype):
    net, published = golden_network(name, dtype)
    _, grads = golden_run(name, net)
    agree(grads, published, "grad", load(name)[1], dtype)


@pytest.mark.parametrize("name", BPTT)
def test_bptt_has_the_published_gradients(name):
    net, published = golden_network(name)
    _, grads = golden_run(name, net)
    agree(grads, published, "grad", load(name)[1], np.float64)


@pytest.mark.parametrize("name", ADAM)
def test_adam_takes_the_published_steps(name):
    meta, z = load(name)
    net, published = golden_network(name)
    adam = Adam(net, lr=meta["adam_lr"])
    for _ in range(meta["adam_steps"]):
        adam.step(golden_run(name, net)[1])
    agree(net.get(), published, "adam", z, np.float64)


@pytest.mark.parametrize("name", [name for name in ADAM if "DFA" in name])
def test_published_feedback_weights_never_change(name):
    _, z = load(name)
    hooks = [key.removeprefix("param_") for key in z if key.startswith("param_hook")]
    assert hooks and all(np.array_equal(z[f"adam_{hook}"], z[f"param_{hook}"]) for hook in hooks)


# ------------------------------------------------------------------------------------------- standardisation and Psi


@both_precisions
@pytest.mark.parametrize("name", WS)
def test_standardisation_has_the_published_value_and_gradients(name, dtype):
    _, z = load(name)
    weight = Standardised(z["weight"].astype(dtype), z["gain"])
    pulled = weight.pull(z["d_weight_eff"].astype(dtype))
    got = {"weight_eff": weight.value, "grad_weight": pulled[""], "grad_gain": pulled["gain"].reshape(z["gain"].shape)}
    check(got, {key: z[key] for key in got}, dtype)


@both_precisions
def test_psi_has_the_published_values(dtype):
    _, z = load("psi")
    check({key: psi(z["v"].astype(dtype)) for key, psi in PSI.items()}, {key: z[key] for key in PSI}, dtype)


def test_every_golden_file_is_used():
    assert set(LAYERS + NETS + BPTT + WS + ["psi"]) == {path.stem for path in GOLDEN.glob("*.npz")}
    assert len(LAYERS) == 42 and len(NETS) == 31 and len(BPTT) == 4 and len(WS) == 2
