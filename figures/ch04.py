"""Figures of chapter 4: the stairs of a spiking loss, the smooth curves that stand for them, and what training makes of each."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from figures import COLOURS, LINES
from stllr_ref import (
    LIF,
    SLTT,
    STLLR,
    Adam,
    Bias,
    Dense,
    Layer,
    Leaky,
    Network,
    arctan,
    bptt,
    cross_entropy,
    engine,
    fast_sigmoid,
    gradcheck,
    mse,
    network,
    sigmoid,
    triangle,
    window,
)
from stllr_ref.surrogates import PRIMITIVE
from stllr_ref.training import accuracy

FOUR = {fast_sigmoid: ":", triangle: "-", sigmoid: "--", arctan: "-."}
TWIN = "#999933"  # the smooth twin, in every figure of this chapter
INPUTS, WANTED = np.array([0.4, 0.6, 0.8, 1.2, 1.6, 2.0]), np.array([0.0, 0, 0, 1, 1, 1])  # of the one neuron: fire for the strong half
T, B, N, H, ON, OFF = 8, 32, 10, 12, 0.7, 0.1  # exclusive or: steps, samples, inputs, hidden neurons, spikes a step of a bit
SEEDS, UPDATES = range(5), 150


def no_slope(v):
    """Return 0 everywhere: the derivative of a step, wherever it has one."""
    return 0 * v


@dataclass(frozen=True)
class Late(LIF):
    """A neuron with a slip: Psi looks at the potential after the reset."""

    def fire(self, u):
        """Return y and the Psi of what the reset left over, shapes of u."""
        y, _ = super().fire(u)
        return y, self.psi(u - self.theta * y - self.theta)


def one_weight(w, psi=sigmoid):
    """Return one neuron of weight w and its task, as `bptt.run`: one step, six samples, the mean squared error of its output."""
    net = Network([Layer(Dense([[w]]), LIF(gamma=0, theta=1, psi=psi, reset="none"), SLTT())])
    return net, INPUTS[None, :, None], WANTED[:, None], mse, np.ones((1, 6), bool)


def loss_at(w, smooth=False):
    """Return the loss of the one neuron at weight w, or of its smooth twin."""
    net, *task = one_weight(w)
    return gradcheck.total_loss(gradcheck.twin(net, smooth=True) if smooth else net, *task)


def slope_at(w, smooth=False):
    """Return dL/dw by the chain rule with Psi, of the one neuron at weight w or of its smooth twin."""
    net, *task = one_weight(w)
    return bptt.run(gradcheck.twin(net, smooth=True) if smooth else net, *task)[1]["0.W"].item()


def exclusive_or(rng, B=B):
    """Return the task of the small network, as `bptt.run`: is exactly one of the first two inputs on? The other eight are noise."""
    bits = rng.integers(0, 2, (B, 2))
    p = np.concatenate([np.where(bits, ON, OFF), np.full((B, N - 2), 0.3)], 1)
    x = (rng.random((T, B, N)) < p).astype(float)
    return x, bits.sum(1) % 2, cross_entropy, window(T, [T] * B, start=0)


def small(rng, psi, bias=0.0, neuron=LIF):
    """Return ten inputs, twelve spiking neurons and a plain linear readout of two; bias is that of the spiking ones."""
    hidden, readout = rng.normal(0, 1.5 / np.sqrt(N), (H, N)), rng.normal(0, 1 / np.sqrt(H), (2, H))
    layer = Layer(Dense(hidden), neuron(gamma=0.8, theta=1, psi=psi), SLTT(), bias=Bias(np.full(H, float(bias))))
    return Network([layer, Layer(Dense(readout), Leaky(0), SLTT(), bias=Bias(np.zeros(2)))])


def train(seed, psi, **options):
    """Return the network of a seed after training, and its loss at every update: a mean over steps and samples, in nats."""
    rng = np.random.default_rng(seed)
    net = small(rng, psi, **options)
    adam, losses = Adam(net, lr=0.02), []
    for _ in range(UPDATES):
        x, target, loss, inside = exclusive_or(rng)
        logits, grads = bptt.run(net, x, target, loss, inside)
        adam.step(grads)
        losses.append(np.mean([loss(z, target)[0] for z in logits]))
    return net, losses


def score(net):
    """Return the accuracy on 1000 fresh samples, in percent, always the same ones."""
    x, target, _, inside = exclusive_or(np.random.default_rng(99), 1000)
    return 100 * accuracy(engine.forward(net, x), target, inside)


def scores(psi, **options):
    """Return the accuracy after training, one a seed."""
    return np.array([score(train(seed, psi, **options)[0]) for seed in SEEDS])


def tiny():
    """Return the smooth twin of two neurons with three inputs and a readout that remembers, and a task of five steps."""
    rng = np.random.default_rng(3)
    hidden = Layer(Dense(rng.normal(0, 1, (2, 3))), LIF(gamma=0.8, theta=0.6, psi=sigmoid), SLTT())
    net = Network([hidden, Layer(Dense(rng.normal(0, 1, (2, 2))), Leaky(0.5), SLTT())])
    return gradcheck.twin(net, smooth=True, attached=True), rng.random((5, 2, 3)), np.array([0, 1]), cross_entropy, np.ones((5, 2), bool)


def errors_of_steps(steps):
    """Return the largest errors of central differences and of the complex step, [len(steps)] each, against BPTT on the tiny twin."""
    net, *task = tiny()
    exact = bptt.run(net, *task, attached=True)[1]
    ways = gradcheck.central_differences, gradcheck.complex_step
    return [np.array([gradcheck.largest_error(way(net, *task, h=h), exact) for h in steps]) for way in ways]


def two_roles(error, eligibility):
    """Return the gradients of S-TLLR, name -> array, of two spiking layers and a readout; both Psi are those of the upper layer."""
    rng = np.random.default_rng(0)
    row, n_in = [], N
    for psi, rule_psi in [(triangle, None), (error, eligibility)]:
        rule = STLLR(lam_pre=0.75, lam_post=0.2, alpha_pre=1, alpha_post=-1, psi=rule_psi)
        row.append(Layer(Dense(rng.normal(0, 2 / np.sqrt(n_in), (H, n_in))), LIF(gamma=0.8, theta=1, psi=psi), rule))
        n_in = H
    net = Network([*row, Layer(Dense(rng.normal(0, 1 / np.sqrt(H), (2, H))), Leaky(0), SLTT())])
    task = exclusive_or(rng)
    gradcheck.liveness(net, task[0])
    return network.run(net, *task)[1]


def _stairs(ax, w):
    """Draw the loss of the one neuron against its weight, with the smooth twin's."""
    ax.plot(w, [loss_at(x) for x in w], color=COLOURS["post"])
    ax.plot(w, [loss_at(x, smooth=True) for x in w], color=TWIN, linestyle="--", linewidth=2)
    ax.annotate("spikes: stairs", (1.02, 0.42), color=COLOURS["post"], ha="left")
    ax.annotate("smooth twin", (1.45, 0.05), color=TWIN)
    ax.set(ylabel="loss", ylim=(-0.03, 0.56))


