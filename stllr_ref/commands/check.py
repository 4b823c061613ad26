"""The commands `vectors` and `check`: a case with its right answers in a file; the verdict on an outside implementation."""

import contextlib
import difflib
import importlib
import importlib.util
import inspect
import itertools
import json
import math
import os
import sys
from collections import Counter

from stllr_ref import oracle
from stllr_ref.commands.arguments import add_command, add_json, count
from stllr_ref.oracle import answers, judge, verdict
from stllr_ref.oracle.contract import QUANTITIES, TEXTS, TOLERANCE
from stllr_ref.oracle.judgement import tolerances

CASE = {**TEXTS, "last": None, "dtype": tuple(TOLERANCE), "steps": None, "batch": None, "seed": None}

FEW = 4  # accepted cases that are named, where others fail
KINDS = {
    "layer": ("LAYER", "kind of layer"),
    "reset": ("RESET", "reset of the neurons"),
    "psi": ("PSI", "surrogate derivative"),
    "post_trace": ("TRACE", "post trace of the authors' code, or of the paper's print"),
}


def add(commands):
    """Add `vectors` and `check` to the commands of the parser."""
    about = (
        "Write a case to a file: input, weights and learning signal of one layer, what S-TLLR makes of them step by step, and the "
        "conventions in words. Any program that reads .npz can compare itself with it."
    )
    short, example = "write a case and its right answers to a file", "vectors case.npz --layer recurrent --last 4"
    parser = add_command(commands, "vectors", short, about, example)
    parser.add_argument("file", metavar="FILE.npz", help="the file to write; only an earlier case is written over")
    _case_options(parser, "{}")
    parser.set_defaults(main=vectors)
    about = (
        "Judge an S-TLLR written elsewhere: a function of a case, on many cases, or its answer to the case of one file. Say what is right, "
        "or the first quantity, step and place that is wrong, and the likely cause. The exit code is 0 where all is accepted, else 1."
    )
    example = "check my_stllr.py:answer --layer dense --reset soft"
    parser = add_command(commands, "check", "judge an S-TLLR written elsewhere", about, example)
    function = "function(case) -> dict, in a dotted module or a .py file; the case is a dict of what a file of vectors holds"
    parser.add_argument("function", nargs="?", metavar="MODULE:FUNCTION", help=function)
    parser.add_argument("--case", metavar="FILE.npz", help="in place of a function: a file that vectors wrote, with --result")
    parser.add_argument("--result", metavar="RESULT.npz", help=f"your answer to it: any of {', '.join(QUANTITIES)}")
    add_json(parser)
    _case_options(parser.add_argument_group("cases that a function is judged on"), "all of them")
    parser.set_defaults(main=check)


def _case_options(parser, texts):
    """Add an option for each argument of `oracle.case`; texts says which kinds are taken where none is given, {} being the case's own."""
    usual = {name: parameter.default for name, parameter in inspect.signature(oracle.case).parameters.items()}
    for name, (metavar, what) in KINDS.items():
        text = f"{what}: {', '.join(TEXTS[name])} (default: {texts.format(usual[name])})"
        parser.add_argument(f"--{name.replace('_', '-')}", choices=TEXTS[name], metavar=metavar, help=text)
    parser.add_argument("--last", type=count, metavar="N", help="learn in the last N time steps (default: a little under half of them)")
    parser.add_argument("--dtype", choices=tuple(TOLERANCE), help=f"of all arrays (default: {usual['dtype']})")
    parser.add_argument("--steps", type=count, metavar="T", help=f"time steps, at least 2 (default: {usual['steps']})")
    parser.add_argument("--batch", type=count, metavar="B", help=f"samples, another number than the steps (default: {usual['batch']})")
    parser.add_argument("--seed", type=int, metavar="S", help=f"the same seed draws the same case (default: {usual['seed']})")


def _given(args):
    """Return the options of the case that were given, name -> value."""
    return {name: getattr(args, name) for name in CASE if getattr(args, name) is not None}


