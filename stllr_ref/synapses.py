r"""Synapses: a linear map on a weight, with three verbs.

- `forward(x)`: what the weight makes of its input;
- `backward(g, shape)`: the transpose, which carries an error from the output back to an input of that shape;
- `outer(post, pre)`: the sum over all leading axes of the products of post and pre, in the shape of the weight.

Verbs take any leading axes, so the same code serves one step [B], a chunk of steps [K, B] and tangents [P, B].  The
three belong together: <g, forward(x)> = <backward(g), x> = <outer(g, x), W> for any x and g.  A Bias has no backward:
its input is the number 1, which no error needs to reach.
"""

import numpy as np

from stllr_ref import checks
from stllr_ref.weights import as_weight


class Dense:
    """All to all: y = x W^T with W[post, pre], x [..., N_in] -> [..., N_out].

    Parameters
    ----------
    W : weight or ndarray, shape [N_out, N_in]
        `Plain`, `Standardised`, or an array (plain).

    Examples
    --------
    >>> synapse = Dense(np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]))
    >>> synapse.forward(np.array([[1.0, 0.0, 1.0]]))
    array([[4., 0.]])
    >>> synapse.backward(np.array([[1.0, -1.0]]))
    array([[1., 1., 3.]])
    >>> synapse.outer(post=np.array([[1.0, -1.0]]), pre=np.array([[1.0, 2.0, 3.0]]))
    array([[ 1.,  2.,  3.],
           [-1., -2., -3.]])
    """

    axes = 1  # of one sample

    def __init__(self, W):
        self.weight = as_weight(W)
        if self.weight.value.ndim != 2:
            raise ValueError(f"W: got shape {self.weight.value.shape}, expected [N_out, N_in]")

    def forward(self, x):
        """Return x W^T, [..., N_in] -> [..., N_out]."""
        W = self.weight.value
        if x.shape[-1] != W.shape[1]:
            raise ValueError(f"x: got {x.shape[-1]} inputs, expected {W.shape[1]} (W has shape {W.shape})")
        return (x.reshape(-1, x.shape[-1]) @ W.T).reshape(*x.shape[:-1], len(W))  # one product, however many leading axes

    def backward(self, g, shape=None):
        """Return g W, [..., N_out] -> [..., N_in]; the shape of the input is known."""
        W = self.weight.value
        return (g.reshape(-1, len(W)) @ W).reshape(*g.shape[:-1], W.shape[1])

    def outer(self, post, pre):
        """Return sum of post_i pre_j over the leading axes, [..., N_out] and [..., N_in] -> [N_out, N_in]."""
        return post.reshape(-1, post.shape[-1]).T @ pre.reshape(-1, pre.shape[-1])


