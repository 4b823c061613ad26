"""Slips that people make, and the tests that catch them.

A mutant is one place in the library, what stands there, and the slip that takes its place.  It is applied to the code
of the function itself, so that every module that has imported the function by name runs the wrong version too.  Each
of its tests, called as it is, must raise AssertionError under the slip, in at least one of its cases, and pass without
it: `test_mutants.py` asserts both.
"""

import importlib
import inspect
import operator
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest


class Mutant(NamedTuple):
    where: str  # "module:qualified name" in stllr_ref
    right: str  # stands exactly once in its source
    wrong: str
    tests: list  # node ids in tests/, with or without the case in brackets


PRINTED = "test_layer.py::test_gradients_of_w_and_v_are_the_printed_sums[code]"
TC12 = "test_rules.py::test_tc12_eligibility_of_the_equation_and_of_the_code"
LOOPS = "test_twins.py::test_all_forms_equal_the_sums_of_equation_10[code-dense-2-loops]"
SOFT = "self.gamma * (u - self.theta * y)"
ATTACHED = "now.psi[k], self.attached)"
THROUGH_TIME = "self.attached) * "
CHECKED = 'checks.choice("post_trace"'
DECAYS_SWAPPED = CHECKED, "self.__dict__.update(lam_pre=self.lam_post, lam_post=self.lam_pre); " + CHECKED

