"""The members of the family: who comes from whom, what each gives up of its parent, the colour of each."""

from figures import COLOURS

COLOUR = {"bptt": COLOURS["bptt"], "tbptt": COLOURS["bptt"], "rtrl": COLOURS["bptt"], "stllr": COLOURS["stllr"]}
COLOUR |= dict.fromkeys(("eprop", "ottt", "ottt_published"), COLOURS["eprop"])
COLOUR |= dict.fromkeys(("osttp", "eprop_random", "eprop_adaptive", "etlp"), COLOURS["dfa"])
COLOUR |= dict.fromkeys(("stdp", "rstdp"), COLOURS["stdp"])
GREY = "#666666"
# Rule -> (parent, what it gives up of it, or adds to it), parents first: the order of the rows of the tree.
TREE = {
    "bptt": (None, "exact: the future is known"),
    "tbptt": ("bptt", "errors before the window"),
    "rtrl": ("bptt", "the future (no loss)"),
    "ostl": ("rtrl", "memory of the layers above"),
    "osttp": ("ostl", "path from above, and error"),
    "eprop": ("rtrl", "other neurons' memory, reset"),
    "eprop_random": ("eprop", "path from above"),
    "eprop_adaptive": ("eprop_random", "fixed B: it learns"),
    "ottt": ("eprop", "filter for the readout"),
    "etlp": ("ottt", "path, error, 4 steps of 5"),
    "decolle": ("ottt", "layers above: own loss"),
    "ottt_published": ("ottt", "trace of the lowest layer"),
    "stllr": ("ottt", "leak as decay; adds non-causal"),
    "tess": ("stllr", "layers above: own loss"),
    "stdp": ("stllr", "teacher; spike for $\\Psi$"),
    "rstdp": ("stdp", "adds reward, slow filter"),
    "sltt": ("ottt", "all memory"),
    "sltt_k": ("sltt", "4 steps of 5"),
    "lls": ("sltt", "layers above: own loss"),
}
