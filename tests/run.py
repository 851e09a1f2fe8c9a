"""Make an environment, install the project into it, and run the test suite, or the examples.

    python3 tests/run.py                the suite; arguments are pytest's (`tests/plugin -x`)
    python3 tests/run.py examples       docs/examples, and a page of the mail that they sent

It needs nothing but a Python, and where that is too old or incomplete it says what to do; so this file keeps
to what old Pythons can parse (ASCII, no annotations, no f-strings).
"""

import hashlib
import os
import subprocess
import sys

OLDEST = (3, 10)
NEWEST = (3, 14)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

NO_PYTHON = """\
pytest-smtp4d needs Python {oldest} or newer; this is Python {here} ({path}), and no newer one is on the PATH.
  Debian, Ubuntu:  apt-get install python3 python3-venv      (Debian 12, Ubuntu 22.04 or newer)
  Fedora:          dnf install python3.12
  macOS:           brew install python@3.12
  anywhere:        https://www.python.org/downloads/, or `uv python install 3.12`
Then run this again with it, for example: python3.12 {script}
"""

NO_VENV = """\
This Python ({path}) cannot make virtual environments: its ensurepip is missing, and there is no pip either.
  Debian, Ubuntu:  apt-get install python3-venv
  otherwise:       install pip, or use another Python {oldest} or newer
Then run this again.
"""

NO_INSTALL = """\
pip could not install the project (its words are above).
  No network?    Point pip to a mirror or a folder of wheels (PIP_INDEX_URL, PIP_FIND_LINKS).
  Half an environment left from before?    Remove the folder {environment}.
Then run this again.
"""


def stop(advice, **words):
    # type: (str, object) -> None
    """Print what is missing and what to do, and end."""
    words.update(path=sys.executable, oldest="%d.%d" % OLDEST)
    sys.stderr.write("\n" + advice.format(**words))
    sys.exit(2)


def works(words):
    # type: (list[str]) -> bool
    """Return whether a command exists and succeeds; its output is nobody's business."""
    with open(os.devnull, "w") as nowhere:
        try:
            return subprocess.call(words, stdout=nowhere, stderr=nowhere) == 0
        except OSError:
            return False


def run_with_newer_python():
    # type: () -> None
    """Start again under a Python that is new enough, if the PATH has one; else say so."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        name = "python3.%d" % minor
        if works([name, "-c", ""]):  # a shim may be there without what it stands for
            sys.exit(subprocess.call([name, os.path.abspath(__file__)] + sys.argv[1:]))
    stop(NO_PYTHON, here="%d.%d" % sys.version_info[:2], script=" ".join(sys.argv))


def make_environment(folder):
    # type: (str) -> list[str]
    """Make a virtual environment if it is not there; return the command that is pip for it."""
    import shutil
    import venv

    python = python_of(folder)
    try:
        import ensurepip  # noqa: F401 # Debian ships it apart, in python3-venv
    except ImportError:
        if not works([sys.executable, "-m", "pip", "--version"]):
            stop(NO_VENV)
        venv.create(folder, clear=True)
        return [sys.executable, "-m", "pip", "--python", python]
    if not works([python, "-c", "import pip"]):
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
    return [python, "-m", "pip"]


def python_of(folder):
    # type: (str) -> str
    """Return the interpreter of a virtual environment."""
    return os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")


def install(folder, what):
    # type: (str, str) -> None
    """Install the project, editable, unless this very pyproject.toml was installed before."""
    stamp = os.path.join(folder, "installed-" + hashlib.sha256(what.encode()).hexdigest()[:8])
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == wanted:
                return
    pip = make_environment(folder)
    print("Installing pytest-smtp4d into " + os.path.relpath(folder, ROOT) + " ...")
    sys.stdout.flush()
    options = ["--quiet", "--disable-pip-version-check"]
    if subprocess.call(pip + ["install"] + options + ["--editable", what], cwd=ROOT) != 0:
        stop(NO_INSTALL, environment=os.path.relpath(folder, ROOT))
    with open(stamp, "w") as file:
        file.write(wanted)


def command(arguments):
    # type: (list[str]) -> tuple[str, list[str]]
    """Return what to install and what to run in the environment."""
    if arguments[:1] == ["examples"]:
        examples = os.path.join("docs", "examples")
        page = os.path.join(ROOT, ".report", "examples.html")
        shown = ["-c", os.path.join(examples, "pytest.ini"), "-q", "--smtp4d-report=" + page]
        return ".", ["-m", "pytest"] + shown + (arguments[1:] or [examples])
    measured = ["-m", "coverage", "run"] if os.environ.get("SMTP4D_COVERAGE") else []
    options = ["-W", "error", "-n", "logical", "-m", "not slow"]
    return ".[test]", measured + ["-m", "pytest"] + options + arguments


def main():
    # type: () -> int
    """Run what the arguments ask for; return pytest's exit status."""
    if sys.version_info < OLDEST:
        run_with_newer_python()
    what, arguments = command(sys.argv[1:])
    if "TOX_ENV_DIR" in os.environ:  # tox has made the environment, and installed into it
        return subprocess.call([sys.executable] + arguments, cwd=ROOT)
    folder = os.path.join(ROOT, ".venv-%d.%d" % sys.version_info[:2])
    install(folder, what)
    return subprocess.call([python_of(folder)] + arguments, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