def vectors(args):
    """Write a case file and say what is in it; return the exit code."""
    _refuse_to_destroy(args.file)
    made = oracle.case(**_given(args))
    right = oracle.save(args.file, made)
    shapes = {name: " ".join(map(str, made[name].shape)) for name in ("x", "W", "V", "delta") if made[name] is not None}
    names = ("gamma", "theta", "lam_pre", "lam_post", "alpha_pre", "alpha_post", "last")
    print(f"{args.file}: {', '.join(str(made[name]) for name in TEXTS)}, {made['x'].dtype}, {right['y'].mean():.0%} spikes")
    print("  case      " + ", ".join(f"{name} [{shape}]" for name, shape in shapes.items()))
    print("            " + ", ".join(f"{name} {made[name]}" for name in names))
    print("  answers   " + ", ".join(f"expected_{name}" for name in right))
    print("  meta      the conventions in words (JSON)")
    print(f"  to check  python -m stllr_ref check --case {args.file} --result RESULT.npz")
    return 0


def _refuse_to_destroy(path):
    """Refuse a file that is no npz by name, or that is there already and was not written by `vectors`."""
    if not path.endswith(".npz"):
        raise ValueError(f"{path}: got a name that does not end in .npz, expected one that does")
    if os.path.lexists(path):
        try:
            found = set(oracle.read(path))
        except ValueError:
            found = set()
        if not {"meta", "delta", "expected_u", "expected_dW"} <= found:
            raise ValueError(f"{path}: got a file that vectors did not write, expected a new name (or an earlier case, written over)")


def check(args):
    """Judge a function or a file of results, print the verdict; return 0 where all is accepted, 1 otherwise."""
    if args.function is None:
        if args.case is None or args.result is None:
            raise ValueError("check: got nothing to judge, expected MODULE:FUNCTION, or --case FILE.npz with --result RESULT.npz")
        if _given(args):
            raise ValueError(f"--{next(iter(_given(args))).replace('_', '-')}: got it with --case, expected it with MODULE:FUNCTION alone")
        cases, verdicts = [{"file": args.case}], [verdict(oracle.load(args.case), oracle.read(args.result))]
    elif args.case or args.result:
        raise ValueError("check: got MODULE:FUNCTION and a file, expected one or the other")
    else:
        with contextlib.redirect_stdout(sys.stderr):  # what the function prints is no part of the verdict
            cases, verdicts = _judge(_function(args.function), _given(args))
    if args.json:
        print(json.dumps({"accepted": sum(v.accepted for v in verdicts), "cases": len(verdicts), "rows": list(map(_row, cases, verdicts))}))
    elif args.function is None:
        print(verdicts[0])
    else:
        print(_report(cases, verdicts))
    return 0 if all(v.accepted for v in verdicts) else 1


def _judge(function, given):
    """Return the settings of every case that the options leave open, and the verdict on each."""
    open_texts = [[given[name]] if name in given else TEXTS[name] for name in TEXTS]
    cases = [{**dict(zip(TEXTS, texts)), **given} for texts in itertools.product(*open_texts)]
    made, asked = [oracle.case(**settings) for settings in cases], []
    if sys.stderr.isatty():
        with contextlib.suppress(ImportError):  # a bar is a comfort, not a condition
            from tqdm import tqdm

            made = tqdm(made, unit="case", leave=False)

    def told():
        """Yield the cases, noting which was asked last; `judge` asks the first again when there are no more."""
        for settings, case in zip(cases, made):
            asked.append(settings)
            yield case
        asked.append(cases[0])

    try:
        return cases, judge(function, told())
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"the function was working on {_options(asked[-1])}") from None


def _options(settings):
    """Return the options that ask for a case."""
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in settings.items())


