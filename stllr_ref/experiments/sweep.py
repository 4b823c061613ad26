r"""A grid of trials, spread over any `concurrent.futures.Executor`, that nothing stops for good.

A cell is (settings, seed) and `work(settings, seed) -> classify.Result` runs it, in this process (`HERE`), in processes of
this machine (`processes`), or on the Dask cluster of a scheduler (`cluster`).  What is finished stands in a file, a line a
cell, as soon as it is known, and is not run again; a cell whose worker died is tried once more.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, ProcessPoolExecutor, wait
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from stllr_ref.checkpoints import difference, plain, replace_file
from stllr_ref.checks import TooLarge
from stllr_ref.chunks import keep_freed_memory
from stllr_ref.experiments import report

VERSION = 1
PATIENCE = 10  # seconds to wait for a scheduler
_ALONE = threading.Lock()  # one cell at a time in a process, whose peak of memory is measured


class Pool(NamedTuple):
    """Where cells are run."""

    make: Optional[Callable] = None  # () -> context of an Executor; None is this process
    at_once: Optional[int] = None  # cells that it is given at a time, None for all
    died: tuple = (BrokenExecutor,)  # what it raises for a cell whose worker is gone


HERE = Pool()


def processes(jobs=None):
    """Return a `Pool` of that many processes, by default one a core."""
    jobs = jobs or os.cpu_count()
    return Pool(partial(_processes, jobs), jobs)


@contextlib.contextmanager
def _processes(jobs):
    """Yield a process pool; whatever interrupts the work ends its processes too, and their cells with them."""
    before = multiprocessing.active_children()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin) as executor:
        try:
            yield executor
        except BaseException:
            for child in multiprocessing.active_children():
                if child not in before:
                    child.kill()
            raise


def _begin():
    """End this process with the one that started it."""
    threading.Thread(target=_follow, daemon=True).start()


def _follow():
    """Wait for the end of the process that started this one."""
    multiprocessing.parent_process().join()
    os._exit(1)


@contextlib.contextmanager
def _held():
    """Hold Ctrl-C back while processes start: they inherit that, so that it only ever reaches the process that ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cluster(address):
    """Return the `Pool` of a Dask scheduler, refused without the package; its workers must see the same folders as we do."""
    try:
        from distributed import Client, KilledWorker
    except ImportError as missing:
        raise ImportError(f'--scheduler: {missing}, expected Dask: pip install "dask[distributed]"') from None

    @contextlib.contextmanager
    def connected():
        """Yield the cluster as an Executor."""
        try:
            client = Client(address, timeout=PATIENCE)
        except (OSError, ValueError) as bad:
            raise ValueError(f"--scheduler: got {address} ({str(bad).splitlines()[0]}), expected the address of a scheduler") from None
        with client:
            yield client.get_executor()

    return Pool(connected, None, (BrokenExecutor, CancelledError, KilledWorker))


