"""Figures of chapter 9: the family of rules, by what each remembers and is told, by what it gives up, costs and learns."""

from figures.ch09.grid import SPACE, TIME, ch09_grid, place
from figures.ch09.homes import HOME, home, pair
from figures.ch09.learns import UNTRAINED, ch09_learns
from figures.ch09.measured import accuracies, after, before, price, train
from figures.ch09.members import TREE
from figures.ch09.tree import ch09_tree
