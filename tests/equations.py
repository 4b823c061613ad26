"""The index: each numbered equation of the paper, its function in the library, its tests, and slips that they catch.

Numbers are those of version 4 (arXiv 2306.15220).  `python tests/equations.py` prints the table of
chapters/equations.md.
"""

from typing import NamedTuple


class Equation(NamedTuple):
    what: str
    function: str  # "module:qualified name" in stllr_ref; it, its class or its module names the equation
    tests: list  # node ids in tests/; each fails under each of the slips
    mutants: list  # slips of mutants.py in that function
    note: str = ""  # where the print differs


PRINTED = "test_layer.py::test_gradients_of_w_and_v_are_the_printed_sums[code]"
EQUATION_10 = "test_twins.py::test_all_forms_equal_the_sums_of_equation_10"
POTENTIAL = "test_layer.py::test_potential_is_equation_1_with_recurrence_and_bias"
BY_TRACES = Equation(
    "STDP update by traces", "traces:stdp_traces", ["test_traces.py::test_stdp_traces_equal_stdp_sums"], ["present spike left in its own trace"])  # fmt: skip

EQUATIONS = {
    1: Equation("LIF potential, soft reset", "neurons:LIF.rest",
        ["test_neurons.py::test_tc01_reset_acts_before_the_leak[soft]", POTENTIAL], ["undecayed reset", "hard reset for soft"]),
    2: Equation("spike, strictly above", "neurons:LIF.fire",
        ["test_neurons.py::test_tc02_spike_needs_a_potential_strictly_above_threshold"], [">= for >"]),
    3: Equation("STDP window", "traces:stdp_window",
        ["test_traces.py::test_stdp_window_is_the_closed_form_with_coincidence_causal"], ["coincidence non-causal"]),
    4: Equation("STDP update by sums", "traces:stdp_sums",
        ["test_traces.py::test_stdp_traces_equal_stdp_sums", "test_traces.py::test_stdp_sums_add_the_window_of_every_pair_at_its_later_spike"],
        ["STDP's past including now"]),
    5: BY_TRACES,
    6: BY_TRACES,
    7: Equation("exact BPTT", "bptt:_Backward._potentials",
        ["test_bptt.py::test_bptt_is_the_loops[detached-soft-dense-2]", "test_exactness.py::test_bptt_is_the_complex_step_in_a_random_direction[soft-triangle-dense-2-tangent]"],
        ["BPTT walked forwards"]),
    8: Equation("three factors, filtered by beta", "synaptic:Filtered.step",
        ["test_synaptic.py::test_filtered_s_tllr_is_the_sum_of_equation_8"], ["only the causal product filtered"],
        "S-TLLR's beta is 0: the eligibility of this step alone"),
    9: Equation("sum of delta e", "layer:Layer.learn",
        [PRINTED, "test_golden.py::test_layer_gathers_the_published_sum_of_gradients[dense_postm1_soft_raw-float64]"],
        ["learning signal left out", "batch mean for sum"]),
    10: Equation("eligibility by sums", "twins:_LoopLayer.eligibility",
        [f"{EQUATION_10}[code-dense-2-loops]", f"{EQUATION_10}[paper-dense-2-loops]"], ["y for x, the print of (11)", "loops with a late pre trace"],
        "the previous step weighs lam_post in print, 1 in the authors' code (post_trace)"),
    11: Equation("eligibility by traces", "rules:STLLR.posts",
        ["test_rules.py::test_tc12_eligibility_of_the_equation_and_of_the_code", PRINTED],
        ["other post-trace convention", "non-causal term gated by Psi", "non-causal term with the other sign"],
        "printed with y[t] before the non-causal sum; (6) and (10) have x[t]"),
    12: Equation("learning signal, its window", "network:Network.learn",
        ["test_network.py::test_tc15_padding_is_exact[dense]", "test_signals.py::test_signal_is_masked_by_each_samples_window"], ["window ignored"]),
    13: Equation("weight update", "optim:SGD.step",
        ["test_optim.py::test_sgd_subtracts_lr_times_the_gradient", "test_optim.py::test_tc16_a_small_step_lowers_the_loss[triangle-SGD]"],
        ["ascent for descent"], "printed with a plus; delta = dL/dy descends with a minus"),
    14: Equation("recurrent potential", "layer:Layer.step", [POTENTIAL], ["recurrence dropped"]),
    15: Equation("recurrent eligibility, sums", "twins:_LoopLayer.learn",
        [f"{EQUATION_10}[code-recurrent-2-loops]"], ["loops with an undelayed recurrence"]),
    16: Equation("the same by traces", "layer:Layer._remember",
        [PRINTED, "test_bptt.py::test_tc13_local_rule_of_a_recurrent_neuron_reads_the_spike_of_the_step_before"], ["undelayed recurrence"]),
}  # fmt: skip


def table():
    """Return the table of chapters/equations.md: a row an equation, or a row for those that one function holds."""
    rows = {}
    for number, equation in EQUATIONS.items():
        test = equation.tests[0].split("::")[1].split("[")[0]
        rows.setdefault(f"{equation.what} | `{equation.function.replace(':', '.')}` | `{test}`", []).append(f"({number})")
    head = "| eq. | what | function of `stllr_ref` | test |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(f"| {', '.join(numbers)} | {row} |" for row, numbers in rows.items())


if __name__ == "__main__":
    print(table())
