"""Figures of chapter 5: one exact gradient by two walks, what each has to keep, and what cheaper rules leave out."""

from figures.ch05.kept import bptt_numbers, ch05_memory, ch05_width, exponent, held, memory, rtrl_numbers, widths
from figures.ch05.methods import GAMMA, KAPPA, batch, build, disagree, stllr
from figures.ch05.thrown_away import ch05_thrown_away
from figures.ch05.two_walks import DELTA, ONE, ch05_two_walks
from figures.one_neuron import by_hand, causal, neuron
