"""The chapters keep their word: each runs from top to bottom in its time, and shows what it says (make chapters)."""

import functools
import re

import pytest

from chapters import build

pytestmark = pytest.mark.chapters

# Chapter -> each number that its text quotes: a pattern that finds it in the printed output (^ and $ are those of a line),
# the number as quoted, and how far the printed one may be from it.
QUOTED = {
    "01": [
        (r"^t = 3: u = ([\d.]+)$", "0.512", 1e-4),
        (r"every 1 ms: gamma = ([\d.]+)", "0.9512", 1e-4),
        (r"every 10 ms: gamma = ([\d.]+)", "0.6065", 1e-4),
        (r"^after 60 steps: ([\d.]+)", "1.8", 1e-4),
        (r"^subtract, then leak \(ours\): ([\d.]+)", "1.075", 1e-4),
        (r"^leak, then subtract: +([\d.]+)", "0.575", 1e-4),
        (r"^back to 0: +([\d.]+)", "0.9", 1e-4),
        (r"^t = 1: u = ([\d.]+)  y = 1 ", "1.35", 1e-4),
        (r"^t = 3: u = ([\d.]+)  y = 0 ", "0.9375", 1e-4),
        (r"^soft reset: (\d+) spikes", "4", 0),
        (r"^hard reset: (\d+) spikes", "3", 0),
        (r"^no reset: (\d+) spikes", "5", 0),
        (r"^soft reset, random input: (\d+)", "13", 0),
        (r"^hard reset, random input: (\d+)", "9", 0),
        (r"^no reset, random input: (\d+)", "34", 0),
        (r"^soft reset, random .*\b(\d+) 16 17\b", "15", 0),
        (r"^soft reset, strong input: (\d+)", "20", 0),
        (r"^hard reset, strong input: (\d+)", "20", 0),
        (r"^no reset, strong input: (\d+)", "20", 0),
        (r"^input ([\d.]+): silent", "0.5", 0),
        (r"^input 0.7: .* soft reset, ([\d.]+)", "0.5", 1e-3),
        (r"^input 0.95: .* soft reset, ([\d.]+)", "0.5", 1e-3),
        (r"^add, fire, rest: (\d+)", "13", 0),
        (r"^fire, add, rest: (\d+)", "0", 0),
        (r"what it sees is at most ([\d.]+)", "0.9", 1e-4),
    ],
    "03": [
        (r"^by two traces, step by step: ([\d.]+)", "0.512", 1e-4),
        (r"^silent steps between, 0.8\*\*2: ([\d.]+)", "0.64", 1e-4),
        (r"^steps counted at both ends, 0.8\*\*4: ([\d.]+)", "0.4096", 1e-4),
        (r"^equation \(4\): ([\d.]+)", "1.312", 1e-4),
        (r"^nearest spike alone: ([\d.]+)", "0.8", 1e-4),
        (r"^mean of the two: ([\d.]+)", "0.656", 1e-4),
        (r"^t = 3: x = 0  tr\(x\) = ([\d.]+)", "1.312", 1e-4),
        (r"'lam_post': ([\d.]+)", "0.6", 0),
        (r"^causal half of equation \(4\), T = 200: (\d+)", "20100", 0),
        (r"^its trace, T = 200: (\d+)", "200", 0),
        (r"^equation \(6\), coincidence: ([\d.]+)", "1", 1e-4),
        (r"^y\[t\] left in its trace: ([\d.]+)", "0.3", 1e-4),
        (r"^tr\(x\) read before x\[t\]: ([\d.]+)", "0", 1e-4),
        (r"^trains swapped: (\d+)", "16", 0),
        (r"^trains swapped: \d+ of (\d+)", "17", 0),
        (r"^trace read too early: (\d+)", "9", 0),
        (r"^lag 0, count then read: ([\d.]+)", "1", 1e-2),
        (r"^lag 1, count then read: ([\d.]+)", "0.8", 1e-2),
        (r"^lag 2, count then read: ([\d.]+)", "0.64", 1e-2),
        (r"^lag 0, .* read then count: ([\d.]+)", "0", 1e-2),
        (r"^lag 1, .* read then count: ([\d.]+)", "1", 1e-2),
        (r"^lag 2, .* read then count: ([\d.]+)", "0.8", 1e-2),
        (r"^lag -1, equation \(6\): (\S+)", "-0.42", 1e-4),
        (r"^lag -1, old trace as in the published code: (\S+)", "-0.7", 1e-4),
        (r"^area under this chapter's window: ([\d.]+)", "3.95", 1e-2),
        (r"^area under the balanced window: ([\d.]+)", "0", 1e-2),
    ],
    "05": [
        (r"^t = 0: g = ([\d.]+), sum so far 0.37312500$", "0.039375", 1e-12),
        (r"^g\[0\] with a factor Psi at every step back: ([\d.]+)$", "0.000487", 1e-12),
        (r"^bptt.run, attached=False: ([\d.]+)$", "0.373125", 1e-12),
        (r"^bptt.run, attached=True: ([\d.]+)$", "0.33558717", 1e-12),
        (r"^of its smooth twin: ([\d.]+)$", "0.96451373", 2e-8),
        (r"^BPTT on the smooth twin: ([\d.]+)$", "0.96451373", 1e-12),
        (r"^T = 1: BPTT keeps (\d+) numbers$", "200", 0),
        (r"^T = 10: BPTT keeps (\d+) numbers$", "2000", 0),
        (r"^T = 1000: BPTT keeps (\d+) numbers$", "200000", 0),
        (r"^rtrl.run, attached=False: ([\d.]+)$", "0.373125", 1e-12),
        (r"^rtrl.run, attached=True: ([\d.]+)$", "0.33558717", 1e-12),
        (r"^t = 1: du/dw = (1.5\d*), ", "1.5", 1e-12),
        (r"^t = 2: du/dw = (0.7\d*), ", "0.75", 1e-12),
        (r"^t = 3: du/dw = (1.3\d*), ", "1.375", 1e-12),
        (r"^RTRL carries .* = (\d+)$", "107008", 0),
        (r"^RTRL needs less from T = (\d+)$", "536", 0),
        (r"^S-TLLR T = 10, 100, 300: .* (\d+)\]$", "228", 0),
        (r"^e-prop T = 10, 100, 300: .* (\d+)\]$", "2212", 0),
        (r"^BPTT: 8 bytes times our count is ([\d.]+) ", "0.85", 0.03),
        (r"^RTRL: 8 bytes times our count is ([\d.]+) ", "0.92", 0.03),
        (r"^RTRL .* times ([\d.]+), n to the power", "7.74", 1e-12),
        (r"^RTRL .* n to the power ([\d.]+)$", "2.95", 1e-12),
        (r"^e-prop .* times ([\d.]+), n to the power", "3.91", 1e-12),
        (r"^S-TLLR .* times ([\d.]+), n to the power", "1.98", 1e-12),
        (r"^BPTT  : w_1 ([\d.]+) ", "0.0951026605", 1e-12),
        (r"^RTRL  : w_1 ([\d.]+) ", "0.0951026605", 1e-12),
        (r"^S-TLLR: w_1 ([\d.]+) ", "0.0500826544", 1e-12),
        (r"^S-TLLR: w_1 .* w_2 ([\d.]+)$", "0.2586328125", 1e-12),
        (r"^BPTT  : w_1 .* w_2 ([\d.]+)$", "0.2586328125", 1e-12),
        (r"^RTRL  : w ([\d.]+) ", "0.888111944", 1e-12),
        (r"^RTRL  : w .* v ([\d.]+)$", "0.472042800", 1e-12),
        (r"^S-TLLR: w ([\d.]+) ", "0.784218750", 1e-12),
        (r"^S-TLLR: w .* v ([\d.]+)$", "0.433125000", 1e-12),
        (r"^attached=True: swapped ([\d.]+), ", "0.33865413", 1e-12),
        (r"^attached=False: swapped ([\d.]+), ", "0.373125", 1e-12),
    ],
    "06": [
        (r"^t   x .*\n(?:.*\n){3}3   1   [\d.]+   0   ([\d.]+)$", "0.255", 1e-12),
        (r"^trace .* ([\d.]+)\]$", "1.375", 1e-12),
        (r"^sum ([\d.]+)$", "0.373125", 1e-12),
        (r"^BPTT          ([\d.]+)$", "0.373125", 1e-12),
        (r"^entries: .* in all (\d+)$", "123", 0),
        (r"^lam_pre 0.75: ([\d.]+)$", "0.545390625", 1e-12),
        (r"^lam_pre    0: ([\d.]+)$", "0.255", 1e-12),
        (r"^1.W: S-TLLR ([\d.]+) ", "0.2586328125", 1e-12),
        (r"^1.W: S-TLLR .* BPTT ([\d.]+)$", "0.2586328125", 1e-12),
        (r"^0.W: S-TLLR ([\d.]+) ", "0.0500826544", 1e-12),
        (r"^0.W: S-TLLR .* BPTT ([\d.]+)$", "0.0951026605", 1e-12),
        (r"^kept ([\d.]+) ", "0.050083", 1e-12),
        (r"^kept .* lost ([\d.]+) ", "0.045020", 1e-12),
        (r"^2 hidden layers   cosine ([\d.]+)", "0.882", 1e-3),
        (r"^3 hidden layers   cosine ([\d.]+)", "0.670", 1e-3),
        (r"^2 hidden layers   .* length ([\d.]+)$", "0.231", 1e-3),
        (r"^3 hidden layers   .* length ([\d.]+)$", "0.066", 1e-3),
        (r"^3 hidden layers   .* \((-[\d.]+) to ", "-0.19", 1e-2),
        (r"^3 hidden layers   .* to ([\d.]+)\)", "0.89", 1e-2),
        (r"^two neurons, lam_pre 0.75: ([\d.]+) ", "0.0794566676", 1e-12),
        (r"^3 hidden layers, lam_pre 0.8: cosine ([\d.]+)", "0.670", 1e-3),
        (r"^3 hidden layers, lam_pre 0.9: cosine ([\d.]+)", "0.695", 1e-3),
        (r"^one neuron: late ([\d.]+)", "0.23625", 1e-12),
        (r"^network: cosine of late with BPTT ([\d.]+)$", "0.976", 1e-3),
        (r"^network: largest error ([\d.]+) ", "0.24", 1e-2),
    ],
    "08": [
        (r"^a loss at each step, summed: ([\d.]+)$", "2.253856", 1e-6),
        (r"^  errors: \[\[(-[\d.]+), ", "-0.119", 1e-12),
        (r"^  errors: .*\[(-[\d.]+), [\d.]+\]\]$", "-0.881", 1e-12),
        (r"^one loss on the summed output: ([\d.]+)$", "0.693147", 1e-6),
        (r"^  error, the same at both steps: \[(-[\d.]+), ", "-0.5", 1e-12),
        (r"^logits .* error \[ ([\d.]+) ", "0.5", 1e-12),
        (r"^lower hidden layer, by hand: \[(-[\d.]+) ", "-0.102", 1e-12),
        (r"^lower hidden layer, library: \[-[\d.]+ (-[\d.]+) ", "-0.168", 1e-12),
        (r"^lower hidden layer, library: \[-[\d.]+ -[\d.]+ (-[\d.]+)\]", "-0.009", 1e-12),
        (r"^hidden 2: .* Psi \[([\d.]+) ", "0.15", 1e-12),
        (r"^hidden 2: .* Psi \[[\d.]+ ([\d.]+)\]", "0.27", 1e-12),
        (r"^upper    0: cosine of the lower layer ([\d.]+) ", "1.000", 1e-6),
        (r"^upper 0.25: cosine of the lower layer ([\d.]+) ", "0.988", 1e-2),
        (r"^upper  0.5: cosine of the lower layer ([\d.]+) ", "0.940", 1e-2),
        (r"^upper 0.75: cosine of the lower layer ([\d.]+) ", "0.802", 2e-2),
        (r"^upper  0.9: cosine of the lower layer ([\d.]+) ", "0.651", 4e-2),
        (r"^lower  0.9: cosine of the lower layer ([\d.]+),", "1.000", 1e-6),
        (r"^DFA   delta of the lower hidden layer: \[([\d.]+) ", "0.5", 1e-12),
        (r"^sDFA  delta of the lower hidden layer: \[\s*([\d.]+) ", "1", 1e-12),
        (r"^DRTP  delta of the lower hidden layer: \[\s*[\d.]+\s+[\d.]+\s+(-[\d.]+)\]", "-1", 1e-12),
        (r"^local delta of the lower hidden layer: \[([\d.]+) ", "0.731059", 1e-6),
        (r"^FA    delta of the lower hidden layer: \[ ([\d.]+) ", "0.15", 1e-12),
        (r"^FA    delta of the lower hidden layer: \[ [\d.]+ (-[\d.]+) ", "-0.69", 1e-12),
        (r"^untrained BP +lower +([\d.]+) ", "0.940", 1e-2),
        (r"^untrained BP .* upper +([\d.]+) ", "1.000", 1e-6),
        (r"^trained BP +lower +([\d.]+) to ", "0.948", 1e-2),
        (r"^trained BP +lower +[\d.]+ to ([\d.]+) ", "0.862", 2e-2),
        (r"^trained FA .*lower +-?[\d.]+ to ([\d.]+) ", "0.472", 0.05),
        (r"^trained FA .*upper +-?[\d.]+ to ([\d.]+) ", "0.550", 0.19),
        (r"^trained DFA .*lower +-?[\d.]+ to ([\d.]+) ", "0.493", 0.12),
        (r"^trained DFA .*upper +-?[\d.]+ to ([\d.]+) ", "0.517", 0.34),
        (r"^trained sDFA .*lower +-?[\d.]+ to ([\d.]+) ", "0.194", 0.17),
        (r"^trained sDFA .*upper +-?[\d.]+ to (-?[\d.]+) ", "0.232", 0.52),
        (r"^trained DRTP .*lower +-?[\d.]+ to ([\d.]+) ", "0.375", 0.14),
        (r"^trained DRTP .*upper +-?[\d.]+ to ([\d.]+) ", "0.507", 0.37),
        (r"^trained local .*lower +-?[\d.]+ to ([\d.]+) ", "0.683", 0.03),
        (r"^trained local .*upper +-?[\d.]+ to ([\d.]+) ", "0.871", 0.08),
        (r"^readout against feedback weights, FA: .* ([\d.]+) after$", "0.533", 0.1),
        (r"^readout against feedback weights, DFA: .* ([\d.]+) after$", "0.526", 0.1),
        (r"^BPTT   standardised ([\d.]+) ", "93.1", 0.8),
        (r"^BP     standardised ([\d.]+) ", "93.7", 2.2),
        (r"^FA     standardised ([\d.]+) ", "89.8", 4.9),
        (r"^DFA    standardised ([\d.]+) ", "91.5", 2.9),
        (r"^sDFA   standardised ([\d.]+) ", "64.5", 18.3),
        (r"^DRTP   standardised ([\d.]+) ", "84.2", 5.8),
        (r"^local  standardised ([\d.]+) ", "92.8", 2.2),
        (r"^frozen standardised ([\d.]+) ", "52.1", 12.9),
        (r"^DFA    plain +([\d.]+) ", "82.2", 8.5),
        (r"^FA     plain +([\d.]+) ", "78.7", 10.1),
        (r"^sDFA   plain +([\d.]+) ", "25.8", 27.8),
        (r"^DRTP   plain +([\d.]+) ", "43.3", 23.1),
        (r"^frozen plain +([\d.]+) ", "45.5", 16.7),
        (r"^sDFA   plain .* ([\d.]+)$", "0.92", 0.1),
        (r"^DRTP   plain .* ([\d.]+)$", "0.76", 0.2),
        (r"^BP  alpha_post -1: ([\d.]+) ", "88.5", 4),
        (r"^DFA alpha_post -1: ([\d.]+) ", "79.4", 9.7),
        (r"^BP  alpha_post  1: ([\d.]+) ", "92.2", 1.5),
        (r"^DFA alpha_post  1: ([\d.]+) ", "89.8", 4.3),
        (r"^DFA: a batch .* gradient times ([\d.]+)$", "2", 1e-6),
        (r"^SGD 0.02 +DFA +: ([\d.]+) ", "81.0", 7.4),
        (r"^SGD 0.02 +BP +: ([\d.]+) ", "39.6", 11.1),
        (r"^SGD 0.02 +DFA, divided: ([\d.]+) ", "33.5", 13),
        (r"^SGD 1.0 +DFA +: ([\d.]+) ", "14.9", 4),
        (r"^SGD 1.0 +BP +: ([\d.]+) ", "85.0", 8.1),
        (r"^SGD 1.0 +DFA, divided: ([\d.]+) ", "82.5", 16.1),
        (r"^Adam 0.01 +DFA, divided: ([\d.]+) ", "91.5", 2.9),
        (r"^DFA with -B: ([\d.]+) ", "90.6", 2.2),
        (r"^DFA with B redrawn: ([\d.]+) ", "53.3", 15.6),
        (r"^DRTP: ([\d.]+) ", "84.2", 5.8),
        (r"^DRTP with -B: ([\d.]+) ", "81.8", 5.6),
    ],
    "09": [
        (r"^(\d+) rules in ", "19", 0),
        (r"^\d+ rules in (\d+) of ", "16", 0),
        (r"^\d+ rules in \d+ of (\d+) cells$", "48", 0),
        (r"^RTRL   at home: .*: cosine ([\d.]+)$", "1.000", 1e-6),
        (r"^OSTL   at home: .*: cosine ([\d.]+)$", "0.963", 1e-3),
        (r"^e-prop at home: .*: cosine ([\d.]+)$", "0.886", 1e-3),
        (r"^OTTT   at home: .*: cosine ([\d.]+)$", "0.918", 1e-3),
        (r"^SLTT   at home: .*: cosine ([\d.]+)$", "0.802", 1e-3),
        (r"^trace of the input, lam_pre  0.8: cosine ([\d.]+)$", "0.918", 1e-3),
        (r"^trace of the input, lam_pre 0.85: cosine ([\d.]+)$", "0.921", 1e-3),
        (r"^beta 0: .* \[0.0, ([\d.]+), ", "1.5", 1e-12),
        (r"^beta 0.9: .* ([\d.]+)\]$", "1.215", 1e-12),
        (r"^OTTT \(lam_pre = gamma\) +: cosine lower ([\d.]+), ", "0.686", 1e-2),
        (r"^lam_pre 0.75 +: cosine lower ([\d.]+), ", "0.794", 1e-2),
        (r"^lam_pre 0.75 +: cosine .* upper ([\d.]+)$", "0.913", 1e-2),
        (r"^lam_pre 0.75, alpha_post -1 : cosine .* upper ([\d.]+)$", "0.882", 1e-2),
        (r"^lam_pre 0.75, alpha_post \+1 : cosine lower ([\d.]+), ", "0.703", 1e-2),
        (r"^lam_pre 0.75, alpha_post \+1 : cosine .* upper ([\d.]+)$", "0.861", 1e-2),
        (r"^window of  1: truncated BPTT ([\d.]+), ", "0.134", 1e-2),
        (r"^window of  1: .* SLTT ([\d.]+)$", "0.134", 1e-2),
        (r"^window of  5: truncated BPTT ([\d.]+), ", "0.520", 1e-2),
        (r"^window of  5: .* S-TLLR ([\d.]+), ", "0.795", 1e-2),
        (r"^window of 20: truncated BPTT ([\d.]+), ", "1.000", 1e-6),
        (r"^window of 20: .* S-TLLR ([\d.]+), ", "0.885", 1e-2),
        (r"^eprop         : lower ([\d.]+) ", "0.905", 1e-2),
        (r"^ottt          : lower ([\d.]+) ", "0.686", 1e-2),
        (r"^ostl          : lower ([\d.]+) ", "0.650", 1e-2),
        (r"^ostl with the BPTT .* lower ([\d.]+), ", "0.704", 1e-2),
        (r"^sltt  lower layer: true error +([\d.]+) ", "0.401", 1e-2),
        (r"^eprop lower layer: .* DFA (-[\d.]+) ", "-0.096", 2e-2),
        (r"^eprop with DFA, trained: accuracy ([\d.]+) ", "90.4", 5.1),
        (r"^ottt  with DFA, trained: accuracy ([\d.]+) ", "85.4", 9.3),
        (r"^sltt  with DFA, trained: accuracy ([\d.]+) ", "76.8", 26.5),
        (r"^rtrl +1.000 +1.000 +(\d+) ", "152412", 0),
        (r"^rtrl +1.000 +1.000 +\d+ +(\d+)$", "50556520", 0),
        (r"^bptt +1.000 +1.000 +(\d+) ", "1180", 0),
        (r"^bptt +1.000 +1.000 +\d+ +(\d+)$", "77624", 0),
        (r"^eprop +[\d.]+ +[\d.]+ +(\d+) ", "2553", 0),
        (r"^ottt +[\d.]+ +[\d.]+ +(\d+) ", "193", 0),
        (r"^ottt +[\d.]+ +[\d.]+ +\d+ +(\d+)$", "18280", 0),
        (r"^stllr +[\d.]+ +[\d.]+ +(\d+) ", "249", 0),
        (r"^stllr +[\d.]+ +[\d.]+ +\d+ +(\d+)$", "30920", 0),
        (r"^sltt +[\d.]+ +[\d.]+ +(\d+) ", "83", 0),
        (r"^ottt_published +([\d.]+) ", "0.401", 1e-2),
        (r"^frozen +([\d.]+) ± ", "51.4", 12.7),
        (r"^bptt +([\d.]+) ± ", "94.2", 3.3),
        (r"^tbptt +([\d.]+) ± ", "88.5", 8.7),
        (r"^eprop +([\d.]+) ± ", "93.2", 3.7),
        (r"^eprop_random +([\d.]+) ± ", "90.4", 5.1),
        (r"^eprop_random .* lower cosine now ([\d.]+)$", "0.45", 0.19),
        (r"^stllr +([\d.]+) ± ", "92.4", 5.2),
        (r"^sltt_k +([\d.]+) ± ", "80.1", 9.2),
        (r"^sltt_k .* lower cosine now (-?[\d.]+)$", "0.05", 0.28),
        (r"^decolle .* lower cosine now (-?[\d.]+)$", "0.15", 0.14),
        (r"^sltt_k +([\d.]+) +[\d.]+ +\d+ ", "0.177", 2e-2),
        (r"^decolle +(-[\d.]+) +[\d.]+ +\d+ ", "-0.076", 2e-2),
        (r"^decolle +([\d.]+) ± ", "83.0", 7.9),
        (r"^tess +([\d.]+) ± ", "83.4", 8.3),
        (r"^lls +([\d.]+) ± ", "73.4", 6.8),
        (r"^stdp +([\d.]+) ± ", "56.0", 24.7),
        (r"^etlp +([\d.]+) ± ", "52.1", 32.6),
        (r"^rstdp +([\d.]+) ± ", "34.2", 5.4),
        (r"^20 networks: S-TLLR above truncated BPTT by ([\d.]+) ", "4.1", 5.2),
        (r"^filter, then multiply: cosine ([\d.]+) ", "0.992", 2e-3),
        (r"^filter, then multiply: .* length ([\d.]+)$", "4.90", 2e-2),
        (r"^no filter \(OTTT\): cosine ([\d.]+) ", "0.919", 2e-3),
    ],
}

