r"""PyTorch forms of the networks of `networks.py`: the competitors of the speed race, written from the equations.

| function       | rule   | how                                                                                       | module        |
| -------------- | ------ | ----------------------------------------------------------------------------------------- | ------------- |
| published_bptt | BPTT   | autograd over all steps; weights standardised at every call, as in the authors' code      | autograd      |
| snntorch_bptt  | BPTT   | the same network of snnTorch's neurons                                                    | with_snntorch |
| torch_chunked  | S-TLLR | no autograd: k steps at a time, in place, oneDNN's products or those that skip zeros      | chunked       |
| torch_conv     | S-TLLR | the same code on convolutions; with chunk=1 step by step                                  | chunked       |

Each is `peer(net, x, target, inside) -> step`: it reads a `stllr_ref` network (soft resets; layers and maps in a row) and
converts the data; `step()` runs one batch and returns name -> gradient, a NumPy array, with the names of `Network.get`.
The loss is the cross-entropy at each step of the window.
"""

import torch  # the race asks it for its version and sets its threads

from benchmarks.peers.autograd import published_bptt
from benchmarks.peers.chunked import torch_chunked, torch_conv
from benchmarks.peers.with_snntorch import snntorch_bptt

__all__ = ["published_bptt", "snntorch_bptt", "torch", "torch_chunked", "torch_conv"]
