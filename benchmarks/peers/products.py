"""The products of dense and convolutional synapses without autograd, several steps at once, and pools with their way back."""

import torch
import torch.nn.functional as F

from benchmarks.peers.shared import mapped
from stllr_ref.maps import Flatten, GlobalAvg, MaxPool


class Dense:
    """The products of a dense synapse; sequences are [k, B, N].

    On processors where MKL, PyTorch's own choice, has no fast path (AMD), oneDNN's product is about twice as fast: it is
    reached through the operators that torch.compile uses.  oneDNN knows float32 only.
    """

    def __init__(self, onednn):
        self.onednn = onednn

    def product(self, a, W, b=None):
        """Return a W^T + b, [M, K] and [N, K] to [M, N]."""
        return torch.ops.mkldnn._linear_pointwise(a, W, b, "none", [], "") if self.onednn else F.linear(a, W, b)

    def packed(self, W, rows):
        """Return W in the order in which many products with `rows` rows read it."""
        return torch.ops.mkldnn._reorder_linear_weight(W, rows) if self.onednn else W

    def forward(self, x, W, b):
        """Return x W^T + b, [k, B, N_out]."""
        return self.product(x.flatten(0, 1), W, b).unflatten(0, x.shape[:2])

    def down(self, g, W, x):
        """Return g W, the error at the input x, [k, B, N_in]."""
        return self.product(g.flatten(0, 1), W.t()).unflatten(0, g.shape[:2])

    def add_step(self, total, y, W):
        """Add the product of one step, y [B, N] and a packed W, to total."""
        total.add_(self.product(y, W)) if self.onednn else total.addmm_(y, W.t())

    def turned(self, post):
        """Return post [..., N] as rows and, for oneDNN, which would else do it for each product, as contiguous columns."""
        rows = post.flatten(0, -2)
        return rows, rows.t().contiguous() if self.onednn else rows.t()

    def add_outer(self, total, post, pre):
        """Add the sum over the leading axes of post (x) pre to total, the gradient of a weight; post comes from `turned`."""
        pre, columns = pre.flatten(0, -2), post[1]
        total.add_(self.product(columns, pre.t())) if self.onednn else total.addmm_(columns, pre)


class Spikes:
    """An input x [k, B, N] beside its list of events, for products that skip the zeros: rows are x, columns its transpose."""

    def __init__(self, x):
        self.x, self.shape = x, x.shape
        self.rows, self.columns = (_events(flat) for flat in (x.flatten(0, 1), x.flatten(0, 1).t()))

    def __len__(self):
        return len(self.x)

    def unbind(self):
        """Return the steps, [B, N] each, as a tensor does."""
        return self.x.unbind()


def _events(flat, spikes=False):
    """Return (column, offset of each row's first, value) of what is not 0 in a matrix; of spikes no value, it is 1."""
    row, column = flat.nonzero().unbind(1)
    count = (flat.sum(1) if spikes else (flat != 0).sum(1)).long()
    return column, count.cumsum(0) - count, None if spikes else flat[row, column]


def _gather(events, table):
    """Return the matrix of these events times a dense one: for each row the sum of the rows of `table` that it names."""
    index, offsets, values = events
    return F.embedding_bag(index, table, offsets, mode="sum", per_sample_weights=values)


class Sparse(Dense):
    """A dense synapse that skips the zeros of what enters it: Spikes, or in a recurrent one the spikes of each step."""

    def packed(self, W, rows):
        """Return W with a row an input: those are summed."""
        return W.t().contiguous()

    def add_step(self, total, y, W):
        """Add the rows of a packed W that the spikes y [B, N] name to total."""
        total.add_(_gather(_events(y, spikes=True), W))

    def forward(self, x, W, b):
        """Return x W^T + b of `Spikes` x, [k, B, N_out]."""
        return _gather(x.rows, W.t().contiguous()).add_(b).unflatten(0, x.shape[:2])

    def add_outer(self, total, post, pre):
        """Add as `Dense`, of `Spikes` by their list of events."""
        if isinstance(pre, Spikes):
            total.add_(_gather(pre.columns, post[0]).t())
        else:
            super().add_outer(total, post, pre)


class Conv:
    """The products of a convolution, k steps side by side in the batch axis; sequences are [k, B, C, H, W]."""

    def __init__(self, synapse):
        self.stride, self.padding = [synapse.stride] * 2, [synapse.padding] * 2

    def forward(self, x, W, b):
        """Return the convolution of x, [k, B, C_out, H', W']."""
        return F.conv2d(x.flatten(0, 1), W, b, self.stride, self.padding).unflatten(0, x.shape[:2])

    def _transpose(self, g, x, W, wanted):
        """Return the gradients of (x, W, b) that are wanted."""
        return torch.ops.aten.convolution_backward(g, x, W, None, self.stride, self.padding, [1, 1], False, [0, 0], 1, wanted)

    def down(self, g, W, x):
        """Return the transpose of the convolution for g, the error at the input x."""
        return self._transpose(g.flatten(0, 1), x.flatten(0, 1), W, [True, False, False])[0].unflatten(0, g.shape[:2])

    def turned(self, post):
        """Return post: a convolution wants it in no other layout."""
        return post

    def add_outer(self, total, post, pre):
        """Add the sum over the leading axes of the gradient of the filters to total."""
        total.add_(self._transpose(post.flatten(0, -4), pre.flatten(0, -4), total, [False, True, False])[1])


class Map:
    """A pool or a flattening between layers, without autograd; sequences are [k, B, C, H, W]."""

    def __init__(self, item):
        self.item = item

    def forward(self, h):
        """Return the output for h, and remember what its way back needs."""
        self.shape, self.flat = h.shape, h.flatten(0, 1)
        if isinstance(self.item, MaxPool):
            out, self.winner = F.max_pool2d(self.flat, self.item.k, return_indices=True)
        else:
            out = mapped(self.item, self.flat)
        return out.unflatten(0, h.shape[:2])

    def learn(self, d, start):
        """Return the error d sent back to the input."""
        if isinstance(self.item, GlobalAvg):
            return (d / self.shape[-2:].numel())[..., None, None].expand(self.shape)
        if isinstance(self.item, Flatten):
            return d.reshape(self.shape)
        d, k = d.flatten(0, 1), [self.item.k] * 2
        if isinstance(self.item, MaxPool):
            d = torch.ops.aten.max_pool2d_with_indices_backward(d, self.flat, k, k, [0, 0], [1, 1], False, self.winner)
        else:
            d = torch.ops.aten.avg_pool2d_backward(d, self.flat, k, k, [0, 0], False, True, None)
        return d.unflatten(0, self.shape[:2])


def layout(a):
    """Return images [n, C, H, W] with their channels last in memory, as oneDNN reads them fastest; anything else as it is."""
    return a.contiguous(memory_format=torch.channels_last) if a.ndim == 4 else a


def like(v, steps):
    """Return zeros of `steps` steps in the layout of v [k, B, ...]."""
    return layout(v.new_zeros(steps * v.shape[1], *v.shape[2:])).unflatten(0, (steps, v.shape[1]))