class Conv2d:
    """Convolution (as in deep learning: correlation) with zero padding, [..., C_in, H, W] -> [..., C_out, H', W'].

    Parameters
    ----------
    W : weight or ndarray, shape [C_out, C_in, k, k]
        Square filters.
    stride : int
        Step of the filter in pixels.
    padding : int, optional
        Zeros on each side; k // 2 by default ("same" for odd k and stride 1).

    Notes
    -----
    H' = (H + 2 padding - k) // stride + 1.  Each verb is one matrix product, with the patches as columns (im2col).

    Examples
    --------
    >>> synapse = Conv2d(np.ones((8, 2, 3, 3)), stride=2)
    >>> synapse.forward(np.ones((5, 2, 16, 16))).shape
    (5, 8, 8, 8)
    """

    axes = 3

    def __init__(self, W, stride=1, padding=None):
        self.weight = as_weight(W)
        shape = self.weight.value.shape
        if len(shape) != 4 or shape[2] != shape[3]:
            raise ValueError(f"W: got shape {shape}, expected [C_out, C_in, k, k]")
        self.k = shape[2]
        self.stride = checks.whole("stride", stride, 1)
        self.padding = self.k // 2 if padding is None else checks.whole("padding", padding, 0)

    def _taps(self, h, w):
        """Yield for each entry (i, j) of the filter which h x w pixels of the padded image it meets, as (i, j, rows, columns)."""
        s = self.stride
        for i in range(self.k):
            for j in range(self.k):
                yield i, j, slice(i, i + s * h, s), slice(j, j + s * w, s)

    def _size(self, H, W):
        """Return H', W' of an image of H x W."""
        return tuple((n + 2 * self.padding - self.k) // self.stride + 1 for n in (H, W))

    def columns(self, x):
        """Return the patches of x [..., C, H, W] under the filter, [C k k, M, H', W'] with M the product of the leading axes."""
        p, k = self.padding, self.k
        C, H, W = x.shape[-3:]
        if C != self.weight.value.shape[1] or min(H, W) + 2 * p < k:
            expected = f"{self.weight.value.shape[1]} channels of at least {k - 2 * p} x {k - 2 * p}"
            raise ValueError(f"x: got an image of {C} x {H} x {W}, expected {expected}")
        x = x.reshape(-1, C, H, W)
        padded = np.zeros((C, len(x), H + 2 * p, W + 2 * p), x.dtype)
        padded[:, :, p : p + H, p : p + W] = x.swapaxes(0, 1)
        columns = np.empty((C, k, k, len(x), *self._size(H, W)), x.dtype)
        for i, j, rows, cols in self._taps(*columns.shape[-2:]):  # k k copies of long rows, in place of H' W' copies of short ones
            columns[:, i, j] = padded[:, :, rows, cols]
        return columns.reshape(C * k * k, *columns.shape[-3:])

    def forward(self, x, columns=None):
        """Return the filtered image, [..., C_in, H, W] -> [..., C_out, H', W']; columns are those of x, if known."""
        W = self.weight.value
        columns = self.columns(x) if columns is None else columns
        out = W.reshape(len(W), -1) @ columns.reshape(len(columns), -1)
        return out.reshape(len(W), *columns.shape[1:]).swapaxes(0, 1).reshape(*x.shape[:-3], len(W), *columns.shape[2:])

    def backward(self, g, shape=None):
        """Return the transpose, [..., C_out, H', W'] -> [..., C_in, H, W].

        shape ends in the H, W of the input; a stride above 1 cannot tell them from H', W', and takes the smallest.
        """
        W, p, s, k = self.weight.value, self.padding, self.stride, self.k
        C, (h, w) = W.shape[1], g.shape[-2:]
        H, width = (s * (n - 1) + k - 2 * p for n in (h, w)) if shape is None else shape[-2:]
        columns = (W.reshape(len(W), -1).T @ self._by_channel(g)).reshape(C, k, k, -1, h, w)
        out = np.zeros((C, columns.shape[3], H + 2 * p, width + 2 * p), columns.dtype)
        for i, j, rows, cols in self._taps(h, w):  # what a tap meets is a grid of pixels that do not overlap
            out[:, :, rows, cols] += columns[:, i, j]
        return out[:, :, p : p + H, p : p + width].swapaxes(0, 1).reshape(*g.shape[:-3], C, H, width)

    def outer(self, post, pre, columns=None):
        """Return the sum over leading axes and positions of post times patch of pre, [C_out, C_in, k, k]; columns as in `forward`."""
        columns = self.columns(pre) if columns is None else columns
        return (self._by_channel(post) @ columns.reshape(len(columns), -1).T).reshape(self.weight.value.shape)

    def _by_channel(self, g):
        """Return g [..., C_out, H', W'] as a matrix with a row a channel, [C_out, M H' W']."""
        C = len(self.weight.value)
        return g.reshape(-1, C, *g.shape[-2:]).swapaxes(0, 1).reshape(C, -1)


class Bias:
    """A synapse whose input is always 1: adds b, [N] after Dense, [C, 1, 1] (one a channel) after Conv2d.

    Parameters
    ----------
    b : ndarray, shape [N] or [C, 1, 1]
        Its shape says over which axes it is shared: where b has a 1, and over all leading axes.

    Examples
    --------
    >>> Bias(np.zeros(2)).outer(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """

    def __init__(self, b):
        self.weight = as_weight(b)

    def forward(self, x=None):
        """Return b, [N] or [C, 1, 1], to be broadcast over whatever it is added to."""
        return self.weight.value

    def outer(self, post, pre=1.0):
        """Return the sum of post over everything that shares an entry of b, times the number pre, shape of b."""
        b = self.weight.value
        if post.shape[-b.ndim :] != b.shape:
            shared = tuple(post.ndim - b.ndim + i for i in range(b.ndim) if b.shape[i] == 1)
            post = post.sum(shared, keepdims=True)
        return pre * post.reshape(-1, *b.shape).sum(0)
