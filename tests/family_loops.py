"""The family once more: every rule from its printed equation, in plain loops that import nothing of stllr_ref.

A network is a list of plain dicts (`oracles.describe`), a sample [T, N] is walked once (`oracles.walk`), and then

    a local rule = an eligibility of each synapse at each step  x  a learning signal of each neuron at each step;

an eligibility is a table [T, N_out, N_in], written as the closed sum over all earlier steps where there is one.  The
exact gradients instead follow one weight at a time through the whole network.  `LOOPS` has a row for each name.
"""

import math
from typing import Callable, NamedTuple

import numpy as np
import oracles


def entering(layer, story):
    """Return name -> what enters each synapse at each step: x, y[t-1] for V, and 1 for the bias."""
    x, _, y, _ = story
    out = {"W": x}
    if "V" in layer:
        out["V"] = [[0.0] * len(y[0]), *y[:-1]]
    if "b" in layer:
        out["b"] = [[1.0]] * len(x)
    return out


def table(z, n, entry):
    """Return [T, n, inputs] of entry(t, i, j)."""
    out = np.zeros((len(z), n, len(z[0])))
    for t, i, j in np.ndindex(out.shape):
        out[t, i, j] = entry(t, i, j)
    return out


def trace(z, j, lam, t):
    """Return the sum over k <= t of lam^(t-k) z_j[k]."""
    return sum(lam ** (t - k) * z[k][j] for k in range(t + 1))


# ----------------------------------------------------------------------------------------------------------- eligibilities
# (layer, its story, numbers) -> name -> table


def products(layer, story, f, exact_bias=True):
    """Return tables of f(z, t, i, j); the published bias is psi alone."""
    psi, out = story[3], {}
    for name, z in entering(layer, story).items():
        if name == "b" and not exact_bias:
            out[name] = table(z, len(psi[0]), lambda t, i, j: psi[t][i])
        else:
            out[name] = table(z, len(psi[0]), lambda t, i, j, z=z: f(z, t, i, j))
    return out


def traced(decay, exact_bias=True):
    """psi_i[t] tr(x_j; decay)[t]; decay is the name of a number."""
    return lambda layer, story, s: products(layer, story, lambda z, t, i, j: story[3][t][i] * trace(z, j, s[decay], t), exact_bias)


def present(layer, story, s):
    """psi_i[t] x_j[t], nothing from the past (SLTT); so is its bias."""
    return products(layer, story, lambda z, t, i, j: story[3][t][i] * z[t][j])


def eprop(layer, story, s):
    """ebar_ij[t] = sum_s kappa^(t-s) psi_i[s] sum_k gamma^(s-k) x_j[k]."""
    psi = story[3]
    return products(
        layer, story, lambda z, t, i, j: sum(s["readout"] ** (t - r) * psi[r][i] * trace(z, j, s["gamma"], r) for r in range(t + 1))
    )


def ostl(layer, story, s):
    """e_ij[t] = psi_i[t] sum_k (J_i[k] ... J_i[t-1]) x_j[k], J = gamma (1 - theta psi): the neuron's own Jacobian, soft reset."""
    psi = story[3]

    def jacobians(i, k, t):
        out = 1.0
        for m in range(k, t):
            out *= layer["gamma"] * (1.0 - layer["theta"] * psi[m][i])
        return out

    return products(layer, story, lambda z, t, i, j: psi[t][i] * sum(jacobians(i, k, t) * z[k][j] for k in range(t + 1)))


def ostl_complete(layer, story, s):
    """Return tables [T, N, N_out, N_in] of psi_k d u_k / d w_ij within the layer, V's path included: a third index, who is moved."""
    if "V" not in layer:
        return ostl(layer, story, s)
    psi, out = story[3], {}
    T, n = len(psi), len(psi[0])
    for name, z in entering(layer, story).items():
        out[name] = np.zeros((T, n, n, len(z[0])))
        for i, j in np.ndindex(out[name].shape[2:]):
            du = [0.0] * n
            for t in range(T):
                before, du = du, [0.0] * n
                for k in range(n):
                    if t:
                        du[k] += layer["gamma"] * (1.0 - layer["theta"] * psi[t - 1][k]) * before[k]
                        du[k] += sum(layer["V"][k][m] * psi[t - 1][m] * before[m] for m in range(n))
                    if k == i:
                        du[k] += z[t][j]
                    out[name][t, k, i, j] = psi[t][k] * du[k]
    return out


