"""Several steps at a time: slices cover every step once, exact BPTT is the same in chunks of any size, and lean."""

import tracemalloc

import numpy as np
import pytest
from test_engine import CASES, case, same, speech_like

from stllr_ref import bptt, chunks, cross_entropy, engine, window
from stllr_ref.synapses import Conv2d

VARIANTS = {
    "as published": {}, "attached": {"attached": True}, "truncated": {"truncated": True}, "summed": {"summed": True},
    "no error through V": {"through_V": False}, "truncated, attached": {"truncated": True, "attached": True},
}  # fmt: skip


@pytest.mark.parametrize("T", [1, 7, 8, 20])
@pytest.mark.parametrize("chunk", [None, 1, 3, 8, 50])
@pytest.mark.parametrize("start", [None, 0, 3, 19])
def test_parts_cover_every_step_once_and_begin_where_the_window_does(T, chunk, start):
    if start is not None and start >= T:
        start = T - 1
    inside = None if start is None else window(T, [T, T], start=start)
    slices = list(chunks.parts(case(1)[0], T, chunk, inside))
    assert [t for part in slices for t in range(T)[part]] == list(range(T))
    assert max(part.stop - part.start for part in slices) <= (chunk or chunks.CHUNK)
    assert start is None or start in [part.start for part in slices]


def test_a_window_without_a_step_is_one_stretch():
    assert [part.stop for part in chunks.parts(case(1)[0], 20, 8, np.zeros((20, 2), bool))] == [8, 16, 20]


def test_images_go_two_steps_at_a_time():
    assert len(list(chunks.parts(case(0)[0], 5))) == 3 and len(list(chunks.parts(case(1)[0], 5))) == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_bptt_is_the_same_in_chunks_of_any_size(variant):
    compared = 0
    for seed in CASES[::4]:
        net, x, target, loss, inside, s = case(seed)
        logits, grads = bptt.run(net, x, target, loss, inside, rng=np.random.default_rng(s), chunk=1, **VARIANTS[variant])
        for chunk in (None, 2, 3, 7, 64):
            got_logits, got = bptt.run(net, x, target, loss, inside, rng=np.random.default_rng(s), chunk=chunk, **VARIANTS[variant])
            same(got_logits, logits, (seed, chunk))
            for name in grads:
                same(got[name], grads[name], (seed, chunk, name))
                compared += bool(grads[name].any())
    assert compared > 500


def test_variants_of_bptt_differ_where_they_should():
    net, x, target, loss, inside = speech_like(30)
    inside = window(30, [30] * 16, last=5)
    found = [bptt.run(net, x, target, loss, inside, **options)[1]["0.W"] for options in VARIANTS.values()]
    for i, a in enumerate(found):
        assert all(np.abs(a - b).max() > 1e-3 * np.abs(a).max() for b in found[:i])


def test_bptt_stores_less_than_0_42_megabytes_a_step_of_the_published_network():
    peaks = []
    for T in (30, 70):
        args = speech_like(T, B=128, n_in=700, n=450)
        bptt.run(*args)
        tracemalloc.start()
        bptt.run(*args)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert 0.2e6 < (peaks[1] - peaks[0]) / 40 < 0.42e6


def test_the_columns_of_what_enters_a_convolution_are_made_once(monkeypatch):
    made, real = [], Conv2d.columns
    monkeypatch.setattr(Conv2d, "columns", lambda self, x: made.append(x.shape) or real(self, x))
    net, x, target, _, _, _ = case(next(seed for seed in CASES if seed % 3 == 0))
    T, B = x.shape[:2]
    engine.run(net, x, target, cross_entropy, window(T, [T] * B, start=0), chunk=T)
    first = [shape for shape in made if shape[-3:] == x.shape[2:]]
    assert first == [x.shape]  # forward and outer share them; there is no trace yet