MUTANTS = {
    # ----------------------------------------------------------------------------------------------- neurons and Psi
    "undecayed reset": Mutant("neurons:LIF.rest", SOFT, "self.gamma * u - self.theta * y", [
        "test_neurons.py::test_tc01_reset_acts_before_the_leak[soft]", "test_layer.py::test_potential_is_equation_1_with_recurrence_and_bias"]),
    "hard reset for soft": Mutant("neurons:LIF.rest", SOFT, "self.gamma * u * (1 - y)", [
        "test_neurons.py::test_tc01_reset_acts_before_the_leak[soft]", "test_layer.py::test_potential_is_equation_1_with_recurrence_and_bias"]),
    ">= for >": Mutant("neurons:LIF.fire", "(v > 0)", "(v >= 0)", [
        "test_neurons.py::test_tc02_spike_needs_a_potential_strictly_above_threshold"]),
    "Psi after the reset": Mutant("neurons:LIF.fire", "self.psi(v)", "self.psi(v - self.theta * (v > 0))", [
        "test_neurons.py::test_tc07_psi_sees_the_potential_before_the_reset", "test_layer.py::test_tc07_layer_records_psi_before_the_reset"]),
    "Psi of the spike": Mutant("neurons:LIF.fire", "self.psi(v)", "self.psi((v > 0) - self.theta)", [
        "test_neurons.py::test_tc07_psi_sees_the_potential_before_the_reset", "test_layer.py::test_tc07_layer_records_psi_before_the_reset"]),
    "attached reset with the wrong sign": Mutant("neurons:LIF.slope", "(1 - self.theta * psi)", "(1 + self.theta * psi)", [
        "test_neurons.py::test_slope_is_the_derivative_of_rest[triangle-True-soft]"]),
    "slope of Psi outside alone": Mutant("surrogates:sigmoid", "-4 * np.abs(v)", "-np.abs(v)", [
        "test_surrogates.py::test_tc06_sigmoid_has_the_slope_inside_that_the_print_lacks"]),
    # -------------------------------------------------------------------------------------------------------- traces
    "decay by Euler's step": Mutant("traces:decay", "np.exp(-", "np.add(1, -", [
        "test_traces.py::test_tc03_decay_is_the_exponential_and_not_eulers_step"]),
    "new spike decayed": Mutant("traces:trace_step", "else lam * trace + x", "else lam * (trace + x)", [
        "test_traces.py::test_trace_counts_the_present_spike_undecayed", TC12]),
    "coincidence non-causal": Mutant("traces:stdp_window", "np.where(lag >= 0", "np.where(lag > 0", [
        "test_traces.py::test_stdp_window_is_the_closed_form_with_coincidence_causal"]),
    "STDP's past including now": Mutant("traces:stdp_sums", "range(t))", "range(t + 1))", [
        "test_traces.py::test_stdp_sums_add_the_window_of_every_pair_at_its_later_spike", "test_traces.py::test_stdp_traces_equal_stdp_sums"]),
    "present spike left in its own trace": Mutant("traces:stdp_traces", "(trace(y, lam_post) - y)", "trace(y, lam_post)", [
        "test_traces.py::test_stdp_traces_equal_stdp_sums", "test_traces.py::test_stdp_has_no_noncausal_term_at_a_coincidence"]),
    # ------------------------------------------------------------------------------------------- rule and eligibility
    "late pre trace": Mutant("layer:Layer._remember", "self.traces[name, lam] if lam", "(self.traces[name, lam] - value) / lam if lam", [
        PRINTED, "test_bptt.py::test_tc10_local_rule_with_a_pre_trace_of[0.5-0.373125]"]),
    "post trace including now": Mutant("layer:Layer._remember", "eligible, past)", "eligible, self.past)", [
        PRINTED, "test_golden.py::test_layer_has_the_published_traces[dense_postm1_soft_raw-float64]"]),
    "undelayed recurrence": Mutant("layer:Layer._remember", "in inputs.items()", "in {n: y if n == 'V' else x for n, x in inputs.items()}.items()", [
        PRINTED, "test_bptt.py::test_tc13_local_rule_of_a_recurrent_neuron_reads_the_spike_of_the_step_before"]),
    "recurrence dropped": Mutant("layer:Layer.step", 'self.synapses["V"].forward(inputs["V"])', "0 * current", [
        "test_layer.py::test_potential_is_equation_1_with_recurrence_and_bias"]),
    "potential survives a reset": Mutant("layer:Layer.reset", "self.kept = self.y", 'self.kept = getattr(self, "kept", None); self.y', [
        "test_network.py::test_tc04_a_second_run_equals_the_first_and_a_fresh_network_s[dense]"]),
    "learning signal left out": Mutant("layer:Layer.learn", "delta * post for", "post for", [
        PRINTED, "test_golden.py::test_layer_gathers_the_published_sum_of_gradients[dense_postm1_soft_raw-float64]"]),
    "batch mean for sum": Mutant("layer:Layer.learn", "np.stack(now.pre[name]))", "np.stack(now.pre[name]) / len(delta))", [
        "test_layer.py::test_gradient_is_summed_over_the_batch", PRINTED]),
    "decays swapped": Mutant("rules:STLLR.__post_init__", *DECAYS_SWAPPED, [
        TC12, "test_golden.py::test_layer_has_the_published_traces[dense_postm1_soft_raw-float64]"]),
    "non-causal term with the other sign": Mutant("rules:STLLR.posts", "scale * past", "-scale * past", [TC12, PRINTED]),
    "other post-trace convention": Mutant("rules:STLLR.posts", '== "paper"', '== "code"', [TC12, PRINTED]),
    "non-causal term gated by Psi": Mutant("rules:STLLR.posts", "scale * past", "scale * past * psi", [
        "test_rules.py::test_noncausal_term_is_not_gated_by_the_present_psi", TC12, PRINTED]),
    "bias with alpha": Mutant("rules:STLLR.bias_post", "else psi", "else self.alpha_pre * psi", [
        "test_rules.py::test_published_bias_takes_psi_without_alpha", "test_layer.py::test_published_bias_is_delta_psi_of_the_neuron_whatever_the_rule"]),
    # ---------------------------------------------------------------------------------------------- the twins, as printed
    "y for x, the print of (11)": Mutant("twins:_LoopLayer.eligibility", "inputs[t][j] * noncausal", "self.ys[t][i] * noncausal", [LOOPS]),
    "loops with a late pre trace": Mutant("twins:_LoopLayer.eligibility", "range(t + 1)", "range(t)", [LOOPS]),
    "loops with an undelayed recurrence": Mutant("twins:_LoopLayer.learn", "[silence, *self.ys[:-1]]", "self.ys", [
        "test_twins.py::test_all_forms_equal_the_sums_of_equation_10[code-recurrent-2-loops]"]),
    "factors of the two terms mixed up": Mutant("twins:outer", "now.pre[name])", "now.pre[name][::-1])", [
        "test_twins.py::test_all_forms_equal_the_sums_of_equation_10[code-dense-2-outer]"]),
    # ------------------------------------------------------------------------------------- errors, signals and windows
    "window ignored": Mutant("network:Network.learn", "np.asarray(inside).astype(self.dtype)", "np.ones(len(err), self.dtype)", [
        "test_network.py::test_tc15_padding_is_exact[dense]", "test_signals.py::test_signal_is_masked_by_each_samples_window"]),
    "batch sum for mean": Mutant("network:Network.learn", " / self.dtype.type(len(err))", "", [
        "test_network.py::test_tc05_output_and_gradient_of_a_sample_do_not_depend_on_its_batch[dense]",
        "test_network.py::test_tc17_gradient_is_the_sum_over_steps_of_each_step_s_own_loss"]),
    "window off by one": Mutant("losses:window", "first <= t", "first < t", [
        "test_losses.py::test_tc14_window_starts_at_t_l", "test_losses.py::test_tc15_window_counts_the_last_real_steps_of_each_sample"]),
    "error sent down with alpha": Mutant("network:Network._send", "delta * now.psi", "delta * now.psi * layer.rule.alpha_pre", [
        "test_network.py::test_error_reaches_each_layer_through_the_layers_above_it_at_this_step_alone[dense]"]),
    "error sent down without Psi": Mutant("network:Network._send", "delta * now.psi", "delta", [
        "test_network.py::test_error_reaches_each_layer_through_the_layers_above_it_at_this_step_alone[dense]"]),
    "error through W despite a feedback synapse": Mutant("layer:Layer.send", '(self.feedback or self.synapses["W"])', 'self.synapses["W"]', [
        "test_layer.py::test_feedback_carries_the_error_down_in_place_of_w"]),
    "one of two skips lost": Mutant("network:Network._send", "sent if source not in skipped else skipped[source] + sent", "sent", [
        "test_exactness.py::test_causal_term_of_deep_stllr_is_the_complex_step_with_cut_paths[soft-triangle-skips-3]"]),
    "DFA divided by the batch": Mutant("network:Network.signal_delta", "delta * on", "delta / len(on) * on", [
        "test_reductions.py::test_dfa_through_the_readout_s_own_weights_is_bp_times_the_batch"]),
    "sDFA without the sign": Mutant("signals:sDFA.delta", "np.sign(err)", "err", ["test_signals.py::test_tc18_signal_has_its_value_by_hand"]),
    "softmax over the batch": Mutant("losses:softmax", "exp.sum(-1,", "exp.sum(0,", [
        "test_losses.py::test_softmax_is_err_plus_the_onehot_target", "test_training.py::test_window_softmax_by_hand"]),
    "cross-entropy divided by the batch": Mutant("losses:cross_entropy", "target], err", "target], err / len(err)", [
        "test_losses.py::test_err_is_the_derivative_of_each_samples_own_loss[cross_entropy]"]),
    # ---------------------------------------------------------------------------------------------------------- BPTT
    "BPTT's term through time dropped": Mutant("bptt:_Backward._potentials", THROUGH_TIME, THROUGH_TIME + "0 * ", [
        "test_bptt.py::test_tc08_bptt_of_one_neuron_with_the_reset_detached_and_attached"]),
    "attached and detached swapped": Mutant("bptt:_Backward._potentials", ATTACHED, "now.psi[k], not self.attached)", [
        "test_bptt.py::test_tc08_bptt_of_one_neuron_with_the_reset_detached_and_attached"]),
    "BPTT walked forwards": Mutant("bptt:_Backward._potentials", "reversed(range(len(g)))", "range(len(g))", [
        "test_bptt.py::test_tc08_bptt_of_one_neuron_with_the_reset_detached_and_attached", "test_bptt.py::test_bptt_is_the_loops[detached-soft-dense-2]"]),
    "spikes of the step itself into V on the way back": Mutant("bptt:_again", "before[None], y[:-1]", "y[:1], y[1:]", [
        "test_bptt.py::test_bptt_is_the_loops[detached-soft-recurrent-2]"]),
    "V fed with no spike at a chunk's first step": Mutant("bptt:_again", "if i else", "if False else", [
        "test_chunks.py::test_bptt_is_the_same_in_chunks_of_any_size[as published]"]),
    # ------------------------------------------------------------------------------------------ several steps at a time
    "filter of a chunk forgotten": Mutant("engine:_filtered", "term[k] += float(lam) * term[k + 1]", "pass", [
        "test_engine.py::test_the_engine_equals_the_run_step_by_step[0]"]),
    "trace before the chunk forgotten": Mutant("engine:_learn", "if before is not None", "if False", [
        "test_engine.py::test_the_engine_equals_the_run_step_by_step[0]"]),
    "trace before the chunk undecayed": Mutant("engine:_learn", "float(lam) * E, before", "E, before", [
        "test_engine.py::test_the_engine_equals_the_run_step_by_step[0]"]),
    "a non-causal term that sees its own step": Mutant("chunks:Ascent._past", "return past[:-1]", "return past[1:]", [
        "test_engine.py::test_the_engine_equals_the_run_step_by_step[0]"]),
    "a trace that ages a step too little": Mutant("chunks:Ascent._remember", "** K * before", "** (K - 1) * before", [
        "test_engine.py::test_the_engine_equals_the_run_step_by_step[0]"]),
    "one dropout mask a step": Mutant("chunks:_mapped", "item.forward(x[0])[1]", "item.rng and (item.rng.random(x.shape) >= item.p)", [
        "test_engine.py::test_the_engine_equals_the_run_step_by_step[1]"]),
    "a signal that forgets the steps before the window": Mutant("engine:_down", "item.watch(now.copy())", "None", [
        "test_engine.py::test_the_engine_equals_the_run_step_by_step[5]"]),
    # ------------------------------------------------------------------------------------- weights, maps and optimisers
    "variance with ddof 0": Mutant("weights:Standardised._centred", "n / (n - 1) * (c", "(c", [
        "test_weights.py::test_tc22_standardisation_uses_the_unbiased_variance"]),
    "gain without a gradient": Mutant("weights:Standardised.pull", "(dvalue * c / s).sum(1)", "np.zeros(len(c))", [
        "test_weights.py::test_tc22_gradient_passes_mean_variance_and_gain"]),
    "last of equal pixels wins": Mutant("maps:MaxPool.forward", "(tap.real > out.real)", "(tap.real >= out.real)", [
        "test_maps.py::test_first_of_tied_spikes_wins_the_max_pool", "test_maps.py::test_max_pool_compares_real_parts_and_takes_the_imaginary_one_along"]),
    "dropout rescaled": Mutant("maps:Dropout.forward", "x * self.mask", "x * self.mask / (1 - self.p)", [
        "test_maps.py::test_dropout_keeps_one_binary_mask_through_a_sequence"]),
    "new dropout mask at every step": Mutant("maps:Dropout.forward", "if self.mask is None", "if True", [
        "test_maps.py::test_dropout_keeps_one_binary_mask_through_a_sequence"]),
    "transpose of a convolution flipped": Mutant("synapses:Conv2d.backward", "columns[:, i, j]", "columns[:, k - 1 - i, k - 1 - j]", [
        "test_synapses.py::test_verbs_of_conv_are_adjoint_for_any_leading_axes"]),
    "ascent for descent": Mutant("optim:SGD.step", "- self.lr * grad", "+ self.lr * grad", [
        "test_optim.py::test_sgd_subtracts_lr_times_the_gradient", "test_optim.py::test_tc16_a_small_step_lowers_the_loss[triangle-SGD]"]),
    "Adam without bias correction": Mutant("optim:Adam.step", "self.lr / (1 - self.b1**self.t)", "self.lr", [
        "test_optim.py::test_adam_two_steps_by_hand", "test_optim.py::test_adam_is_the_loop_of_its_paper"]),
    # ------------------------------------------------------------------------------------------------ the rest of the family
    "only the causal product filtered": Mutant("synaptic:Filtered.step", "sum(post[:, :, None] * pre[:, None, :] for post, pre in zip(posts, pres))", "posts[0][:, :, None] * pres[0][:, None, :]", [
        "test_family.py::test_a_rule_is_its_printed_equation[rstdp-recurrent]", "test_synaptic.py::test_a_rule_filtered_by_0_is_the_rule[S-TLLR]",
        "test_synaptic.py::test_filtered_s_tllr_is_the_sum_of_equation_8"]),
    "products not filtered": Mutant("synaptic:Filtered._add", "self.beta", "0.0", [
        "test_family.py::test_a_rule_is_its_printed_equation[eprop-feed-forward]", "test_synaptic.py::test_a_filter_shows[S-TLLR]",
        "test_synaptic.py::test_filtered_s_tllr_is_the_sum_of_equation_8"]),
    "room asked for W alone": Mutant("synaptic:_check_room", "sum(x.shape[-1] for x in inputs.values())", 'inputs["W"].shape[-1]', [
        "test_synaptic.py::test_the_limit_counts_all_synapses_of_a_layer_together"]),
    "e-prop's bias without a trace": Mutant("synaptic:EProp", "bias_decay=gamma", "bias_decay=0", [
        "test_family.py::test_a_rule_is_its_printed_equation[eprop-recurrent]",
        "test_synaptic.py::test_eprop_is_bptt_without_error_through_v_whatever_the_readout_remembers[soft-False-0.8]"]),
    "OSTL with a weight that moves every neuron": Mutant("synaptic:OSTL.step", "eps[:, own, own] += x[:, None, :]", "eps += x[:, None, None, :]", [
        "test_family.py::test_a_rule_is_its_printed_equation[ostl-recurrent]",
        "test_synaptic.py::test_ostl_with_the_recurrent_jacobian_is_bptt_of_a_recurrent_layer[soft]"]),
    "OSTL without Psi in V's path": Mutant("synaptic:OSTL._carry", "self.dy[axes] * eps", "eps", [
        "test_family.py::test_a_rule_is_its_printed_equation[osttp-recurrent]"]),
    "OSTL with the reset detached": Mutant("synaptic:OSTL.step", "attached=True", "attached=False", [
        "test_family.py::test_a_rule_is_its_printed_equation[ostl-feed-forward]"]),
    "adaptive feedback summed over the batch": Mutant("signals:Adaptive.learn", " / err.dtype.type(len(err))", "", [
        "test_family.py::test_a_rule_is_its_printed_equation[eprop_adaptive-feed-forward]",
        "test_signals.py::test_adaptive_feedback_has_the_gradient_of_the_readout_s_own_weights",
        "test_signals.py::test_adaptive_feedback_that_decays_as_the_readout_does_becomes_its_weights"]),
    "adaptive feedback outside the window too": Mutant("signals:Adaptive.learn", "err * inside[:, None]", "err", [
        "test_family.py::test_a_rule_is_its_printed_equation[eprop_adaptive-recurrent]",
        "test_signals.py::test_adaptive_feedback_has_the_gradient_of_the_readout_s_own_weights"]),
    "adaptive feedback without its trace": Mutant("signals:Adaptive.watch", "self.kappa", "0.0", [
        "test_family.py::test_adaptive_feedback_above_the_last_hidden_layer_has_the_gradient_of_the_readout",
        "test_signals.py::test_adaptive_feedback_without_decay_keeps_its_distance_from_the_readout"]),
    "adaptive feedback that remembers the last sequence": Mutant("signals:Adaptive.reset", "self.trace = None", 'self.trace = getattr(self, "trace", None)', [
        "test_signals.py::test_adaptive_feedback_starts_every_sequence_from_nothing"]),
    "local loss of the plain output for that of the divided one": Mutant("signals:Local._norm", "self.unit & (norm > 0)", "False", [
        "test_family.py::test_a_rule_is_its_printed_equation[lls-feed-forward]",
        "test_signals.py::test_unit_signal_is_the_derivative_of_its_own_loss_by_the_output",
        "test_signals.py::test_unit_classifier_learns_the_derivative_of_its_own_loss_inside_the_window"]),
    "norm taken as a number": Mutant("signals:Local.delta", "(d - seen * (d * seen).sum(tuple(range(1, out.ndim)), keepdims=True))", "d", [
        "test_family.py::test_a_rule_is_its_printed_equation[lls-recurrent]",
        "test_signals.py::test_unit_signal_points_across_the_output_and_falls_with_its_length"]),
    "punishment for reward": Mutant("signals:Reward.delta", "return -r", "return r", [
        "test_family.py::test_a_rule_is_its_printed_equation[stdp-feed-forward]",
        "test_rules.py::test_stdp_through_a_constant_reward_is_minus_the_reward_times_the_change_of_every_spike_pair",
        "test_signals.py::test_reward_is_minus_one_number_a_sample_for_every_unit"]),
    "hit judged on the error": Mutant("signals:hit", "(err + onehot)", "err", [
        "test_family.py::test_a_rule_is_its_printed_equation[rstdp-feed-forward]",
        "test_signals.py::test_hit_is_1_where_the_likeliest_class_is_the_target_and_minus_1_elsewhere"]),
    "TESS's basis not divided by the units": Mutant("signals:waves", "np.sign(basis) / units", "np.sign(basis)", [
        "test_family.py::test_a_rule_is_its_printed_equation[tess-feed-forward]",
        "test_signals.py::test_tess_s_basis_is_ternary_divided_by_the_units_and_gives_unit_0_nothing"]),
    "other frequencies": Mutant("signals:waves", "np.linspace(50, 512", "np.linspace(50, 2000", [
        "test_family.py::test_a_rule_is_its_printed_equation[lls-feed-forward]",
        "test_signals.py::test_lls_s_basis_is_a_sine_not_divided_by_the_units",
        "test_signals.py::test_rows_of_tess_s_basis_are_nearly_orthogonal"]),
    "STDP with the post trace of the code": Mutant("rules:STDP", 'post_trace="paper"', 'post_trace="code"', [
        "test_family.py::test_a_rule_is_its_printed_equation[stdp-recurrent]", "test_rules.py::test_stdp_by_name_is_s_tllr_of_spikes_with_the_post_trace_of_the_paper",
        "test_rules.py::test_stdp_through_a_constant_reward_is_minus_the_reward_times_the_change_of_every_spike_pair"]),
    "the last K steps for K drawn ones": Mutant("experiments.family:some_steps", "_generator(rng).permutation(steps)[:", "steps[::-1][:", [
        "test_family.py::test_sltt_k_draws_every_step_of_the_window_alike", "test_family.py::test_a_draw_is_the_generator_s",
        "test_family.py::test_the_gradients_of_sltt_k_at_each_single_step_add_up_to_sltt_s"]),
    "K drawn steps of all, window or not": Mutant("experiments.family:some_steps", "np.flatnonzero(inside.any(1))", "np.arange(len(inside))", [
        "test_family.py::test_sltt_k_draws_every_step_of_the_window_alike", "test_family.py::test_sltt_k_draws_a_fifth_of_the_steps_and_one_at_least"]),
    "samples taught outside their window": Mutant("experiments.family:some_steps", "inside & keep[:, None]", "(inside | True) & keep[:, None]", [
        "test_family.py::test_a_draw_lies_within_the_window", "test_family.py::test_sltt_k_draws_one_set_for_the_whole_batch"]),
    "one event for the whole batch": Mutant("experiments.family:teaching_events", "random(inside.shape)", "random((len(inside), 1))", [
        "test_family.py::test_etlp_draws_each_step_and_sample_by_itself_at_its_rate"]),
    "events at the wrong rate": Mutant("experiments.family:teaching_events", "< share", "> share", [
        "test_family.py::test_etlp_draws_each_step_and_sample_by_itself_at_its_rate", "test_family.py::test_the_expected_gradient_of_etlp_is_its_share_of_the_full_one"]),
    "OSTL of a recurrent layer without its full Jacobian": Mutant("experiments.family:_ostl", "OSTL(recurrent)", "OSTL()", [
        "test_family.py::test_a_rule_is_its_printed_equation[ostl-recurrent]"]),
    "e-prop not filtered as the readout": Mutant("experiments.family:_eprop", "s.readout", "0.0", [
        "test_family.py::test_a_rule_is_its_printed_equation[eprop_random-feed-forward]"]),
    "DECOLLE and ETLP with the published bias": Mutant("experiments.family:_traced", "bias_decay=s.gamma", "bias_decay=0", [
        "test_family.py::test_a_rule_is_its_printed_equation[decolle-feed-forward]", "test_family.py::test_a_rule_is_its_printed_equation[etlp-recurrent]"]),
    "spikes of a recurrent layer not counted": Mutant("rtrl:state_numbers", '(2 if "V" in layer.synapses else 1)', "1", [
        "test_rtrl.py::test_state_numbers_are_those_that_the_tangents_keep", "test_rtrl.py::test_state_numbers_by_hand"]),
    "tangents counted in every layer": Mutant("rtrl:state_numbers", 'carried[int(name.split(".")[0]) :]', "carried", [
        "test_rtrl.py::test_state_numbers_are_those_that_the_tangents_keep", "test_rtrl.py::test_state_numbers_by_hand"]),
    "RTRL never refused": Mutant("rtrl:run", 'checks.room("rtrl", (state_numbers(net),), net.dtype)', "pass", [
        "test_rtrl.py::test_rtrl_runs_up_to_the_limit_and_not_beyond"]),
    "RTRL's error through V though cut": Mutant("rtrl:_Tangent._layer", "self.through_V and", "", [
        "test_rtrl.py::test_rtrl_is_bptt_on_hard_spikes[dense-soft-False-False]"]),
    "OSTL that keeps the slope of the batch before": Mutant("synaptic:OSTL.reset", "{}, None, None", '{}, getattr(self, "slope", None), None', [
        "test_synaptic.py::test_a_reset_leaves_ostl_nothing_of_the_batch_before_so_that_its_size_may_change"]),
    "K steps cut off, not rounded": Mutant("experiments.family:some_steps", "round(share", "int(share", [
        "test_family.py::test_sltt_k_draws_a_fifth_of_the_steps_and_one_at_least"]),
    "gradients in the dtype of delta": Mutant("layer:Layer.learn", "np.asarray(delta).astype(now.u.dtype, copy=False)", "np.asarray(delta)", [
        "test_layer.py::test_a_float64_delta_leaves_the_gradients_of_a_float32_layer_float32"]),
    # ---------------------------------------------------------------------------------------------- experiments and their costs
    "alignment after training at the initial weights": Mutant("experiments.alignment:measure", "exact.build(name, trained)", "exact.build(name, initial)", [
        "test_alignment.py::test_every_stage_has_its_own_weights_window_and_batch"]),
    "alignment after training on all steps": Mutant("experiments.alignment:_Task.train", "last=s.last", "last=len(self.data[0])", [
        "test_alignment.py::test_every_stage_has_its_own_weights_window_and_batch"]),
    "alignment on one batch for every seed": Mutant("experiments.alignment:_Task.__init__", "[seed, 2]", "[0, 2]", [
        "test_alignment.py::test_every_stage_has_its_own_weights_window_and_batch"]),
    "test score of the validation samples": Mutant("experiments.classify:run", "evaluate(net, test,", "evaluate(net, validation,", [
        "test_classify.py::test_a_trial_s_scores_are_those_of_the_trained_network_on_their_own_samples"]),
    "counts taught at every step of the window": Mutant("experiments.classify:run", "settings = replace(settings, last=1)", "pass", [
        "test_classify.py::test_the_readout_of_counts_learns_at_the_last_step_alone_whatever_the_window"]),
    "the formula of alpha_post -1 at 0": Mutant("experiments.classify:_formula", "s.alpha_post == 0", "False", [
        "test_classify.py::test_macs_by_formula_are_those_of_what_really_runs_and_none_where_no_formula_is_theirs"]),
    "the formula of bp under any signal": Mutant("experiments.classify:_formula", "return None if reads_signal(s.rule)", "return None if False", [
        "test_classify.py::test_macs_by_formula_are_those_of_what_really_runs_and_none_where_no_formula_is_theirs"]),
    "rates of the first epoch": Mutant("experiments.report:row", "r.history[-1].rates for r", "r.history[0].rates for r", [
        "test_cli.py::test_a_row_has_the_rates_and_norms_of_the_last_epoch"]),
    "RTRL said to read a signal": Mutant("experiments.report:row", '"tbptt", "rtrl", ', '"tbptt", ', ["test_cli.py::test_json_names_the_signal_where_the_rule_looks_at_it"]),
    "signal not shown": Mutant("experiments.report:label", 's.signal != "bp"', "False", ["test_cli.py::test_a_row_shows_a_signal_other_than_bp_where_the_rule_reads_it"]),
    "LLS's neurons not read": Mutant("costs:_with_other_signals", "other=2 * C + T * pre_readout)", "other=C + T * pre_readout)", [
        "test_costs.py::test_other_work_of_signals_is_a_number_for_each_class_and_neuron"]),
    "shortcuts of 3x3": Mutant("experiments.published:resnet18", 'shortcut", c_in, c, 1,', 'shortcut", c_in, c, 3,', [
        "test_costs.py::test_resnet_18_is_the_sum_of_its_filters_on_sides_that_are_odd_too"]),
    "strides that drop a pixel": Mutant("experiments.published:resnet18", "(height + 1) // 2, (width + 1) // 2", "height // 2, width // 2", [
        "test_costs.py::test_resnet_18_is_the_sum_of_its_filters_on_sides_that_are_odd_too[45-60-101]"]),
}  # fmt: skip