each_chapter = pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in build.chapters()])


def solution(path):
    """Return where the solutions of a chapter's exercises stand."""
    return build.HERE / "solutions" / f"ch{path.name[:2]}.py"


@functools.cache
def executed(path):
    """Return the chapter executed now, and the seconds it took."""
    return build.execute(build.read(path))


@each_chapter
def test_the_stored_chapter_is_sound(path):
    assert build.problems(path) == []


@each_chapter
def test_it_runs_to_the_end_within_three_times_its_budget(path):
    nb, seconds = executed(path)
    assert seconds <= 3 * build.budget(nb)


@each_chapter
def test_it_still_prints_the_words_that_are_stored(path):
    assert build.words(executed(path)[0]) == build.words(build.read(path))


def test_every_chapter_has_its_list_of_quoted_numbers():
    assert sorted(QUOTED) == [path.name[:2] for path in build.chapters()]


@pytest.mark.parametrize(
    "path, pattern, quoted, tolerance",
    [pytest.param(path, *quote, id=f"{path.stem}: {quote[1]}") for path in build.chapters() for quote in QUOTED.get(path.name[:2], [])],
)
def test_a_quoted_number_is_the_one_printed(path, pattern, quoted, tolerance):
    stored = build.read(path)
    assert re.search(rf"(?<![\d.]){re.escape(quoted)}(?!\.?\d)", build.prose(stored)), "not in the text"
    for nb in (stored, executed(path)[0]):
        assert float(re.search(pattern, build.text(nb), re.MULTILINE)[1]) == pytest.approx(float(quoted), rel=0, abs=tolerance)


@each_chapter
def test_the_solutions_pass_the_checks_and_the_stubs_do_not(path):
    if not solution(path).exists():
        assert not any("exercise" in cell.metadata.get("tags", ()) for cell in build.code(build.read(path)))
        return
    solved, _ = build.execute(build.read(path), solution(path).read_text())
    assert "not attempted yet" in build.text(executed(path)[0])
    assert "not attempted yet" not in build.text(solved)
