"""S-TLLR in plain NumPy: a reference to read, to teach from, and to check other implementations against."""

from stllr_ref import bptt, engine, network, rtrl, training, twins
from stllr_ref.gradcheck import cosine
from stllr_ref.layer import Layer
from stllr_ref.losses import cross_entropy, mse, window
from stllr_ref.network import Network
from stllr_ref.neurons import LIF, Leaky
from stllr_ref.optim import SGD, Adam
from stllr_ref.rules import OTTT, SLTT, STLLR
from stllr_ref.signals import DFA, DRTP, Frozen, Local, sDFA
from stllr_ref.surrogates import arctan, fast_sigmoid, sigmoid, spike, triangle
from stllr_ref.synapses import Bias, Conv2d, Dense
from stllr_ref.synaptic import OSTL, EProp
from stllr_ref.traces import decay
from stllr_ref.weights import Plain, Standardised, kaiming
