"""A network in OpenVINO that has shown on a known input what it computes: compiled, or kept from before."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from batching import Arrays
from compile_cache import CompileCache, digest_of
from known_input import KNOWN_BY, check_close, outcome_of
from openvino_session import LIBRARY, NO_TABLES, OpenVinoSession, processor
from process_memory import forget_mapped, give_back

COMPILED = "IMGEN_COMPILED_DIR"
EXACT = "f32"
Log = Callable[[str], None]
Load = Callable[..., OpenVinoSession]


def open_proven(
    path: Path,
    parameters: Mapping[str, str],
    precision: str,
    root: str,
    log: Log,
    tables: Arrays = NO_TABLES,
) -> OpenVinoSession:
    """`root`: folder of what was compiled; "" keeps nothing. `log` is told in a line of all that is wrong
    with it; `tables` as of OpenVinoSession. Raises whatever OpenVINO raises, ValueError for a network that
    computes something else."""
    load = partial(OpenVinoSession, str(path), parameters, precision, tables=tables)
    cache = _open_cache(root, path, precision, log)
    if cache and (session := _load_kept(cache, load, log)):
        return session
    exact = _outcome_in_f32(path, parameters, tables) if precision != EXACT else None
    if cache:
        try:
            return _compile_and_keep(cache, load, exact, log)
        except OSError as error:
            log(f"{COMPILED}: {error}; it is compiled at every start")
    session = load()
    _prove(session, exact)
    give_back()
    return session


def _open_cache(root: str, path: Path, precision: str, log: Log) -> CompileCache | None:
    if not root:
        return None
    try:
        bound_to = LIBRARY, precision, processor(), KNOWN_BY
        return CompileCache(Path(root) / path.parent.parent.name, path, *bound_to)
    except OSError as error:
        log(f"{COMPILED}: {error}; it is compiled at every start")
        return None


def _load_kept(cache: CompileCache, load: Load, log: Log) -> OpenVinoSession | None:
    """None where nothing is kept, or not what was put there."""
    try:
        known = cache.known_outcome()
        if not known:
            return None
        session = load(cache.folder)
        if not session.came_from_cache:
            raise ValueError("OpenVINO does not take it")
        if digest_of(outcome_of(session)) != known:
            raise ValueError("it computes something else")
    except Exception as error:  # of a damaged file OpenVINO raises whatever it likes
        log(f"what was compiled before is damaged, it is compiled anew: {' '.join(str(error).split())[:200]}")
        cache.drop(cache.folder)
        return None
    forget_mapped(cache.folder)
    return session


def _outcome_in_f32(path: Path, parameters: Mapping[str, str], tables: Arrays) -> Arrays:
    made = outcome_of(OpenVinoSession(str(path), parameters, EXACT, tables=tables))
    give_back()
    return made


def _compile_and_keep(cache: CompileCache, load: Load, exact: Arrays | None, log: Log) -> OpenVinoSession:
    """Loaded again from what is kept: compiling leaves twice as much behind. Raises OSError."""
    with cache.new_folder() as folder:
        known = digest_of(_prove(load(folder), exact))
        give_back()
        cache.keep(folder, known)
    session = load(cache.folder)
    if digest_of(outcome_of(session)) != known:
        raise ValueError("what was compiled computes something else when it is loaded")
    if not session.came_from_cache:
        log(f"{COMPILED}: what was compiled could not be written; it is compiled at every start")
        cache.drop(cache.folder)
    forget_mapped(cache.folder)
    give_back()
    return session


def _prove(session: OpenVinoSession, exact: Arrays | None) -> Arrays:
    made = outcome_of(session)
    if exact is not None:
        check_close(made, exact)
    return made
