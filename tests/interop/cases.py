"""What the tests in this folder share: running plumb, folders of their own, counting as cmocka does
(scripts/count-tests.awk reads it), and skipping with a reason."""
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from importlib import metadata

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("PLUMB_BUILD_DIR", os.path.join(SOURCE, "build"))
PLUMB = os.path.join(BUILD, "bin", "plumb")


# What this machine has seen of stores and manifests is no business of a test.
STATE = tempfile.TemporaryDirectory(prefix="plumb-interop-state-")
os.environ["PLUMB_STATE"] = STATE.name
printed = set()


class Skip(Exception):
    pass


def say(text):
    if text not in printed:
        print(text)
    printed.add(text)


def package(module, distribution=None):
    """The module, its version printed; skips the test where it is not installed."""
    try:
        found = importlib.import_module(module)
        version = metadata.version(distribution or module)
    except ImportError:
        raise Skip(f"Python's {distribution or module} is not installed "
                   "(scripts/test.sh installs it where it may)") from None
    say(f"with {distribution or module} {version}")
    return found


def require(*names):
    """For whole test programs: ends with "skipped" where one of these packages is missing."""
    try:
        for name in names:
            package(name)
    except Skip as reason:
        print(f"SKIP: {reason}")
        sys.exit(77)


def tool(name, *version):
    """The path of a program, its version printed."""
    path = shutil.which(name)
    if path is None:
        raise Skip(f"{name} is not installed")
    shown = subprocess.run([path, *version], capture_output=True, text=True, check=False)
    say(f"with {(shown.stdout + shown.stderr).splitlines()[0]}")
    return path


def run(*command, data=b"", cwd=None, code=0):
    """The finished process; with code=None any exit code is accepted."""
    done = subprocess.run(command, input=data, capture_output=True, cwd=cwd, check=False)
    if code is not None and done.returncode != code:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}, expected {code}: "
                             f"{done.stderr.decode()}{done.stdout.decode()}")
    return done


def plumb(*arguments, **options):
    return run(PLUMB, *arguments, **options)


def verbs(command):
    """What a command's help names: tests of verbs that a build lacks skip."""
    return set(re.findall(r"[a-z]+", plumb(command, "--help").stdout.decode()))


def folder():
    return tempfile.TemporaryDirectory(prefix="plumb-interop-")


def write(directory, files):
    for name, data in files.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(data)


def equal(found, expected, what=""):
    assert found == expected, f"{what}: found {found!r}, expected {expected!r}"


def main(*functions):
    """Runs every function; the exit code is 1 when one fails, 77 when all are skipped."""
    counts = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for function in functions:
        try:
            function()
            outcome = "PASSED"
        except Skip as reason:
            print(f"SKIP: {function.__name__}: {reason}")
            outcome = "SKIPPED"
        except Exception:  # a test that stumbles has failed; the others still run
            traceback.print_exc(file=sys.stdout)
            print(f"FAILED: {function.__name__}")
            outcome = "FAILED"
        counts[outcome] += 1
    for outcome, n in counts.items():
        if n:
            print(f"[{outcome:^10}] {n} test(s).")
    sys.exit(1 if counts["FAILED"] else 77 if not counts["PASSED"] else 0)
