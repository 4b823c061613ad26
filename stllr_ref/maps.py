r"""Maps between layers that learn nothing: pooling, flattening, upsampling, dropout.

A map has two functions: `forward(x) -> (out, memo)` and its transpose `backward(g, memo) -> dL/dx`.  What the way
back must remember (which pixel won, which shape came in) travels in memo, so a map keeps no state between steps and
the same map serves one step, a whole sequence kept by BPTT, and complex numbers.  Images are [..., C, H, W] with any
leading axes.
"""

import numpy as np

from stllr_ref import checks


def _taps(x, k):
    """Return views [..., H//k, W//k] of x [..., H, W], one for each place in a k x k block, row-major; odd last rows and columns drop."""
    h, w = x.shape[-2] // k, x.shape[-1] // k
    if not (h and w):
        raise ValueError(f"x: got an image of {x.shape[-2]} x {x.shape[-1]} to pool by {k}, expected at least {k} x {k}")
    return [x[..., i : h * k : k, j : w * k : k] for i in range(k) for j in range(k)]


class MaxPool:
    """Largest of each k x k block, [..., H, W] -> [..., H//k, W//k].

    Spikes tie all the time: the *first* maximum in row-major order wins, and the gradient goes to it alone.  Complex
    numbers are compared by their real part.

    >>> image = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    >>> out, memo = MaxPool(2).forward(image)
    >>> out
    array([[1., 0.]])
    >>> MaxPool(2).backward(np.array([[5.0, 7.0]]), memo)
    array([[5., 0., 7., 0.],
           [0., 0., 0., 0.]])
    """

    def __init__(self, k):
        self.k = checks.whole("k", k, 1)

    def forward(self, x):
        """Return the pooled image [..., H//k, W//k] and (winner of each block, shape of x)."""
        first, *others = _taps(x, self.k)
        out, winner = first.copy(), np.zeros(first.shape, np.min_scalar_type(self.k**2 - 1))
        for n, tap in enumerate(others, 1):
            larger = (tap.real > out.real) | (tap.real != tap.real)  # strictly: a tie stays with the earlier; NaN is not lost
            np.copyto(out, tap, where=larger)
            np.copyto(winner, n, where=larger, casting="unsafe")
        return out, (winner, x.shape)

    def backward(self, g, memo):
        """Return g [..., H//k, W//k] sent to the winners, [..., H, W]."""
        winner, shape = memo
        out = np.zeros(shape, g.dtype)
        for n, tap in enumerate(_taps(out, self.k)):
            np.copyto(tap, g, where=winner == n)
        return out


class AvgPool:
    """Mean of each k x k block, [..., H, W] -> [..., H//k, W//k].

    >>> AvgPool(2).forward(np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]))[0]
    array([[0.75, 0.  ]])
    """

    def __init__(self, k):
        self.k = checks.whole("k", k, 1)

    def forward(self, x):
        """Return the pooled image [..., H//k, W//k] and the shape of x."""
        return sum(tap / self.k**2 for tap in _taps(x, self.k)), x.shape

    def backward(self, g, memo):
        """Return g [..., H//k, W//k] spread evenly over its blocks, [..., H, W]."""
        out = np.zeros((*g.shape[:-2], *memo[-2:]), g.dtype)
        for tap in _taps(out, self.k):
            np.divide(g, self.k**2, out=tap)
        return out


class GlobalAvg:
    """Mean over all pixels, [..., C, H, W] -> [..., C]."""

    def forward(self, x):
        """Return the means [..., C] and the shape of x."""
        return x.mean((-2, -1)), x.shape

    def backward(self, g, memo):
        """Return g [..., C] spread evenly over the pixels, [..., C, H, W]."""
        H, W = memo[-2:]
        return np.broadcast_to((g / (H * W))[..., None, None], (*g.shape, H, W))


class Flatten:
    """Image to vector, [..., C, H, W] -> [..., C H W], row-major."""

    def forward(self, x):
        """Return the vector [..., C H W] and the shape of x."""
        return x.reshape(*x.shape[:-3], -1), x.shape

    def backward(self, g, memo):
        """Return g [..., C H W] as an image [..., C, H, W]."""
        return g.reshape(*g.shape[:-1], *memo[-3:])


class Upsample:
    """Nearest-neighbour enlargement by k, [..., H, W] -> [..., H k, W k]."""

    def __init__(self, k):
        self.k = checks.whole("k", k, 1)

    def forward(self, x):
        """Return the enlarged image [..., H k, W k]; nothing to remember."""
        return x.repeat(self.k, -2).repeat(self.k, -1), None

    def backward(self, g, memo):
        """Return the sum of g [..., H k, W k] over each pixel's copies, [..., H, W]."""
        return sum(_taps(g, self.k))


class Dropout:
    """Switch units off with probability p: one binary mask a sequence, constant over time, no rescaling.

    As published (DropoutLIF): without the usual 1/(1-p), so activity is higher at evaluation, where no Generator is
    passed to `reset` and the mask is 1.  `reset(rng)` forgets the mask; the first step of a sequence draws the next.

    >>> dropout = Dropout(0.5)
    >>> dropout.reset(np.random.default_rng(0))
    >>> first, second = (dropout.forward(np.ones((1, 8)))[0] for t in range(2))
    >>> np.array_equal(first, second), sorted(set(first.ravel().tolist()))
    (True, [0.0, 1.0])
    """

    def __init__(self, p):
        self.p = checks.number("p", p, 0, 1)
        self.reset(None)

    def reset(self, rng):
        """Start a sequence: draw the next mask from the Generator rng, or let everything pass if rng is None."""
        self.rng, self.mask = rng, None

    def forward(self, x):
        """Return x [B, ...] with the dropped units at 0, and the mask."""
        if self.rng is None:
            return x, None
        if self.mask is None:
            self.mask = (self.rng.random(x.shape) >= self.p).astype(x.real.dtype)
        return x * self.mask, self.mask

    def backward(self, g, memo):
        """Return g [B, ...] with the dropped units at 0."""
        return g if memo is None else g * memo
