"""Independent oracles: the equations once more, in plain loops that import nothing of stllr_ref.

A network is a list of plain dicts, bottom to top: W [N_out][N_in], gamma, and where they exist V, b, theta, psi, reset
and the rule's numbers; a layer without theta is a leaky readout.  `describe` writes a network of the library down so.
Sequences are [T, B, N], a sample [T, N]; gradients are those of the loss summed over the window `on` [T, B] and
averaged over the batch, "0.W" and so on.
"""

import math

import numpy as np

# ------------------------------------------------------------------------------------------------ numbers, one at a time


def psi_of(name, v):
    """Return Psi(v) of one number."""
    if name == "fast_sigmoid":
        return 1.0 / (1.0 + 100.0 * abs(v)) ** 2
    if name == "triangle":
        return 0.3 * (1.0 - abs(v)) if abs(v) < 1.0 else 0.0
    if name == "sigmoid":
        s = 1.0 / (1.0 + math.exp(-4.0 * v))
        return 4.0 * s * (1.0 - s)
    if name == "arctan":
        return 1.0 / (1.0 + 100.0 * v * v)
    raise KeyError(name)


def cross_entropy(z, label):
    """Return the loss of one sample with logits z and its derivative by each of them."""
    top = max(z)
    exps = [math.exp(a - top) for a in z]
    total = sum(exps)
    return math.log(total) + top - z[label], [e / total - (1.0 if c == label else 0.0) for c, e in enumerate(exps)]


def kept(layer, u, y):
    """Return what one neuron hands to its next step: eq. (1), and its two relatives."""
    if "theta" not in layer or layer["reset"] == "none":
        return layer["gamma"] * u
    if layer["reset"] == "soft":
        return layer["gamma"] * (u - layer["theta"] * y)
    return 0.0 if y == 1.0 else layer["gamma"] * u


def adam(w, grads, lr, b1=0.9, b2=0.999, eps=1e-8):
    """Return one weight after each of the gradients: Algorithm 1 of Kingma and Ba, number by number."""
    m = v = 0.0
    out = []
    for t, g in enumerate(grads, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        w = w - lr * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + eps)
        out.append(w)
    return out


# ---------------------------------------------------------------------------------------------------- a network, upwards


def describe(net):
    """Return a stack of dense layers of the library as plain dicts (it is read by its attributes; nothing is imported)."""
    out = []
    for layer in net.layers:
        names = {"W": layer.synapses["W"], "V": layer.synapses.get("V"), "b": layer.bias}
        plain = {name: synapse.weight.value.tolist() for name, synapse in names.items() if synapse is not None}
        neuron = layer.neuron
        plain["gamma"] = neuron.gamma
        if hasattr(neuron, "theta"):
            plain |= {"theta": neuron.theta, "reset": neuron.reset, "psi": neuron.psi.__name__}
        out.append(plain)
    return out


def walk(layers, x):
    """Return for each layer the lists (x, u, y, psi) over the steps of one sample x [T, N]; eqs. (1), (2), (14)."""
    story, entering = [], [list(map(float, row)) for row in x]
    for layer in layers:
        us, ys, psis = [], [], []
        for t, row in enumerate(entering):
            u, y, psi = [], [], []
            for i, w in enumerate(layer["W"]):
                total = kept(layer, us[t - 1][i], ys[t - 1][i]) if t else 0.0
                total += sum(w[j] * row[j] for j in range(len(row)))
                if "V" in layer and t:
                    total += sum(layer["V"][i][k] * ys[t - 1][k] for k in range(len(layer["W"])))
                if "b" in layer:
                    total += layer["b"][i]
                spiking = "theta" in layer
                u.append(total)
                y.append((1.0 if total > layer["theta"] else 0.0) if spiking else total)
                psi.append(psi_of(layer["psi"], total - layer["theta"]) if spiking else 1.0)
            us.append(u), ys.append(y), psis.append(psi)
        story.append((entering, us, ys, psis))
        entering = ys
    return story