def stllr(layer, story, s):
    """alpha_pre psi_i[t] tr(x_j; lam_pre)[t] + alpha_post (sum over k < t of lam_post^(t-1-k) psi_i[k]) x_j[t], the authors' convention."""
    psi = story[3]

    def entry(z, t, i, j):
        past = sum(s["lam_post"] ** (t - 1 - k) * psi[k][i] for k in range(t))
        return s["alpha_pre"] * psi[t][i] * trace(z, j, s["lam_pre"], t) + s["alpha_post"] * past * z[t][j]

    return products(layer, story, entry, exact_bias=False)


def stdp(layer, story, s):
    """y_i[t] with every x_j[k <= t], x_j[t] with every y_i[k < t]: the window of each pair at its later spike."""
    y = story[2]

    def entry(z, t, i, j):
        causal = sum(y[t][i] * z[k][j] * s["lam_pre"] ** (t - k) for k in range(t + 1))
        noncausal = sum(z[t][j] * y[k][i] * s["lam_post"] ** (t - k) for k in range(t))
        return s["alpha_pre"] * causal + s["alpha_post"] * noncausal

    return products(layer, story, entry, exact_bias=False)


def rstdp(layer, story, s):
    """c_ij[t] = sum over r <= t of slow^(t-r) (STDP's change at r)."""
    return {
        name: np.array([sum(s["slow"] ** (t - r) * e[r] for r in range(t + 1)) for t in range(len(e))])
        for name, e in stdp(layer, story, s).items()
    }


# ----------------------------------------------------------------------------------------------------------------- signals
# Scene (one sample) -> delta [layer][T][N]


class Scene(NamedTuple):
    """What a signal may look at: one sample, the errors at the output undivided and in the window alone."""

    layers: list
    stories: list
    err: list  # [T][O]
    label: int
    feedback: list  # B [O][N] of each hidden layer, or (fa) the matrix [N][N_below] of each layer that sends an error down
    batch: int


def from_above(scene):
    """Return delta through the transposes of the layers above at this step alone, of the loss averaged over the batch."""
    return oracles.downwards(scene.layers, scene.stories, [[e / scene.batch for e in row] for row in scene.err])


def from_above_by_feedback(scene):
    """Return the same through other matrices than the transposes."""
    layers = [{**layer, "W": B or layer["W"]} for layer, B in zip(scene.layers, scene.feedback)]
    return from_above(scene._replace(layers=layers))


def projected(vector):
    """Return the signal sum over classes c of vector(err[t], label)_c B[c][i]."""

    def signal(scene):
        deltas = []
        for B in scene.feedback:
            at = []
            for err in scene.err:
                v = vector(err, scene.label)
                at.append([sum(v[c] * B[c][i] for c in range(len(v))) for i in range(len(B[0]))])
            deltas.append(at)
        return deltas

    return signal


def local(unit):
    """Return the derivative of CE(B a, label) by y, a = y or y / |y| (where there is a spike)."""

    def signal(scene):
        deltas = []
        for B, story in zip(scene.feedback, scene.stories):
            at = []
            for y in story[2]:
                n = len(y)
                norm = math.sqrt(sum(v * v for v in y)) if unit and any(y) else 1.0
                error = oracles.cross_entropy([sum(row[i] * y[i] / norm for i in range(n)) for row in B], scene.label)[1]
                by_a = [sum(error[c] * B[c][i] for c in range(len(B))) for i in range(n)]
                if unit and any(y):  # d a_k / d y_i = [i = k]/|y| - y_i y_k / |y|^3
                    at.append([sum(by_a[k] * ((i == k) / norm - y[i] * y[k] / norm**3) for k in range(n)) for i in range(n)])
                else:
                    at.append(by_a)
            deltas.append(at)
        return deltas

    return signal


def rewarded(reward):
    """Return -reward(err, label) for every neuron."""
    return lambda scene: [[[-reward(err, scene.label)] * len(y) for err, y in zip(scene.err, story[2])] for story in scene.stories[:-1]]


