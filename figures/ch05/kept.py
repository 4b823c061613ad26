"""What each method keeps, counted in the networks themselves: against the length of a sequence, against the width of a layer."""

import tracemalloc

import matplotlib.pyplot as plt
import numpy as np

from figures.ch05.methods import COLOUR, LINE, LOCAL, MARK, N, O, batch, build

STEPS = (1, 3, 10, 30, 100, 300, 1000)
WIDTHS = (8, 16, 32, 64, 128)


def numbers(arrays):
    """Return how many numbers there are in some arrays, each array counted once."""
    return sum(array.size for array in {id(array): array for array in arrays}.values())


def bptt_numbers(net, x):
    """Return how many numbers BPTT keeps of x [T, B, N] beside x: u, y and psi of every neuron, step and sample."""
    net.reset(traces=False)
    trails = []
    for x_t in x:
        net.step(x_t)
        trails.append(net.trail)
    return numbers(array for trail in trails for now in trail for array in (now.u, now.y, now.psi))


def rtrl_numbers(net, B=1):
    """Return how many numbers RTRL carries: for every weight, the derivative of each potential that it reaches."""
    potentials = [len(layer.synapses["W"].weight.value) for layer in net.layers]
    return B * sum(layer.synapses["W"].weight.value.size * sum(potentials[i:]) for i, layer in enumerate(net.layers))


def local_numbers(net, x):
    """Return how many numbers the layers of a network carry from step to step: potentials and the traces of their rules."""
    net.reset()
    for x_t in x:
        net.step(x_t)
    return numbers(array for layer in net.layers for array in layer.state().values())


def held(algorithm, net, x, target, loss, inside):
    """Return the bytes that a run holds, beyond what was there before, when it computes the loss of the last step."""
    seen = []

    def watched(output, target):
        seen.append(tracemalloc.get_traced_memory()[0])
        return loss(output, target)

    algorithm(net, x, target, loss, inside)  # so that what Python keeps for good is there
    net.reset()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    algorithm(net, x, target, watched, inside)
    tracemalloc.stop()
    return seen[-1] - before


def memory(steps=STEPS):
    """Return how many numbers each method keeps of one sample of so many steps, name -> list: two spiking layers and a readout."""
    rng = np.random.default_rng
    x, net = batch(rng(0), T=max(steps), B=1)[0], build(rng(1))
    potentials = 2 * N + O  # every method has the present ones
    kept = {"BPTT": [bptt_numbers(net, x[:T]) + potentials for T in steps], "RTRL": [rtrl_numbers(net) + potentials] * len(steps)}
    return kept | {name: [local_numbers(build(rng(1), rule), x[:T]) for T in steps] for name, rule in LOCAL.items()}


def ch05_memory(rng):
    """Draw how many numbers each method keeps against the number of steps; nothing is random."""
    figure, ax = plt.subplots(figsize=(6.4, 3.8))
    notes = {
        "RTRL": (1, "left", "RTRL: a number for every weight and every potential above it"),
        "BPTT": (100, "left", "   BPTT: every step"),
        "e-prop": (1000, "right", "e-prop, OSTL without H: a number for every weight"),
        "S-TLLR": (1000, "right", "S-TLLR: a potential and two traces for every neuron"),
    }
    for name, values in memory().items():
        ax.plot(STEPS, values, color=COLOUR[name], linestyle=LINE[name], marker=MARK[name], markersize=4)
        at, side, note = notes[name]
        place = (at, values[STEPS.index(at)])
        ax.annotate(
            note,
            place,
            (0, -2 if name == "BPTT" else -6 if name == "e-prop" else 5),
            textcoords="offset points",
            ha=side,
            va="top" if name in ("BPTT", "e-prop") else "bottom",
            color=COLOUR[name],
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="T, the length of the sequence (steps)",
        ylabel="numbers kept for one sample",
        ylim=(100, 500_000),
    )
    ax.set_title(f"{N} inputs, two feed-forward layers of {N} spiking neurons, {O} readout units", fontsize=9)
    ax.set(xticks=STEPS, xticklabels=STEPS)
    ax.minorticks_off()
    return figure


def widths():
    """Return how many numbers each online method carries for one sample, name -> list: a layer of n neurons over n inputs, a readout."""
    rng = np.random.default_rng
    kept = {"RTRL": [rtrl_numbers(build(rng(1), n=n, depth=1)) + n + O for n in WIDTHS]}
    for name, rule in LOCAL.items():
        kept[name] = [local_numbers(build(rng(1), rule, n, 1), batch(rng(0), T=6, B=1, n=n)[0]) for n in WIDTHS]
    return kept


def exponent(values):
    """Return p of values ~ n ** p between the two largest of WIDTHS, one twice the other."""
    return np.log2(values[-1] / values[-2])


def ch05_width(rng):
    """Draw how many numbers each online method carries against the number of neurons; nothing is random."""
    figure, ax = plt.subplots(figsize=(6.4, 3.4))
    for name, values in widths().items():
        ax.plot(WIDTHS, values, color=COLOUR[name], linestyle=LINE[name], marker=MARK[name], markersize=4)
        note = f"{name},\nOSTL without H" if name == "e-prop" else name
        ax.annotate(
            f"{note}\n$n^{{{exponent(values):.2f}}}$",
            (WIDTHS[-1], values[-1]),
            (9, 0),
            textcoords="offset points",
            va="center",
            color=COLOUR[name],
        )
    ax.set(xscale="log", yscale="log", xlabel="n, inputs and neurons of the layer", ylabel="numbers carried for one sample", xlim=(7, 260))
    ax.set(xticks=WIDTHS, xticklabels=WIDTHS)
    ax.set_title(f"n inputs, one feed-forward layer of n spiking neurons, {O} readout units", fontsize=9)
    ax.minorticks_off()
    return figure