def function_at(where):
    """Return the function at "module:qualified name" of stllr_ref."""
    module, name = where.split(":")
    return operator.attrgetter(name)(importlib.import_module(f"stllr_ref.{module}"))


def apply(mutant, monkeypatch):
    """Put the slip in the place of what is right, wherever the function is used."""
    function = function_at(mutant.where)
    source, names = textwrap.dedent(inspect.getsource(function)), {}
    assert source.count(mutant.right) == 1, f"{mutant.where} holds {mutant.right!r} {source.count(mutant.right)} times, not once"
    exec(compile(source.replace(mutant.right, mutant.wrong), f"slip in {mutant.where}", "exec"), function.__globals__, names)
    monkeypatch.setattr(function, "__code__", names[function.__name__].__code__)


def cases(test, session):
    """Return the cases of a test as pytest collects them: all, or the one that the id names."""
    file, name = test.split("::")
    module = pytest.Module.from_parent(session, path=Path(__file__).parent / file)
    return [item for item in module.collect() if name in (item.name, getattr(item, "originalname", None))]


def raises(case):
    """Return whether a case raises AssertionError, called as it is; nothing that its module remembers survives."""
    cached = [value for value in vars(case.module).values() if hasattr(value, "cache_clear")]
    for function in cached:
        function.cache_clear()
    try:
        case.obj(**(case.callspec.params if hasattr(case, "callspec") else {}))
    except AssertionError:
        return True
    finally:
        for function in cached:
            function.cache_clear()
    return False


def survived(mutant, tests, session):
    """Return those of the tests that pass under the slip, after asserting that all exist and pass without it."""
    named = {test: cases(test, session) for test in tests}
    assert all(named.values()), f"not collected: {[test for test in tests if not named[test]]}"
    assert not [case.name for test in tests for case in named[test] if raises(case)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        apply(mutant, monkeypatch)
        return [test for test in tests if not any(map(raises, named[test]))]
