"""The commands `run TASK` and, without a command, the main job: train, print a table, write results and curves."""

import json
import shlex
import sys
from dataclasses import replace
from functools import lru_cache, partial

from stllr_ref import checks
from stllr_ref.checks import TooLarge
from stllr_ref.commands.arguments import TRIALS, add_command, add_grid, add_json, count, folder, number, numbers, pool, results_folder, say
from stllr_ref.experiments import classify, flow, networks, recordings, report, sweep
from stllr_ref.experiments.tasks import TASKS

# All but out, resume and json.
OPTIONS = "rules alpha_post psi signal last seeds epochs update loss network data set published model width jobs scheduler threads".split()


def add(commands):
    """Add `run` to the commands of the parser."""
    about = (
        "Train one task with one or more rules; print a table, and write results, learning curves and weights to a folder. The defaults "
        "called the task's own stand in result.json there, under settings."
    )
    example = "run digits --rules stllr,bptt --alpha-post=-1,0,1 --last 5"
    parser = add_command(commands, "run", "train one task with one or more rules", about, example)
    parser.add_argument("task", choices=TASKS, metavar="TASK", help=f"one of {', '.join(TASKS)}")
    rules = f"{', '.join(classify.RULES)}; of flow: {', '.join(TASKS['flow'].rules)}"
    usual = "stllr,bptt,frozen, of flow zero too; no bptt with --update online"
    parser.add_argument("--rules", metavar="R,...", help=f"rows of the table: {rules} (default: {usual})")
    signs = "a row of stllr for each value; write --alpha-post=-1,0 (default: the task's own)"
    parser.add_argument("--alpha-post", type=numbers, metavar="A,...", help=signs)
    parser.add_argument("--psi", help=f"surrogate derivative: {', '.join(classify.PSIS)} (default: the task's own)")
    parser.add_argument("--signal", help=f"learning signal of hidden layers: {', '.join(classify.SIGNALS)} (default: bp)")
    parser.add_argument("--last", type=count, metavar="N", help="learn in the last N time steps (default: the task's own)")
    parser.add_argument("--seeds", type=count, default=1, metavar="N", help="trials of each row, with seeds 0 to N-1 (default: 1)")
    parser.add_argument("--epochs", type=count, metavar="N", help="passes over the training samples (default: the task's own)")
    update = "change weights after a batch, or in each step of the window (default: accumulated)"
    parser.add_argument("--update", choices=classify.UPDATES, help=update)
    add_grid(parser, "TASK")
    add_json(parser)
    only = parser.add_argument_group("of flow")
    only.add_argument("--loss", choices=flow.LOSSES, help="learn from the true flow, or from grey frames alone (default: mse)")
    only.add_argument("--network", choices=tuple(flow.NETWORKS), help="two convolutions, or an encoder-decoder (default: flat)")
    data = parser.add_argument_group("recordings in place of the embedded set (see the command data)")
    data.add_argument("--data", type=folder, metavar="DIR", help="folder that holds the folders of recorded sets")
    data.add_argument("--set", metavar="NAME", help="which set, where DIR holds several that the task reads")
    published = "bin events as the paper's text says, or as its code does (default: paper)"
    data.add_argument("--published", choices=("paper", "code"), help=published)
    model = "our network and settings, or the paper's (default: ours)"
    data.add_argument("--model", choices=("ours", "published"), default="ours", help=model)
    data.add_argument("--width", type=number, metavar="W", help="times the channels or neurons of --model published (default: 1)")
    parser.set_defaults(main=run)


def run(args):
    """Train what the arguments ask for, print the table or the JSON object; return the exit code."""
    done, refused, place = _train(args, say)
    if args.json:
        print(json.dumps(report.summary(done, _source(args), args.threads, refused)))
    else:
        print(report.table(done))
        print("".join(f"{rule} not run: {why}\n" for rule, why in refused.items()), end="")
        print(f"results and learning curves: {place}")
    return 0


def _rows(args, task):
    """Return the settings of each row of the table, refused where a name or number is none."""
    changes = {name: getattr(args, name) for name in ("psi", "signal", "last", "epochs", "update") if getattr(args, name) is not None}
    changes |= _of_flow(args)
    usual = ["stllr", *(["bptt"] if args.update != "online" else []), *task.controls]
    rules = usual if args.rules is None else [rule.strip() for rule in args.rules.split(",")]
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


def _of_flow(args):
    """Return the fields of the settings that --loss and --network change, refused where the task or its data have no such choice."""
    if args.update and args.task == "flow":
        raise ValueError("--update: got it with flow, expected a task of classification")
    for option in ("loss", "network"):
        if getattr(args, option) and args.task != "flow":
            raise ValueError(f"--{option}: got it with {args.task}, expected flow")
    if args.loss == "photometric" and args.data is not None:
        raise ValueError("--loss: got photometric with --data, whose reader hands out no grey frames, expected mse")
    loss = {"loss": args.loss} if args.loss else {}
    return loss | (flow.network_fields(args.network) if args.network else {})


def _task(args):
    """Return the `Task` that is meant: that of our own settings, or with --model published that of a recorded set."""
    if args.model == "ours" and args.width is not None:
        raise ValueError("--width: got it without --model published, expected both")
    if args.model == "ours":
        return TASKS[args.task]
    if args.data is None:
        raise ValueError("--model: got published without --data, expected both")
    if args.network:
        raise ValueError("--network: got it with --model published, which has a network of its own, expected one of the two")
    return networks.task(recordings.named(args.task, args.data, args.set), 1.0 if args.width is None else args.width)


