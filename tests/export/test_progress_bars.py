import io
import re

from rich.console import Console

from export.progress_bars import stages


def shown(terminal: bool, fails: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100, color_system=None)
    try:
        with stages("Export eros", 2, console) as step:
            step("denoiser")
            if fails:
                raise ValueError
            step("publish")
    except ValueError:
        pass
    return file.getvalue()


def test_pipe_gets_two_lines_a_stage_with_time_and_memory() -> None:
    lines = shown(terminal=False).splitlines()
    figures = r" done in \d+\.\d s, \d+\.\d GiB"
    for number, name in enumerate(("denoiser", "publish"), 1):
        begun, ended = lines[2 * number - 2 : 2 * number]
        assert begun == f"Export eros: {name} ({number} of 2)"
        assert re.fullmatch(re.escape(begun) + figures, ended)


def test_terminal_shows_a_bar_for_each_stage_with_time_and_memory() -> None:
    lines = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown(terminal=True)).splitlines()
    for number, name in enumerate(("denoiser", "publish"), 1):
        row = [line for line in lines if name in line][-1]
        assert re.search(rf"Export eros: {name} \({number} of 2\) +━+ 0:00:\d\d \d+\.\d GiB", row)


def test_stage_that_failed_is_not_called_done() -> None:
    assert "done" not in shown(terminal=False, fails=True)