def zeros(layers):
    return {f"{n}.{name}": np.zeros_like(np.array(layer[name])) for n, layer in enumerate(layers) for name in "WVb" if name in layer}


def over_samples(one, layers, x, target, on, summed=False, **options):
    """Return (logits [T, B, O], grads): the sum of one(layers, story, err, grads, first, **options) over the batch."""
    T, B = on.shape
    grads, logits = zeros(layers), []
    for b in range(B):
        story = walk(layers, x[:, b])
        z = story[-1][2]
        err = [[0.0] * len(z[0]) for _ in range(T)]
        steps = [t for t in range(T) if on[t, b]]
        whole = cross_entropy([sum(z[t][c] for t in steps) for c in range(len(z[0]))], target[b])[1] if summed else None
        for t in steps:
            err[t] = [e / B for e in (whole or cross_entropy(z[t], target[b])[1])]
        one(layers, story, err, grads, steps[0] if steps else T, **options)
        logits.append(z)
    return np.array(logits).swapaxes(0, 1), grads


# ------------------------------------------------------------------------------------------- exact, backwards through time


def bptt_sample(layers, story, err, grads, first, attached=False, through_V=True, truncated=False):
    """Add the exact surrogate gradient of one sample, backwards in time, index by index."""
    T = len(err)
    later = [None] * len(layers)  # g[t+1] of each layer
    for t in reversed(range(T)):
        d = list(err[t])
        for n in reversed(range(len(layers))):
            layer, (x, u, y, psi) = layers[n], story[n]
            g = []
            for i in range(len(layer["W"])):
                at_y, onward = d[i], 0.0
                if later[n] is not None and not (truncated and t < first):
                    onward = layer["gamma"] * later[n][i]
                    if "V" in layer and through_V:
                        at_y += sum(layer["V"][k][i] * later[n][k] for k in range(len(later[n])))
                    if "theta" in layer and layer["reset"] == "soft" and attached:
                        at_y -= layer["gamma"] * layer["theta"] * later[n][i]
                    if "theta" in layer and layer["reset"] == "hard":
                        onward *= 1.0 - y[t][i]
                        if attached:
                            at_y -= layer["gamma"] * u[t][i] * later[n][i]
                g.append(psi[t][i] * at_y + onward)
            for i in range(len(g)):
                for j in range(len(x[t])):
                    grads[f"{n}.W"][i, j] += g[i] * x[t][j]
                if "V" in layer and t:
                    for k in range(len(g)):
                        grads[f"{n}.V"][i, k] += g[i] * y[t - 1][k]
                if "b" in layer:
                    grads[f"{n}.b"][i] += g[i]
            d = [sum(layer["W"][i][j] * g[i] for i in range(len(g))) for j in range(len(x[t]))]
            later[n] = g


def bptt(layers, x, target, on, **options):
    """Return (logits, grads) of exact backpropagation through time."""
    return over_samples(bptt_sample, layers, x, target, on, **options)


# ------------------------------------------------------------------------------------------------- local in time, forwards


def downwards(layers, story, err):
    """Return delta [layer][T][N_out] = dL/dy through the layers above at the same step alone; eq. (12)."""
    deltas = [None] * len(layers)
    deltas[-1] = err
    for n in reversed(range(1, len(layers))):
        W, psi, above = layers[n]["W"], story[n][3], deltas[n]
        deltas[n - 1] = [
            [sum(above[t][i] * psi[t][i] * W[i][j] for i in range(len(W))) for j in range(len(W[0]))] for t in range(len(err))
        ]
    return deltas