def ch04_stairs(rng):
    """Draw the stairs, their twin and Psi of every input; beside them training without and with Psi. The seeds are fixed."""
    figure, axes = plt.subplot_mosaic("ac;bd", figsize=(6.4, 4.4))
    w = np.linspace(0.2, 3, 561)
    _stairs(axes["a"], w)
    axes["a"].set_title("one neuron, one weight, six inputs", fontsize=9)
    for x in INPUTS:
        axes["b"].plot(w, sigmoid(w * x - 1), color=COLOURS["post"], linewidth=0.8)
        for ax in (axes["a"], axes["b"]):
            ax.axvline(1 / x, color=COLOURS["control"], linewidth=0.6, linestyle=":", zorder=0)
    axes["b"].annotate("weak\ninputs", (2.45, 1.04), ha="center")
    axes["b"].annotate("strong\ninputs", (0.62, 1.04), ha="center")
    axes["b"].set(xlabel="weight w", ylabel="Ψ of each input", ylim=(0, 1.3), yticks=[0, 0.5, 1])
    cases = [
        ("c", no_slope, "control", "frozen", "true derivative, 0: it fails"),
        ("d", triangle, "bptt", "bptt", "Ψ in its place: it learns"),
    ]
    for key, psi, colour, line, title in cases:
        curves = np.array([train(seed, psi)[1] for seed in SEEDS])
        smoothed = np.array([np.convolve(curve, np.ones(10) / 10, "valid") for curve in curves])
        axes[key].plot(np.arange(10, UPDATES + 1), smoothed.T, color=COLOURS[colour], linewidth=0.6)
        axes[key].plot(np.arange(10, UPDATES + 1), np.median(smoothed, 0), LINES[line], color=COLOURS[colour], linewidth=2.2)
        axes[key].axhline(np.log(2), color=COLOURS["wrong"], linewidth=0.8, linestyle="-.")
        axes[key].annotate("guessing", (UPDATES, np.log(2) + 0.006), color=COLOURS["wrong"], ha="right", fontsize=8)
        axes[key].set(ylim=(0.48, 0.82), ylabel="loss (nats)")
        axes[key].set_title(title, fontsize=9)
    axes["d"].set_xlabel("update (thin: five seeds, thick: median;\nmeans of ten updates)")
    return figure


