"""The numbers that the text of chapter 7 quotes: pattern in the printed output, number, how far the printed one may be."""


def _row(case, alpha_post):
    """Return a pattern of what a trained row of the chapter reaches, in %."""
    return rf"^{case} +alpha_post +{alpha_post}: ([\d.]+) "


QUOTED = [
    (r"^2   1   0.05   ([\d.]+) ", "1.5625", 1e-12),
    (r"^2   1   0.05   [\d.]+   [\d.]+   [\d.]+   -([\d.]+) ", "0.044", 1e-12),
    (r"^2   1 .* ([\d.]+)$", "0.034125", 1e-12),
    (r"^3   1 .* ([\d.]+)$", "0.6327625", 1e-6),
    (r"^potential comes to 0.9, lag -2: change -([\d.]+)$", "0.06804", 1e-12),
    (r"^potential comes to 1.1, lag -2: change -([\d.]+)$", "0.06804", 1e-12),
    (r"^delta \+1, lag -1: change \+([\d.]+)$", "0.1134", 1e-12),
    (r"^delta \+1, lag \+1: change -([\d.]+)$", "0.2160", 1e-12),
    (r"^paper alpha_post   -1: e = \[0.1 +0.15 +([\d.]+) ", "0.034125", 1e-12),
    (r"^code  alpha_post   -1: e = \[ *0.1 +0.15 +(-[\d.]+) ", "-0.141875", 1e-12),
    (r"^paper alpha_post   -5: e = \[ *0.1 +0.15 +(-[\d.]+) ", "-0.141875", 1e-12),
    (r"^last 5 of 21 steps .* \+0: +([\d.]+) ", "0.123", 1e-2),
    (r"^last 5 of 21 steps .* -1: +([\d.]+) ", "0.212", 1e-2),
    (r"^last 5 of 21 steps +-2: +([\d.]+) ", "0.307", 1e-2),
    (r"^last 5, longer trace .* \+0: +([\d.]+) ", "0.377", 1e-2),
    (r"^last 15, short trace .* -1: +(-[\d.]+) ", "-0.064", 1e-2),
    (r"^last 5 of 21 steps .*non-causal, BPTT (-?[\d.]+) ", "-0.05", 1e-2),
    (r"^last 5 of 21 steps .*the two halves ([\d.]+),", "0.84", 1e-2),
    (r"^last 15  .*non-causal, BPTT +([\d.]+) ", "0.27", 1e-2),
    (r"^last 15, short trace.*the two halves ([\d.]+),", "0.93", 1e-2),
    (r"^last 15, short trace.* 1 : ([\d.]+)$", "1.37", 2e-2),
    (_row("last 5 of 21 steps", -1), "67.3", 4),
    (_row("last 5 of 21 steps", 0), "51.8", 4.3),
    (_row("last 5 of 21 steps", 1), "43.6", 3.3),
    (_row("last 15", -1), "79.4", 2.7),
    (_row("last 15", 0), "78.0", 5),
    (_row("last 15", 1), "76.6", 5.5),
    (_row("last 5, longer trace", -1), "70.8", 2.5),
    (_row("last 5, longer trace", 0), "69.8", 3.9),
    (_row("last 5, longer trace", 1), "62.8", 2.9),
    (_row("last 15, short trace", -1), "9.4", 3.8),
    (_row("last 15, short trace", 0), "71.3", 3.6),
    (r"^digits lam_pre 0.75, alpha_post   -1: ([\d.]+) ", "91.7", 0),
    (r"^digits lam_pre 0.75, alpha_post    0: ([\d.]+) ", "91.4", 0),
    (r"^digits lam_pre 0.75, alpha_post    1: ([\d.]+) ", "91.0", 0),
    (r"^speech lam_pre 0.95, alpha_post   -1: ([\d.]+) ", "93.1", 0),
    (r"^speech lam_pre 0.95, alpha_post    0: ([\d.]+) ", "93.4", 0),
    (r"^speech lam_pre 0.95, alpha_post    1: ([\d.]+) ", "93.7", 0),
    (r"^speech lam_pre 0.5, alpha_post   -1: ([\d.]+) ", "53.2", 0),
    (r"^speech lam_pre 0.5, alpha_post    0: ([\d.]+) ", "89.0", 0),
    (r"^speech lam_pre 0.5, alpha_post    1: ([\d.]+) ", "88.0", 0),
    (r"^lag \+0: rule .* lines swapped \+([\d.]+)$", "0.081", 1e-12),
    (r"^digits, untrained: .* in ([\d.]+) of all steps$", "0.73", 1e-2),
]