def right_answer(err, label):
    """Return 1 if the likeliest class is the label, -1 otherwise; err = softmax - onehot."""
    p = [e + (c == label) for c, e in enumerate(err)]
    return 1.0 if max(range(len(p)), key=p.__getitem__) == label else -1.0


def onehot(err, label):
    return [float(c == label) for c in range(len(err))]


SIGNALS = {
    "bp": from_above,
    "fa": from_above_by_feedback,
    "dfa": projected(lambda err, label: err),
    "sdfa": projected(lambda err, label: [(e > 0) - (e < 0) for e in err]),
    "drtp": projected(onehot),
    "adaptive": projected(lambda err, label: err),
    "local": local(False),
    "fixed": local(False),
    "square": local(False),
    "sine": local(True),
    "one": rewarded(lambda err, label: 1.0),
    "hit": rewarded(right_answer),
}


def waves(classes, units, square):
    """Return sin(f_c k), f_c from 50 to 512 in even steps, k = 0 ... units - 1; square: its sign over the number of units."""
    out = []
    for c in range(classes):
        f = 50.0 + (512.0 - 50.0) * c / (classes - 1)
        sines = [math.sin(f * k) for k in range(units)]
        out.append([((v > 0) - (v < 0)) / units for v in sines] if square else sines)
    return out


# ---------------------------------------------------------------------------------------------------------- local rules


class Local(NamedTuple):
    """A rule of the family: eligibility of the lowest and of other hidden layers, of the readout, and its signal."""

    lowest: Callable
    hidden: Callable
    readout: Callable
    signal: str


def learn(local_rule, layers, x, target, on, s, feedback=(), signal=None):
    """Return (logits [T, B, O], grads of the weights' values) of a local rule, step by step inside the window on [T, B]."""
    (T, batch), grads, logits = on.shape, oracles.zeros(layers), []
    signal = signal or local_rule.signal
    for b in range(batch):
        stories = oracles.walk(layers, x[:, b])
        z = stories[-1][2]
        err = [oracles.cross_entropy(z[t], target[b])[1] for t in range(T)]
        scene = Scene(layers, stories, err, int(target[b]), feedback, batch)
        deltas = [*SIGNALS[signal](scene)[: len(layers) - 1], [[e / batch for e in row] for row in err]]
        kinds = [local_rule.lowest, *[local_rule.hidden] * (len(layers) - 2), local_rule.readout]
        for n, (layer, story, kind) in enumerate(zip(layers, stories, kinds)):
            for name, e in kind(layer, story, s).items():
                for t in range(T):
                    if on[t, b]:
                        add(grads[f"{n}.{name}"], deltas[n][t], e[t])
        if signal in ("adaptive", "local"):
            for n, B in enumerate(feedback):
                grads.setdefault(f"{n}.B", np.zeros((len(B), len(B[0]))))
                own_classifier(grads[f"{n}.B"], signal, B, stories[n][2], err, on[:, b], int(target[b]), s["readout"], batch)
        logits.append(z)
    return np.array(logits).swapaxes(0, 1), grads


def add(grad, delta, e):
    """Add delta_i e_ij; of a table with a third index, sum over k of delta_k e_kij; a bias has no j."""
    for index in np.ndindex(e.shape):
        i, j = index[-2:]
        grad[(i, j) if grad.ndim == 2 else i] += delta[index[0]] * e[index]


def own_classifier(dB, signal, B, y, err, on, label, kappa, batch):
    """Add to dB [O, N]: adaptive, err_c tr(y_i; kappa) of the mean loss; local, (softmax(B y) - onehot)_c y_i."""
    for t in range(len(on)):
        if on[t]:
            own = oracles.cross_entropy([sum(row[i] * y[t][i] for i in range(len(row))) for row in B], label)[1]
            for c, i in np.ndindex(dB.shape):
                dB[c, i] += err[t][c] / batch * trace(y, i, kappa, t) if signal == "adaptive" else own[c] * y[t][i]


# ----------------------------------------------------------------------------------------------------------- exact gradients


