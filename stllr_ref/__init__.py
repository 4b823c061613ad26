"""S-TLLR in plain NumPy: a reference to read, to teach from, and to check other implementations against.

A network is a row of layers; a layer is a synapse, a neuron and a rule.  Sequences are [T, B, N] or [T, B, C, H, W], weights
W[post, pre].

- Build: `Network` of `Layer`; synapses `Dense`, `Conv2d`, `Bias` with weights from `kaiming`, `Plain` (as an array is) or `Standardised`;
  neurons `LIF` and, as the readout, `Leaky`, whose leak is a `decay`; rules `STLLR`, `OTTT`, `SLTT`, `EProp`, `OSTL`; Psi `fast_sigmoid`,
  `triangle`, `sigmoid`, `arctan`, `spike`; learning signals other than the error itself `DFA`, `sDFA`, `DRTP`, `Local`, `Frozen`.
- Gradients of a batch, all called alike: `engine.run` (fast), `network.run` (step by step), `twins.loops` (as printed); exact
  ones `bptt.run`, `rtrl.run`.  `window` says at which steps a network learns, `cross_entropy` or `mse` from what; `cosine`
  compares two gradients.
- Train: `training.fit` and `training.predict`, or `Adam` and `SGD` by hand.
- Judge an implementation of your own: `stllr_ref.oracle`, which is imported by itself.

The README has all of it in forty lines; chapters/your_own.md begins with your own arrays.
"""

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
