r"""The embedded set `motion`: textures that move before an event camera, the flow of every pixel known (stands for MVSEC).

A texture is a sum of plane waves with an amplitude spectrum of 1 / f^1.3.  At each of eight steps it is shifted, turned
and zoomed by the same amount under a sensor of 16 x 16; the pixel is that of `camera.watch`.  Waves have a value
everywhere, so nothing is interpolated and the flow is exact.  Made in memory in seconds from a seed; every sample has a
texture of its own, which belongs to one split only, and to the same one whatever the seed.

A place is one complex number, column + i row, in px from the centre of the sensor (rows count downwards).  Turning and
zooming is then one multiplication: what stands at q stands at twist q + shift one step later.
"""

import numpy as np

from stllr_ref.data.camera import watch
from stllr_ref.data.parts import Split, Splits, check_seed, check_sizes, check_whole, report

STEPS = 8  # T
SENSOR = 16  # height and width of the sensor, px
SPEED = 1.2  # of the shift, px a step, at most: uniform in the disc of this radius
TURN = 0.01  # standard deviation of the rotation, radians a step, normal, clockwise
ZOOM = 0.01  # standard deviation of the growth, parts a step, normal
WAVES = 64  # of a texture
WAVELENGTH = 2.5, 32  # px, shortest and longest
FALL = 1.3  # the amplitude spectrum of a texture is 1 / f^FALL
CONTRAST = 0.1  # standard deviation of the logarithm of a texture's light
THRESHOLD = 0.1  # change of log light that makes an event
LAST = 3  # a pixel counts if it fired in the last steps, this many
SIZES = (1000, 200, 400)  # samples for training, validation, test
MOST = 10_000  # samples of all three together; a split has as many numbers of textures
_TEXTURES = 1300  # seed of the textures, on purpose no argument


def load(seed=0, sizes=SIZES):
    """Make the set.

    Parameters
    ----------
    seed : int
        Of the motions.  The motion of a texture depends on it and on nothing else.
    sizes : tuple of three int
        Samples for training, validation and test, together at most 10,000.

    Returns
    -------
    Splits
        train, validation, test, each with x [T, B, 2, 16, 16] float32 (0 or 1: events, OFF then ON), y [B, 2, 16, 16]
        float32 (the `flow`, px a step: right, then down) and source [B] (number of the texture).

    Notes
    -----
    Textures 0 to 9,999 are for training, the next ten thousand for validation, the next for test; no seed changes what
    a texture looks like.  One that hardly moves may make no event at all.
    """
    check_seed(seed)
    return Splits(*(_split(seed, part * MOST + np.arange(n)) for part, n in enumerate(check_sizes(sizes, MOST))))


def _split(seed, source):
    """Return the `Split` of the textures with the numbers source [B]."""
    twist, shift = motions(seed, source)
    return Split(film(textures(source), twist, shift), flow(twist, shift), source)


def frames(source, seed=0):
    """Return two grey frames of each sample, one step apart at the end: what a flow leads from and to.

    Parameters
    ----------
    source : ndarray of int, shape [B]
        Numbers of the textures, as a split has them.
    seed : int
        Of the motions, as in `load`.

    Returns
    -------
    ndarray of float32, shape [B, 2, 16, 16]
        Logarithm of the light after T - 1 and after T steps, in units of CONTRAST.  What stands at p in the first stands at
        p + flow(p) in the second.
    """
    check_seed(seed)
    texture, moving = textures(source), motions(seed, source)
    return np.stack([log_light(texture, *moving, t) / CONTRAST for t in (STEPS - 1, STEPS)], axis=1).astype(np.float32)


def textures(source):
    """Return (k, amplitude), both [B, WAVES] complex, of the textures with the numbers source [B].

    The log light at the place q is the sum over the waves of Re(amplitude exp(i Re(conj(k) q))), k in radians a px.
    """
    k, amplitude = np.empty((2, len(source), WAVES), complex)
    for b, number in enumerate(source):
        rng = np.random.default_rng([_TEXTURES, number])
        f = 1 / np.exp(rng.uniform(*np.log(WAVELENGTH), WAVES))  # cycles a px
        angle, phase = 2 * np.pi * rng.random((2, WAVES))
        # A ring of the plane holds f df of frequencies, the draw puts df / f of the waves there: f^2 of the power a wave.
        height = f ** (1 - FALL)
        k[b] = 2 * np.pi * f * np.exp(1j * angle)
        amplitude[b] = CONTRAST * np.sqrt(2 / (height**2).sum()) * height * np.exp(1j * phase)
    return k, amplitude


def motions(seed, source):
    """Return twist and shift, both [B] complex, of the textures with the numbers source [B] under a seed."""
    drawn = np.empty((len(source), 2), complex)
    for b, number in enumerate(source):
        rng = np.random.default_rng([seed, number])
        drawn[b, 0] = (1 + rng.normal(0, ZOOM)) * np.exp(1j * rng.normal(0, TURN))
        drawn[b, 1] = SPEED * np.sqrt(rng.random()) * np.exp(2j * np.pi * rng.random())
    return drawn.T


def flow(twist, shift):
    """Return how far what stands on each pixel moves in one step, [B, 2, 16, 16] float32, px: right, then down.

    The same at every step: it belongs to the pixel.  What moves from a pixel to the next one takes on that one's flow.
    """
    at = _axis()
    moved = (twist - 1)[:, None, None] * (at + 1j * at[:, None]) + shift[:, None, None]
    return np.stack([moved.real, moved.imag], axis=1).astype(np.float32)


