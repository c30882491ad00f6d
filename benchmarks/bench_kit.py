"""What the benchmark scripts share: facts about machine and build, a signed synthetic manifest made
on the fly, runs of plumb-lm, ratios with their spread. Standard library only."""
import datetime, hashlib, json, os, random, statistics, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("PLUMB_BUILD", os.path.join(ROOT, "build"))
RESULTS = os.path.join(ROOT, "benchmarks", "results")
SHAPE = {"layers": 6, "width": 256, "heads": 8, "context": 256, "batch": 8}


def program(name):
    path = os.path.join(BUILD, "bin", name)
    if not os.path.exists(path):
        sys.exit(f"{path} is not there: build first, or say where with PLUMB_BUILD")
    return path


def say(text):
    print(text, file=sys.stderr, flush=True)


def first(path, key):
    with open(path) as f:
        for line in f:
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    return None


def environment(more=None):
    """The environment without settings of BLAS and OpenMP that somebody else made."""
    inherited = ("OPENBLAS_", "OMP_", "MKL_", "GOTO_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(inherited)}
    return {**kept, **(more or {})}


def openblas_core():
    """The kernels that the system's OpenBLAS chooses here, e.g. "Cooperlake"."""
    ask = ("import ctypes; b = ctypes.CDLL('libopenblas.so.0'); "
           "b.openblas_get_corename.restype = ctypes.c_char_p; "
           "print(b.openblas_get_corename().decode())")
    done = subprocess.run([sys.executable, "-c", ask], env=environment(), text=True,
                          capture_output=True)
    return done.stdout.strip() or None


def facts():
    flags = (first("/proc/cpuinfo", "flags") or "").split()
    git = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], text=True,
                         capture_output=True).stdout.strip()
    cpu = {"model": first("/proc/cpuinfo", "model name"), "cores": len(os.sched_getaffinity(0)),
           "family": first("/proc/cpuinfo", "cpu family"), "avx512": "avx512f" in flags}
    return {"cpu": cpu, "commit": git or None,
            "date": datetime.date.today().isoformat(), "openblas_core": openblas_core(),
            "load_before": os.getloadavg()[0],
            "compiler": subprocess.run(["cc", "--version"], text=True,
                                       capture_output=True).stdout.splitlines()[:1]}


def finish(name, result):
    """Writes benchmarks/results/NAME.json and prints the object as the last line."""
    result["load_after"] = os.getloadavg()[0]
    os.makedirs(RESULTS, exist_ok=True)
    with open(os.path.join(RESULTS, name + ".json"), "w") as f:
        json.dump(result, f, indent=2, sort_keys=True)
        f.write("\n")
    print(json.dumps(result, sort_keys=True))


def spread(values):
    """Median, and how far apart the middle half lies, relative to it."""
    if len(values) < 4:
        return statistics.median(values), None
    low, _, high = statistics.quantiles(values, n=4)
    middle = statistics.median(values)
    return middle, (high - low) / middle


class Bundle:
    """Keys, trust and one signed manifest of `records` texts of `length` bytes, in a temporary
    folder. `depths`: their depth profiles in turn (None: the whole model). Every sixteenth text is
    noise, so that a limit has something to clip."""

    def __init__(self, records, length, depths=(None,), policy=None):
        self.dir = tempfile.mkdtemp(prefix="plumb-bench-")
        self.path = lambda name: os.path.join(self.dir, name)
        os.environ["PLUMB_STATE"] = self.path("state")  # the versions seen here are nobody else's
        with open(self.path("pass"), "w") as f:
            f.write("for this measurement only\n")
        os.chmod(self.path("pass"), 0o600)
        self.keys()
        self.records(records, length, depths)
        with open(self.path("policy.json"), "w") as f:
            json.dump(policy or {}, f)

    def plumb(self, *args):
        done = subprocess.run([program("plumb"), *args, "--passphrase-file", self.path("pass")],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"plumb {' '.join(args)}: {done.stderr}")

    def keys(self):
        for name in ("root", "vendor", "operator"):
            self.plumb("key", "new", self.path(name))
        root = ("--root", self.path("root.key"))
        self.plumb("trust", "init", self.path("trust.json"), *root)
        for name, role in (("vendor", "quality-attestation"), ("operator", "operator")):
            self.plumb("trust", "add", self.path("trust.json"), *root, "--vendor", name, "--name",
                       name, "--key", self.path(name + ".pub"), "--role", role)

    def records(self, records, length, depths):
        rng = random.Random(20261122)
        words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(500)]
        printable = [chr(c) for c in range(33, 127)]
        with open(self.path("records.jsonl"), "w") as f:
            for i in range(records):
                text = "" if i % 16 else "".join(rng.choices(printable, k=length))
                while len(text) < length:
                    text += rng.choice(words) + " "
                text = text[:length]
                record = {"id": f"bench:{i}", "text": text,
                          "content": {"sha256": hashlib.sha256(text.encode()).hexdigest(),
                                      "bytes": length}}
                if depths[i % len(depths)]:
                    record["depth"] = depths[i % len(depths)]
                f.write(json.dumps(record, separators=(",", ":")) + "\n")
        self.plumb("manifest", "sign", self.path("records.jsonl"), "--key",
                   self.path("vendor.key"), "--vendor", "vendor", "--dataset", "bench",
                   "--version", "1")

    def command(self, steps, governed, out=None, shape=SHAPE, more=()):
        command = [program("plumb-lm"), "--manifest", self.path("records.plumb.json"), "--trust",
                   self.path("trust.json"), "--steps", str(steps), "--horizon", "1000",
                   "--progress", "json"]
        for key, value in shape.items():
            command += ["--" + key, str(value)]
        if governed:
            command += ["--policy", self.path("policy.json"), "--key", self.path("operator.key"),
                        "--passphrase-file", self.path("pass"), "--out", out,
                        "--checkpoint-every", "0"]
        else:
            command.append("--ungoverned")
        return command + list(more)

    def train(self, steps, governed, out=None, shape=SHAPE, more=()):
        """Facts of every step (the JSON lines) and the peak memory in bytes."""
        process = subprocess.Popen(self.command(steps, governed, out, shape, more),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env=environment(), text=True)
        lines = process.stderr.read().splitlines()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit("plumb-lm: " + "\n".join(lines[-5:]))
        return [json.loads(line) for line in lines if line.startswith("{")], usage.ru_maxrss * 1024
