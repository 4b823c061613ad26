"""Figures of chapter 6: the exact gradient as a product of three factors, and where the local rule leaves it."""

from figures.ch06.networks import GAMMA, NETWORKS, batch, both, build, ch06_cloud, ch06_lam_pre, closeness, many
from figures.ch06.terms import ch06_hand, ch06_lost, ch06_orders, terms_of_two
from figures.one_neuron import by_hand, causal, column, neuron