def sensitivities(layers, x, target, on, truncated=False):
    """Return (logits, grads): d loss / d w for one weight at a time, its effect on every potential carried forward.

    Reset detached.  truncated: as if every sequence began, with its potentials and spikes as numbers, at its window's first step.
    """
    (T, batch), grads, logits = on.shape, oracles.zeros(layers), []
    for b in range(batch):
        stories = oracles.walk(layers, x[:, b])
        logits.append(stories[-1][2])
        steps = [t for t in range(T) if on[t, b]]
        err = {t: oracles.cross_entropy(stories[-1][2][t], target[b])[1] for t in steps}
        for key in grads:
            n, name = int(key[0]), key[2:]
            z = entering(layers[n], stories[n])[name]
            for index in np.ndindex(grads[key].shape):
                i, j = index if len(index) == 2 else (index[0], 0)
                moved = follow(layers, stories, n, i, [row[j] for row in z], steps[0] if truncated else 0)
                grads[key][index] += sum(err[t][c] * moved[t][c] for t in steps for c in range(len(err[t]))) / batch
    return np.array(logits).swapaxes(0, 1), grads


def follow(layers, stories, number, i, z, first):
    """Return d z_c[t] of the readout by a weight of neuron i of layer `number` that multiplies z[t], counted from step `first` on."""
    T, out = len(z), []
    du = [[0.0] * len(layer["W"]) for layer in layers]
    dy = [[0.0] * len(layer["W"]) for layer in layers]
    for t in range(T):
        for n in range(number, len(layers)):
            layer, before, spiked = layers[n], du[n], dy[n]
            now = [layer["gamma"] * before[k] for k in range(len(before))]
            for k in range(len(now)):
                if "V" in layer:
                    now[k] += sum(layer["V"][k][m] * spiked[m] for m in range(len(spiked)))
                if n > number:
                    now[k] += sum(layer["W"][k][m] * dy[n - 1][m] for m in range(len(dy[n - 1])))
            if n == number and t >= first:
                now[i] += z[t]
            du[n], dy[n] = now, [stories[n][3][t][k] * now[k] for k in range(len(now))]
        out.append(dy[-1])
    return out


# ------------------------------------------------------------------------------------------------------------ the family

EXACT_READOUT = traced("readout")
LOOPS = {
    "bptt": sensitivities,
    "tbptt": lambda *case: sensitivities(*case, truncated=True),
    "rtrl": sensitivities,
    "ostl": Local(ostl_complete, ostl_complete, EXACT_READOUT, "bp"),
    "osttp": Local(ostl_complete, ostl_complete, EXACT_READOUT, "drtp"),
    "eprop": Local(eprop, eprop, EXACT_READOUT, "bp"),
    "eprop_random": Local(eprop, eprop, EXACT_READOUT, "dfa"),
    "eprop_adaptive": Local(eprop, eprop, EXACT_READOUT, "adaptive"),
    "ottt": Local(traced("gamma", False), traced("gamma", False), EXACT_READOUT, "bp"),
    "ottt_published": Local(present, traced("gamma", False), traced("gamma", False), "bp"),
    "stllr": Local(stllr, stllr, EXACT_READOUT, "bp"),
    "tess": Local(stllr, stllr, EXACT_READOUT, "square"),
    "etlp": Local(traced("gamma"), traced("gamma"), EXACT_READOUT, "drtp"),
    "decolle": Local(traced("gamma"), traced("gamma"), EXACT_READOUT, "fixed"),
    "sltt": Local(present, present, present, "bp"),
    "sltt_k": Local(present, present, present, "bp"),
    "lls": Local(present, present, EXACT_READOUT, "sine"),
    "stdp": Local(stdp, stdp, EXACT_READOUT, "one"),
    "rstdp": Local(rstdp, rstdp, EXACT_READOUT, "hit"),
}


def through_standardisation(W, gain, dvalue):
    """Return the gradients of the raw weight and of the gain, given that of value = gain (W - mean)/s, by the whole Jacobian of a row."""
    n = len(W[0])
    dW, dgain = np.zeros((len(W), n)), np.zeros(len(W))
    for i in range(len(W)):
        mean = sum(W[i]) / n
        c = [w - mean for w in W[i]]
        s = math.sqrt(n * sum(v * v for v in c) / (n - 1) + 1e-4)
        for k in range(n):
            dgain[i] += dvalue[i][k] * c[k] / s
            for j in range(n):
                dW[i, j] += dvalue[i][k] * gain[i] * (((j == k) - 1 / n) / s - c[k] * c[j] * n / (n - 1) / s**3)
    return dW, dgain