def ch04_four(rng):
    """Draw the four Psi and their primitives; nothing is random."""
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.2))
    v = np.linspace(-1.2, 1.2, 961)
    places = {fast_sigmoid: (0.1, 0.93), triangle: (0.55, 0.17), sigmoid: (0.34, 0.74), arctan: (-0.57, 0.42)}
    ends = {fast_sigmoid: 0.02, triangle: 0.3, sigmoid: 0.98, arctan: 0.42}
    for psi, line in FOUR.items():
        axes[0].plot(v, psi(v), color=COLOURS["post"], linestyle=line)
        axes[1].plot(v, PRIMITIVE[psi](v), color=TWIN, linestyle=line)
        axes[0].annotate(psi.__name__, places[psi], fontsize=8)
        end = f"{psi.__name__}\nto {PRIMITIVE[psi](np.array(1e9)):.3g}"
        axes[1].annotate(end, (1.25, ends[psi]), fontsize=8, va="center", annotation_clip=False)
    axes[1].step([-1.2, 0, 1.2], [0, 1, 1], where="post", color=COLOURS["control"], linewidth=0.8)
    axes[1].annotate("the spike", (-0.05, 0.93), ha="right", color=COLOURS["control"], fontsize=8)
    axes[0].set(xlabel="v = u - theta", title="Ψ")
    axes[1].set(xlabel="v = u - theta", title="Φ, whose derivative is Ψ", xlim=(-1.2, 1.2))
    return figure


def ch04_slopes(rng):
    """Draw the loss of the one neuron and three slopes of it; nothing is random."""
    figure, axes = plt.subplots(2, 1, figsize=(6.4, 4.2), sharex=True)
    w = np.linspace(0.2, 3, 561)
    _stairs(axes[0], w)
    axes[1].plot(w, [slope_at(x) for x in w], color=COLOURS["bptt"])
    axes[1].plot(w, [slope_at(x, smooth=True) for x in w], color=TWIN, linestyle="--", linewidth=2)
    axes[1].axhline(0, color=COLOURS["control"], linestyle=":", linewidth=2)
    axes[1].annotate("of the stairs: 0", (2.98, -0.03), color=COLOURS["control"], ha="right", va="top")
    axes[1].annotate("surrogate: errors of the\nspikes, times Ψ", (2.05, 0.33), color=COLOURS["bptt"])
    axes[1].annotate("of the twin", (1.22, 0.3), color=TWIN, ha="right")
    axes[1].set(xlabel="weight w", ylabel="slope dL/dw")
    return figure


def ch04_steps(rng):
    """Draw the error of both ways to differentiate against the size of the step; nothing is random."""
    steps = 10.0 ** np.arange(-20, 0)
    differences, imaginary = errors_of_steps(steps)
    figure, ax = plt.subplots(figsize=(6.4, 3.2))
    ax.loglog(steps, differences, "s--", color=COLOURS["wrong"], markersize=4)
    ax.loglog(steps, imaginary, "o-", color=TWIN, markersize=4)
    ax.annotate("central differences", (1e-12, 1e-3), color=COLOURS["wrong"])
    ax.annotate("complex step", (1e-16, 2e-14), color=TWIN, ha="left")
    ax.set(xlabel="step h", ylabel="largest error (of the largest entry)", ylim=(1e-17, 30))
    return figure
