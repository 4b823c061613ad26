r"""Synapses: a linear map on a weight, with three verbs.

- `forward(x)`: what the weight makes of its input;
- `backward(g, shape)`: the transpose, which carries an error from the output back to an input of that shape;
- `outer(post, pre)`: the sum over all leading axes of the products of post and pre, in the shape of the weight.

Verbs take any leading axes, so the same code serves one step [B], a chunk of steps [K, B] and tangents [P, B].  The
three belong together: <g, forward(x)> = <backward(g), x> = <outer(g, x), W> for any x and g.  A Bias has no backward:
its input is the number 1, which no error needs to reach.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stllr_ref import checks
from stllr_ref.weights import as_weight


class Dense:
    """All to all: y = x W^T with W[post, pre], x [..., N_in] -> [..., N_out].

    Parameters
    ----------
    W : weight or ndarray, shape [N_out, N_in]
        `Plain`, `Standardised`, or an array (plain).
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
        return x @ W.T

    def backward(self, g, shape=None):
        """Return g W, [..., N_out] -> [..., N_in]; the shape of the input is known."""
        return g @ self.weight.value

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
    H' = (H + 2 padding - k) // stride + 1.  Each verb is one matrix product over patches (im2col).
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

    def patches(self, x):
        """Return the patches of x [..., C, H, W] under the filter, [M, H', W', C k k] with M the product of the leading axes."""
        p, s, k = self.padding, self.stride, self.k
        C, H, W = x.shape[-3:]
        if C != self.weight.value.shape[1] or min(H, W) + 2 * p < k:
            expected = f"{self.weight.value.shape[1]} channels of at least {k - 2 * p} x {k - 2 * p}"
            raise ValueError(f"x: got an image of {C} x {H} x {W}, expected {expected}")
        x = x.reshape(-1, C, H, W)
        padded = np.zeros((len(x), C, H + 2 * p, W + 2 * p), x.dtype)
        padded[:, :, p : p + H, p : p + W] = x
        windows = sliding_window_view(padded, (k, k), (2, 3))[:, :, ::s, ::s]
        M, _, h, w = windows.shape[:4]
        return windows.transpose(0, 2, 3, 1, 4, 5).reshape(M, h, w, C * k * k)

    def forward(self, x):
        """Return the filtered image, [..., C_in, H, W] -> [..., C_out, H', W']."""
        W = self.weight.value
        out = self.patches(x) @ W.reshape(len(W), -1).T
        return np.moveaxis(out, -1, 1).reshape(*x.shape[:-3], len(W), *out.shape[1:3])

    def backward(self, g, shape=None):
        """Return the transpose, [..., C_out, H', W'] -> [..., C_in, H, W].

        shape ends in the H, W of the input; a stride above 1 cannot tell them from H', W', and takes the smallest.
        """
        W, p, s, k = self.weight.value, self.padding, self.stride, self.k
        C, (h, w) = W.shape[1], g.shape[-2:]
        H, width = (s * (n - 1) + k - 2 * p for n in (h, w)) if shape is None else shape[-2:]
        G = g.reshape(-1, len(W), h * w).swapaxes(1, 2) @ W.reshape(len(W), -1)  # [M, H' W', C k k]
        G = G.reshape(-1, h, w, C, k, k)
        out = np.zeros((len(G), C, H + 2 * p, width + 2 * p), G.dtype)
        for i in range(k):  # each filter tap lands on its own, non-overlapping, grid of pixels
            for j in range(k):
                out[:, :, i : i + s * h : s, j : j + s * w : s] += G[..., i, j].transpose(0, 3, 1, 2)
        return out[:, :, p : p + H, p : p + width].reshape(*g.shape[:-3], C, H, width)

    def outer(self, post, pre):
        """Return sum over leading axes and positions of post times patch of pre, [C_out, C_in, k, k]."""
        W = self.weight.value
        columns = self.patches(pre)
        rows = np.moveaxis(post, -3, -1).reshape(-1, len(W))
        return (rows.T @ columns.reshape(len(rows), -1)).reshape(W.shape)


class Bias:
    """A synapse whose input is always 1: adds b, [N] after Dense, [C, 1, 1] (one a channel) after Conv2d.

    Parameters
    ----------
    b : ndarray, shape [N] or [C, 1, 1]
        Its shape says over which axes it is shared: where b has a 1, and over all leading axes.
    """

    def __init__(self, b):
        self.weight = as_weight(b)

    def forward(self, x=None):
        """Return b, to be broadcast over whatever it is added to."""
        return self.weight.value

    def outer(self, post, pre=1.0):
        """Return the sum of post over everything that shares an entry of b, times the number pre, shape of b."""
        b = self.weight.value
        if post.shape[-b.ndim :] != b.shape:
            shared = tuple(post.ndim - b.ndim + i for i in range(b.ndim) if b.shape[i] == 1)
            post = post.sum(shared, keepdims=True)
        return pre * post.reshape(-1, *b.shape).sum(0)
