"""What is wrong with a config, in one line: the file, the line in it, and what to do."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from textwrap import shorten

from resnest_dense.configs import find_shipped
from resnest_dense.errors import ResNeStError, ResNeStValueError, log_traceback

__all__ = ["explained"]

_SITE = "site-packages"


@contextmanager
def explained(config: str | PurePath) -> Iterator[None]:
    """Inside: whatever goes wrong with a config, or with what is made of it, is one line.

    Raises:
        ResNeStError: an error of ours, with the config's name before it.
        ResNeStValueError: in place of any other error.
    """
    try:
        yield
    except ResNeStError as error:
        if str(config) in str(error):
            raise
        raise type(error)(f"{config}: {error}") from error
    except Exception as error:  # Whatever the config's own code, or a wrong key, brings about.
        log_traceback("%s cannot be used:", config)
        raise ResNeStValueError(_explain(str(config), error)) from error


def _explain(config: str, error: BaseException) -> str:
    mark = getattr(error, "problem_mark", None)  # of YAML's errors
    if mark is not None:
        remedy = ("indent with spaces, YAML takes no tabs" if "\\t" in str(error)
                  else "mend that line or the one before it")
        return f"{config}, line {mark.line + 1}: {getattr(error, 'problem', error)}; {remedy}."
    if isinstance(error, SyntaxError):
        return f"{_file_of(error, config)}, line {error.lineno}: {error.msg}; mend that line."
    if isinstance(error, UnicodeDecodeError):
        return f"{config} is not in UTF-8 ({error}); save it in UTF-8."
    if isinstance(error, RecursionError):
        return f"{config}: its bases name each other in a circle; take one of them out."
    if isinstance(error, FileNotFoundError) and error.filename:
        return _explain_missing(config, Path(error.filename))
    text = str(error)
    if isinstance(error, KeyError) and error.args and " " in str(error.args[0]):
        text = str(error.args[0])  # a sentence, which Python puts into quotation marks
    text = shorten(text, 400, placeholder=" ...")
    return f"{_place(config, error, text)}: {type(error).__name__}: {text} (-v shows from where)"


def _explain_missing(config: str, missing: Path) -> str:
    shipped = find_shipped(missing)
    remedy = (f"The shipped file of that name is {shipped}: write that path" if shipped else
              "A path in a config starts from the config's folder: mend it, or write the whole one")
    return f"{_find_line(config, missing.name)}: there is no file {missing}. {remedy}."


def _file_of(error: SyntaxError, config: str) -> str:
    """The file, which may be a base that mmengine parses without telling the parser its name."""
    if error.filename and Path(error.filename).is_file():
        return error.filename
    names = [str(frame.f_locals.get("filename")) for frame, _ in
             traceback.walk_tb(error.__traceback__)]
    return next((name for name in reversed(names) if Path(name).is_file()), config)


def _place(config: str, error: BaseException, text: str) -> str:
    """Where the config's own code was, or code that it imports; elsewhere the line that has what
    the error names in quotation marks; else the config alone."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if frame.name == "<module>" and _SITE not in frame.filename]
    if frames:
        return f"{frames[-1].filename}, line {frames[-1].lineno}"
    places = (_find_line(config, name) for name in re.findall(r"['`]([\w.]{3,})['`]", text))
    return next((place for place in places if place != config), config)


def _find_line(config: str, name: str) -> str:
    """``PATH, line N`` of the first line of a config that has a name, else the path alone."""
    if not Path(config).is_file():
        return config
    lines = Path(config).read_text(encoding="utf-8", errors="replace").splitlines()
    word = re.compile(rf"\b{re.escape(name)}\b")
    number = next((n for n, line in enumerate(lines, start=1) if word.search(line)), None)
    return f"{config}, line {number}" if number else config