def stllr_sample(layers, story, err, grads, first, rules):
    """Add S-TLLR's update of one sample: eq. (10) as a table of lags, eq. (9) as a sum over pairs of steps (t, k)."""
    T = len(err)
    lag = np.subtract.outer(np.arange(T), np.arange(T))  # t - k
    for n, delta in enumerate(downwards(layers, story, err)):
        rule, (x, _, y, psi) = rules[n], (np.array(a) for a in story[n])
        delta = np.array(delta)
        shift = 0 if rule["post_trace"] == "paper" else 1  # the code: the step before weighs 1
        causal = np.where(lag >= 0, float(rule["lam_pre"]) ** np.maximum(lag, 0), 0.0)
        earlier = np.where(lag >= 1, float(rule["lam_post"]) ** np.maximum(lag - shift, 0), 0.0)
        entering = {"W": x, "V": np.vstack([np.zeros_like(y[:1]), y[:-1]])}
        for name, z in entering.items():
            if name in layers[n]:
                pairs = np.einsum("ti,ti,tk,kj->ij", delta, psi, causal, z)
                grads[f"{n}.{name}"] += rule["alpha_pre"] * pairs + rule["alpha_post"] * np.einsum("ti,tk,ki,tj->ij", delta, earlier, psi, z)
        if "b" in layers[n]:
            slow = rule["bias_decay"]
            ones = np.where(lag >= 0, float(slow) ** np.maximum(lag, 0), 0.0).sum(1)
            grads[f"{n}.b"] += (rule["alpha_pre"] if slow else 1.0) * np.einsum("ti,ti,t->i", delta, psi, ones)


def stllr(layers, x, target, on, rules):
    """Return (logits, grads) of S-TLLR; rules: one dict a layer with lam_pre, lam_post, alphas, post_trace, bias_decay."""
    return over_samples(stllr_sample, layers, x, target, on, rules=rules)


def ottt_sample(layers, story, err, grads, first):
    """Add OTTT's update of one sample as its paper prints it: a^[t] = lambda a^[t-1] + s[t], dW[t] = g_u[t] a^[t]^T, in every layer."""
    for n, delta in enumerate(downwards(layers, story, err)):
        x, _, _, psi = story[n]
        tracked = [0.0] * len(x[0])
        for t in range(len(err)):
            for j in range(len(tracked)):
                tracked[j] = layers[n]["gamma"] * tracked[j] + x[t][j]
            for i in range(len(psi[t])):
                for j in range(len(tracked)):
                    grads[f"{n}.W"][i, j] += delta[t][i] * psi[t][i] * tracked[j]
                if "b" in layers[n]:
                    grads[f"{n}.b"][i] += delta[t][i] * psi[t][i]


def ottt(layers, x, target, on):
    """Return (logits, grads) of OTTT_A; the bias takes g_u[t] alone."""
    return over_samples(ottt_sample, layers, x, target, on)


def sltt_sample(layers, story, err, grads, first):
    """Add SLTT's update of one sample as its paper prints it: dW = sum over t of e_u[t] s[t]^T, no temporal dependency at all."""
    for t in range(len(err)):
        e = list(err[t])
        for n in reversed(range(len(layers))):
            x, _, _, psi = story[n]
            e = [e[i] * psi[t][i] for i in range(len(e))]
            for i in range(len(e)):
                for j in range(len(x[t])):
                    grads[f"{n}.W"][i, j] += e[i] * x[t][j]
                if "b" in layers[n]:
                    grads[f"{n}.b"][i] += e[i]
            e = [sum(layers[n]["W"][i][j] * e[i] for i in range(len(e))) for j in range(len(x[t]))]


def sltt(layers, x, target, on):
    """Return (logits, grads) of SLTT."""
    return over_samples(sltt_sample, layers, x, target, on)


def stdp(x, y, lam_pre, lam_post, alpha_pre, alpha_post):
    """Return STDP's change [N_out, N_in] over a sample, spikes x [T, N_in], y [T, N_out]: eq. (4) spike pair by spike pair, eq. (3)."""
    dW = np.zeros((len(y[0]), len(x[0])))
    for s in range(len(y)):
        for k in range(len(x)):
            change = alpha_pre * lam_pre ** (s - k) if s >= k else alpha_post * lam_post ** (k - s)
            dW += change * np.outer(y[s], x[k])
    return dW