def _report(cases, verdicts):
    """Return the table of accepted cases, the first failure in full, and the causes of the others counted."""
    lines = [f"{'layer':12}accepted"]
    for layer in dict.fromkeys(settings["layer"] for settings in cases):
        of_layer = [v.accepted for settings, v in zip(cases, verdicts) if settings["layer"] == layer]
        lines.append(f"{layer:12}{sum(of_layer)} of {len(of_layer)}")
    failed = [(settings, v) for settings, v in zip(cases, verdicts) if not v.accepted]
    if failed:
        first = failed[0][1]
        right = [settings for settings, v in zip(cases, verdicts) if v.accepted]
        lines += [f"  accepted: {_options(settings)}" for settings in right if len(right) <= FEW]
        lines += ["", f"the first that fails: {_options(failed[0][0])}", str(first)]
        lines += [f"  to see this case: python -m stllr_ref vectors case.npz {_options(failed[0][0])}"]
        causes = Counter(v.cause for _, v in failed[1:])
        lines += ["", "the others that fail:"] if causes else []
        lines += [f"  {n} x {cause}" for cause, n in causes.most_common(8)]
        lines += [f"  {sum(causes.values()) - sum(n for _, n in causes.most_common(8))} x other causes"] if len(causes) > 8 else []
    else:
        lines.append("all accepted: every quantity that was returned is right in every case")
    names = [name for name in QUANTITIES if any(name in v.checked for v in verdicts)]
    single = [name for name in names if any(name in v.single for v in verdicts)]
    lines += [tolerances(names, single)] if single else []
    missing = [name for name in QUANTITIES if any(name in v.missing for v in verdicts)]
    lines += ["", f"never or not always returned, so not checked there: {', '.join(missing)}"] if missing else []
    return "\n".join(lines)


def _row(settings, v):
    """Return a case and its verdict as what JSON can hold: null for NaN and infinity."""
    fields = {name: None if isinstance(x, float) and not math.isfinite(x) else x for name, x in v._asdict().items()}
    return {**settings, **fields}


def _function(text):
    """Return the function that MODULE:FUNCTION names; ValueError says in one line why there is none."""
    module, _, name = text.rpartition(":")
    if not module or not name:
        raise ValueError(f"check: got {text}, expected MODULE:FUNCTION such as mine:answer or path/to/mine.py:answer")
    loaded = _module(module)
    function = getattr(loaded, name, None)
    if not callable(function):
        close = difflib.get_close_matches(name, [other for other in vars(loaded) if callable(getattr(loaded, other))], 1)
        found = f"no {name} in it" if function is None else f"{name} of type {type(function).__name__}"
        raise ValueError(f"{module}: got {found}, expected a function of that name{f' (did you mean {close[0]}?)' if close else ''}")
    return function


def _module(module):
    """Return the module of a dotted name, looked for from the current folder, or of a .py file with its folder in reach."""
    is_file = module.endswith(".py")
    if not is_file and (module.startswith(".") or "/" in module or os.sep in module):
        raise ValueError(f"{module}: got a path, expected a dotted module, or a file that ends in .py")
    if is_file and not os.path.isfile(module):
        raise ValueError(f"{module}: got no file, expected a Python file")
    sys.path.insert(0, os.path.dirname(os.path.abspath(module)) if is_file else os.getcwd())
    try:
        if not is_file:
            return importlib.import_module(module)
        # a name of its own: the file may be called as a module that is in use
        spec = importlib.util.spec_from_file_location(f"outside_{os.path.basename(module)[:-3]}", module)
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = loaded  # dataclasses and pickles look their module up there
        spec.loader.exec_module(loaded)
        return loaded
    except ModuleNotFoundError as bad:
        if bad.name and f"{module}.".startswith(f"{bad.name}.") and not is_file:
            raise ValueError(f"{module}: got no module of that name, expected one in {os.getcwd()} or installed") from None
        raise ValueError(f"{module}: importing it raised {answers.raised_where(bad)}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as bad:
        raise ValueError(f"{module}: importing it raised {answers.raised_where(bad)}") from None