def log_light(texture, twist, shift, t):
    """Return the logarithm of the light on each pixel after t steps of a motion, [B, 16, 16]; texture as of `textures`."""
    k, amplitude = texture
    back = twist[:, None] ** -np.arange(t + 1.0)  # what is at q now was at twist^-t q - shift (twist^-1 + ... + twist^-t)
    came = shift * back[:, 1:].sum(1)
    k_now = k * back[:, -1:].conj()
    start = amplitude * np.exp(-1j * (k.conj() * came[:, None]).real)
    rows, columns = (np.exp(1j * part[:, :, None] * _axis()) for part in (k_now.imag, k_now.real))
    return ((rows * start[:, :, None]).swapaxes(1, 2) @ columns).real


def film(texture, twist, shift):
    """Turn moving textures into events.

    Parameters
    ----------
    texture : (k, amplitude)
        As `textures` gives them, both [B, any number of waves]; others will do: one wave is a grating.
    twist, shift : ndarray of complex, shape [B]
        What stands at q, column + i row in px from the centre, stands at twist q + shift one step later.

    Returns
    -------
    ndarray of float32, shape [T, B, 2, 16, 16]
        1 where a pixel fired, else 0; OFF then ON.

    Raises
    ------
    ValueError
        If there is not one motion a texture.
    """
    B = len(texture[0])
    if np.shape(twist) != (B,) or np.shape(shift) != (B,):
        raise ValueError(f"twist, shift: got shapes {np.shape(twist)} and {np.shape(shift)}, expected ({B},), one a texture")
    # Without noise the generator decides nothing.
    return watch(lambda t: log_light(texture, twist, shift, t), STEPS, np.random.default_rng(0), threshold=THRESHOLD)


def mask(x, last=LAST):
    """Return which pixels have an event in the last steps of x [T, B, P, H, W], bool [B, H, W]: there the flow can be seen."""
    check_whole("last", last, 1, len(x), f"a whole number from 1 to T = {len(x)}")
    return x[-last:].any(axis=(0, 2))


def draw_flips(rng, B):
    """Return one of the eight ways to turn and mirror a square for each of B samples, bool [B, 3], drawn from rng.

    The columns: transpose; then turn upside down; then mirror left and right.
    """
    return rng.random((B, 3)) < 0.5


def flip(images, how, vector=False):
    """Flip and transpose images, each sample in its own way.

    Parameters
    ----------
    images : ndarray, shape [..., B, C, N, N]
        Events or a flow.
    how : ndarray of bool, shape [B, 3]
        As `draw_flips` gives it.
    vector : bool
        The two channels are the right and down components of a vector, which turns with the image.

    Returns
    -------
    ndarray, shape of images

    Raises
    ------
    ValueError
        If the images are not square, a vector has not two components, or how does not fit.

    Notes
    -----
    Events and flow flipped in the same way are what the camera would have seen of the flipped scene.

    Examples
    --------
    >>> right = np.zeros((1, 2, 1, 1))
    >>> right[0, 0] = 1
    >>> flip(right, np.array([[True, True, False]]), vector=True).ravel()
    array([ 0., -1.])
    """
    *_, B, C, H, W = images.shape
    if H != W or np.shape(how) != (B, 3) or (vector and C != 2):
        expected = f"square ones, {'2' if vector else 'any'} channels, and how of shape ({B}, 3)"
        raise ValueError(f"images: got shape {images.shape} and how of shape {np.shape(how)}, expected {expected}")
    transpose, upside_down, mirror = how.T[..., None, None, None]
    down, right = (np.array(sign, images.dtype)[:, None, None] if vector else 1 for sign in ([1, -1], [-1, 1]))
    swapped = images.swapaxes(-1, -2)
    out = np.where(transpose, swapped[..., ::-1, :, :] if vector else swapped, images)
    out = np.where(upside_down, down * out[..., ::-1, :], out)
    return np.where(mirror, right * out[..., ::-1], out)


def undo(how):
    """Return the flips [B, 3] that take back those of how [B, 3]: transposed, upside down and mirrored change places."""
    return np.where(how[:, :1], how[:, [0, 2, 1]], how)


def describe(splits=None):
    """Return what the set is, as a dict of numbers computed from the splits (default `load()`) and two sentences."""
    splits = load() if splits is None else splits
    seen = {name: (np.hypot(s.y[:, 0], s.y[:, 1]), mask(s.x)) for name, s in splits._asdict().items()}
    return {
        **report(splits),
        "pixels that count (%)": {name: round(100 * float(m.mean()), 2) for name, (_, m) in seen.items()},
        "speed (px a step)": {name: round(float(speed.mean(dtype=float)), 3) for name, (speed, _) in seen.items()},
        "error of zero flow where pixels count (px a step)": {
            name: round(float(speed[m].mean(dtype=float)), 3) if m.any() else "no valid pixel" for name, (speed, m) in seen.items()
        },
        "stands for": "MVSEC: the optical flow that a moving event camera sees",
        "does not stand for": "a scene with depth, occlusions or several things that move; motion that changes; smooth areas; noise",
    }


def _axis():
    """Return where the columns stand, and the rows, [16], px from the centre."""
    return np.arange(SENSOR) - (SENSOR - 1) / 2
