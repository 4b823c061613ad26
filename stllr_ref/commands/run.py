"""The commands `run TASK` and, without a command, the main job: train, print a table, write results and curves."""

import json
import sys
from dataclasses import replace

from stllr_ref import checks
from stllr_ref.checks import TooLarge
from stllr_ref.commands.arguments import count, folder, numbers, results_folder
from stllr_ref.experiments import classify, recordings, report
from stllr_ref.experiments.tasks import TASKS


def add(commands):
    """Add `run` to the commands of the parser."""
    parser = commands.add_parser("run", help="train one task with one or more rules", allow_abbrev=False)
    parser.add_argument("task", choices=TASKS)
    rules = f"{', '.join(classify.RULES)} (flow: {', '.join(TASKS['flow'].rules)}); by default stllr, bptt and the controls of the task"
    parser.add_argument("--rules", help=f"comma-separated, of {rules}")
    parser.add_argument("--alpha-post", type=numbers, metavar="A,...", help="a row of S-TLLR for each value (write --alpha-post=-1,0)")
    parser.add_argument("--psi", help="fast_sigmoid, triangle, sigmoid or arctan")
    parser.add_argument("--signal", help=", ".join(classify.SIGNALS))
    parser.add_argument("--last", type=count, metavar="N", help="learn in the last N steps")
    parser.add_argument("--seeds", type=count, default=1, metavar="N", help="trials, seeds 0 to N-1")
    parser.add_argument("--epochs", type=count, metavar="N")
    parser.add_argument("--data", type=folder, metavar="DIR", help="recordings in place of the embedded set (see the command data)")
    parser.add_argument("--set", metavar="NAME", help="which set of DIR, where it holds several that the task reads")
    parser.add_argument("--published", choices=("paper", "code"), help="bins of recordings: the paper's text, or its code")
    parser.add_argument("--out", type=folder, metavar="DIR", help="where the results go (default runs/<task>-<time>)")
    parser.add_argument("--threads", type=count, default=1, metavar="N", help="BLAS threads")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(main=run)


def run(args):
    """Train what the arguments ask for, print the table or the JSON object; return the exit code."""
    done, refused, place = _train(args, lambda text: print(text, file=sys.stderr))
    if args.json:
        print(json.dumps(report.summary(done, _source(args), args.threads, refused)))
    else:
        print(report.table(done))
        print("".join(f"{rule} not run: {why}\n" for rule, why in refused.items()), end="")
        print(f"results and learning curves: {place}")
    return 0


def _rows(args, task):
    """Return the settings of each row of the table, refused where a name or number is none."""
    changes = {name: getattr(args, name) for name in ("psi", "signal", "last", "epochs") if getattr(args, name) is not None}
    rules = [rule.strip() for rule in args.rules.split(",")] if args.rules else ["stllr", "bptt", *task.controls]
    for rule in rules:
        checks.choice("--rules", rule, task.rules)
    if args.signal and not any(map(classify.reads_signal, rules)):
        found = f"got it with the rules {', '.join(rules)}"
        raise ValueError(f"--signal: {found}, expected one that lets its signal be exchanged, such as stllr")
    if args.alpha_post and "stllr" not in rules:
        raise ValueError(f"--alpha-post: got it with the rules {', '.join(rules)}, expected stllr among them")
    rows = []
    for rule in rules:
        settings = replace(task.settings, rule=rule, **changes)
        rows += [replace(settings, alpha_post=a) for a in args.alpha_post] if args.alpha_post and rule == "stllr" else [settings]
    twice = [s.rule for i, s in enumerate(rows) if s in rows[:i]]
    if twice:
        raise ValueError(f"--rules, --alpha-post: got the row {twice[0]} twice, expected each once")
    return rows


def _sets(args, task, say):
    """Return train, validation and test: the task's own, or recordings, which have no validation part."""
    if args.data is not None:
        return recordings.sets(args.task, args.data, args.set, args.published or "paper", say)
    given = "--set" if args.set else "--published" if args.published else None
    if given:
        raise ValueError(f"{given}: got it without --data, expected both")
    return task.sets()


def _source(args):
    """Return what the JSON object says of where the data came from."""
    return "embedded" if args.data is None else str(args.data)


def _train(args, say):
    """Run every trial of a `run` command, showing progress by say(text).

    Return the rows of results, rule -> why it was refused (it would remember too much), and the folder of the results.
    """
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm

    task = TASKS[args.task]
    rows = _rows(args, task)
    sets = _sets(args, task, say)
    for settings in rows:
        classify.check_last(settings, len(sets[0][0]))
    done, refused = [[] for _ in rows], {}
    epochs = sum(settings.epochs for settings in rows) * args.seeds
    bar = tqdm(total=epochs, unit="epoch", disable=not sys.stderr.isatty(), leave=False)
    with results_folder(args.out, args.task) as place, threadpool_limits(args.threads), bar:
        for settings, results in zip(rows, done):
            for seed in range(args.seeds):
                bar.set_description(f"{settings.rule} seed {seed}")
                try:
                    results.append(task.trial(settings, seed, sets, lambda epoch: bar.update() and None))
                except TooLarge as bad:
                    refused[settings.rule] = str(bad)
                if any(done):
                    report.write(place, [r for r in done if r], _source(args), args.threads, refused)
                if settings.rule in refused:
                    break
            if results and (not bar.disable or not args.json):
                say(f"{report.label(results[0])}: done")
    if not any(done):
        raise ValueError("; ".join(f"{rule}: got a rule that remembers too much ({why})" for rule, why in refused.items()))
    return [results for results in done if results], refused, place