class Finished:
    """The file of finished cells: a line that says what the grid is, then a line a cell, each a JSON object.

    Parameters
    ----------
    path : path
        Made if it is not there.
    about : dict
        What the cells of this grid have in common, as JSON takes it.
    say : callable
        Is told if the last line was half written when a run was killed; its cell is run again.

    Raises
    ------
    ValueError
        If the file is that of another grid, or of another version, or a line is damaged.
    """

    def __init__(self, path, about, say=lambda text: None):
        self.path, self.lines, about = Path(path), {}, plain({"version": VERSION, **about})
        if not self.path.exists():
            replace_file(self.path, lambda part: part.write_text(json.dumps(about) + "\n"))
        data = self.path.read_bytes()
        whole, _, half = data.rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n"), 1):
            try:
                entry = json.loads(line)
                if number > 1:
                    self.lines[json.dumps(entry["cell"])] = entry
            except (ValueError, TypeError, KeyError):
                raise ValueError(f"{path}: got a damaged line {number}, expected a JSON object for each finished trial") from None
            if number == 1 and (other := difference(entry, about)):
                raise ValueError(f"{path}: {other}")
        if half:
            say(f"{path}: its last line was half written and is dropped; that trial is run again")
            os.truncate(self.path, len(data) - len(half))

    def get(self, cell):
        """Return the `Result` of a cell, without parameters; None if it is not finished; ValueError if its line is damaged."""
        entry = self.lines.get(_name(cell))
        try:
            return entry and report.from_plain(entry["result"], type(cell[0]))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ValueError(f"{self.path}: got a damaged result of a trial of seed {cell[1]}, expected what `add` wrote") from None

    def add(self, cell, result):
        """Append the result of a cell; on disk when this returns."""
        entry = {"cell": [vars(cell[0]), cell[1]], "result": report.to_plain(result)}
        with open(self.path, "ab") as file:
            file.write((json.dumps(entry) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())
        self.lines[_name(cell)] = entry

    def drop(self, cell):
        """Forget a cell, which is then run again."""
        del self.lines[_name(cell)]


def _name(cell):
    """Return (settings, seed) as one text."""
    return json.dumps(plain([vars(cell[0]), cell[1]]))


def run(work, cells, file=None, pool=None, done=None, threads=1, say=lambda text: None):
    """Run the cells of a grid that are not finished yet; return cell -> `classify.Result` for all.

    Parameters
    ----------
    work : callable
        (settings, seed) -> `classify.Result`; must be picklable, unless the pool is `HERE`: there it is called with a
        third argument, to be called after each epoch.
    cells : list of (settings, seed)
    file : Finished, optional
        Where results are kept, and taken from: those come without parameters.
    pool : Pool, optional
        Where the cells are run, `processes()` by default.
    done : callable, optional
        (cell, result); called for each cell that was run, once it is in the file.
    threads : int
        BLAS threads of each process.
    say : callable
        Is told which cells are tried again.

    Returns
    -------
    dict
        Cell -> result, in the order of cells; the exception `checks.TooLarge` for what would have to remember too much.

    Raises
    ------
    ChildProcessError
        If the worker of a cell dies again when the cell is tried alone.
    Exception
        Whatever a cell raises: the others are stopped, what was finished stays.
    """
    from tqdm import tqdm

    results = {cell: result for cell in cells if file and (result := file.get(cell))}
    work, pool, todo = partial(_call, work, threads), pool or processes(), [cell for cell in cells if cell not in results]
    bar = tqdm(total=_epochs(cells), initial=_epochs(results), unit="epoch", leave=False, disable=not sys.stderr.isatty())

    def take(cell, result):
        """Keep the result of a cell."""
        if file and not isinstance(result, TooLarge):
            file.add(cell, result)
        results[cell] = result
        if done:
            done(cell, result)
        bar.update(_epochs([cell]) if pool.make else 0)  # here each epoch has been shown

    with bar:
        while todo:
            for cell in _spread(work, todo, pool, take, bar):
                say(f"{cell[0].rule} seed {cell[1]}: a worker died while it ran; it is tried once more, alone")
                if _spread(work, [cell], pool, take, bar):
                    raise ChildProcessError(None, "its worker died twice", f"{cell[0].rule} seed {cell[1]}")
            todo = [cell for cell in todo if cell not in results]
    return {cell: results[cell] for cell in cells}


def _epochs(cells):
    """Return how many epochs the cells have."""
    return sum(settings.epochs for settings, _ in cells)


def _spread(work, cells, pool, take, bar):
    """Run cells until all are done or a worker dies; take(cell, result) as they come; return the cells that were running then."""
    if pool.make is None:
        for cell in cells:
            bar.set_description(f"{cell[0].rule} seed {cell[1]}")
            take(cell, work(*cell, lambda *epoch: bar.update() and None))
        return []
    waiting, running, dead = iter(cells), {}, []
    with pool.make() as executor, contextlib.suppress(*pool.died):  # a pool may break while nothing runs
        while not dead or running:
            with _held():
                for cell in islice(waiting, 0 if dead else pool.at_once and pool.at_once - len(running)):
                    running[executor.submit(work, *cell)] = cell
            if not running:
                break
            for future in sorted(wait(running, return_when=FIRST_COMPLETED).done, key=_failed):
                cell = running.pop(future)
                try:
                    result = future.result()
                except pool.died:
                    dead.append(cell)
                else:
                    take(cell, result)
    return dead


def _failed(future):
    """Return whether a future that is done has no result: it is looked at last, so that no result is lost."""
    return future.cancelled() or future.exception() is not None


def _call(work, threads, *arguments):
    """Run one cell, alone in its process, on so many BLAS threads; a refusal of its size is an answer, too."""
    from threadpoolctl import threadpool_limits

    keep_freed_memory()
    with _ALONE, threadpool_limits(threads):
        try:
            return work(*arguments)
        except TooLarge as bad:
            return bad