def _sets(task, data, name, published, loss, model, say):
    """Return train, validation and test: the task's own, for its loss, or recordings, which have no validation part."""
    if data is not None:
        read = recordings.streams if model == "published" else recordings.sets
        return read(task, data, name, published or "paper", say)
    given = "--set" if name else "--published" if published else None
    if given:
        raise ValueError(f"{given}: got it without --data, expected both")
    return TASKS[task].sets(loss) if loss else TASKS[task].sets()


_loaded = lru_cache(1)(partial(_sets, say=lambda text: None))  # in a worker, for all its trials


def _source(args):
    """Return what the JSON object says of where the data came from."""
    return "embedded" if args.data is None else str(args.data)


def _trial(trial, source, sets, rows, place, settings, seed, tick=None):
    """Run one trial of the rows of a table with a checkpoint in a folder; sets None: load them from source, in another process."""
    checkpoint = _checkpoint(place, rows, settings, seed)
    if sets is None:
        sets, checkpoint = _loaded(*source), checkpoint if place.is_dir() else None  # another machine may not see the folder
    options = recordings.OPTIONS.get(source[0], {}) if source[1] else {}
    return trial(settings, seed, sets, tick, checkpoint, **options)


def _checkpoint(place, rows, settings, seed):
    """Return the path of the checkpoint of a trial."""
    return place / f"checkpoint-{rows.index(settings)}-{seed}.npz"


def _again(args, place):
    """Return the command that goes on with a run from its folder."""
    words = [sys.executable, "-m", "stllr_ref", "run", args.task]
    for name in OPTIONS:
        value = getattr(args, name)
        if value is not None and (name, value) not in (("seeds", 1), ("jobs", 1), ("threads", 1), ("model", "ours")):
            words.append(f"--{name.replace('_', '-')}={','.join(map(repr, value)) if name == 'alpha_post' else value}")
    return shlex.join([*words, f"--out={place}", "--resume", *["--json"] * args.json])


def _about(args, rows, sets):
    """Return what a run is, as far as numbers depend on it: --resume compares it with that of the folder."""
    given = {name: getattr(args, name) for name in ("task", "set", "published", "seeds", "threads")}
    source = {"data": str(args.data.resolve()) if args.data else "embedded", "samples": [len(part[1]) for part in sets if part is not None]}
    rules = {"rules": [s.rule for s in rows], "alpha_post": [s.alpha_post for s in rows]}
    return {**given, **source, **rules, "settings": [vars(s) for s in rows], "versions": report.versions()}


def _kept(file, place, cells, say):
    """Return cell -> result of the trials that a folder has finished; one whose parameters are gone is forgotten, to be run again."""
    params, kept = report.read_params(place), {}
    for cell in cells:
        result = file.get(cell)
        if result and (whole := report.with_params(result, params)):
            kept[cell] = whole
        elif result:
            say(f"{report.label(result)} seed {cell[1]}: its parameters are not in last.npz; it is run again")
            file.drop(cell)
    return kept


def _train(args, say):
    """Run every trial of a `run` command that its folder does not have yet, showing progress by say(text).

    Return the rows of results, rule -> why it was refused (it would remember too much), and the folder of the results.
    """
    task, where = _task(args), pool(args)
    rows, source = _rows(args, task), (args.task, args.data and args.data.resolve(), args.set, args.published, args.loss, args.model)
    cells = [(settings, seed) for settings in rows for seed in range(args.seeds)]
    with results_folder(args.out, args.task, args.resume, partial(_again, args)) as place:  # before minutes of reading
        sets = _sets(args.task, args.data, args.set, args.published, args.loss, args.model, say)
        for settings in rows:
            classify.check_last(settings, sets[0][0].shape[0])
        file = sweep.Finished(place / TRIALS, _about(args, rows, sets), say)
        results = _kept(file, place, cells, say)

        def write():
            """Write what there is, and take away the checkpoints that are not needed any more."""
            table, refused = _table(rows, args.seeds, results)
            if table:
                report.write(place, table, _source(args), args.threads, refused)
            for cell in results:
                _checkpoint(place, rows, *cell).unlink(missing_ok=True)

        def done(cell, result):
            """Take one result more, and say so where its row has all."""
            results[cell] = result
            write()
            whole = isinstance(result, classify.Result) and all((cell[0], seed) in results for seed in range(args.seeds))
            if whole and (sys.stderr.isatty() or not args.json):
                say(f"{report.label(result)}: done")

        write()  # what a killed run had no time for
        work = partial(_trial, task.trial, source, sets if where is sweep.HERE else None, rows, place.resolve())
        sweep.run(work, cells, file, where, done, args.threads, say)
        table, refused = _table(rows, args.seeds, results)
        if not table:
            raise ValueError("; ".join(f"{rule}: got a rule that remembers too much ({why})" for rule, why in refused.items()))
    return table, refused, place


def _table(rows, seeds, results):
    """Return the rows of results so far, seeds in order, and rule -> why it was refused."""
    found = [[results[settings, seed] for seed in range(seeds) if (settings, seed) in results] for settings in rows]
    table = [[result for result in row if isinstance(result, classify.Result)] for row in found]
    refused = {cell[0].rule: str(result) for cell, result in results.items() if isinstance(result, TooLarge)}
    return [row for row in table if row], refused
