#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The arithmetic of the figures: targets, ratios, spans, lines of code."""

import json
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import loc  # noqa: E402
from cvmbench.figures import Figure, table, write  # noqa: E402
from cvmbench.moment import Span  # noqa: E402


class TargetTest(unittest.TestCase):
    def test_ratio_is_held_against_the_target(self):
        self.assertTrue(Figure("f", "u", 102, 100, 1.02).met)
        self.assertFalse(Figure("f", "u", 103, 100, 1.02).met)

    def test_value_is_held_against_the_target_without_baseline(self):
        self.assertTrue(Figure("f", "lines", 6000, target=6000).met)
        self.assertFalse(Figure("f", "lines", 6001, target=6000).met)

    def test_at_least(self):
        self.assertTrue(Figure("f", "bytes/s", 50, 100, 0.5, at_least=True).met)
        self.assertFalse(Figure("f", "bytes/s", 49, 100, 0.5, at_least=True).met)

    def test_no_target_is_neither_met_nor_missed(self):
        self.assertIsNone(Figure("f", "u", 1, 2).met)

    def test_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "deep" / "f.json"
            write(path, [Figure("a", "u", 3000.4, 1000, 2), Figure("b", "u", 1.234)])
            first, second = json.loads(path.read_text())["figures"]
        self.assertEqual(first, {"name": "a", "unit": "u", "value": 3000, "baseline": 1000, "ratio": 3.0004,
                                 "target": 2, "met": False})
        self.assertEqual(second, {"name": "b", "unit": "u", "value": 1.23, "baseline": None, "ratio": None,
                                  "target": None, "met": None})

    def test_table_marks_what_is_missed(self):
        text = table([("group", [Figure("good", "u", 1, 1, 1), Figure("bad", "u", 2, 1, 1)])])
        self.assertIn("-- group", text)
        self.assertTrue(text.splitlines()[2].endswith("yes"))
        self.assertTrue(text.splitlines()[3].endswith("NO"))


class SpanTest(unittest.TestCase):
    def moment(self, tsc, seconds, idle, exits, sealed):
        return {"tsc": tsc, "mono_ns": seconds * 10**9, "idle_centis": idle,
                "host": {"exits": exits, "by_reason": {"10": exits - 1, "32": 1}},
                "vms": {"1": {"exits": 7, "sealed": sealed}}}

    def test_differences(self):
        span = Span(self.moment(1000, 1, 0, 5, 2), self.moment(5000, 3, 100, 25, 12))
        self.assertEqual(span.ticks, 4000)
        self.assertEqual(span.seconds, 2)
        self.assertEqual(span.busy_ticks, 2000)
        self.assertEqual(span.host("exits"), 20)
        self.assertEqual(span.host_reasons(), [("CPUID", 20)])
        self.assertEqual(span.vm("sealed"), 10)

    def test_no_rootvisor(self):
        before, after = ({"tsc": t, "mono_ns": t, "idle_centis": 0} for t in (1, 2))
        span = Span(before, after)
        self.assertEqual((span.host("exits"), span.vm("sealed"), span.host_reasons()), (0, 0, []))


class LinesTest(unittest.TestCase):
    def lines(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
            file.write(text)
            file.flush()
            return loc.count(pathlib.Path(file.name))

    def test_comments_and_blanks_do_not_count(self):
        self.assertEqual(self.lines("/* a\n\n b */\n\n// c\n\t\nint x;\n"), 1)

    def test_code_beside_a_comment_counts(self):
        self.assertEqual(self.lines("int a; /* one\n two */ int b;\nint c; // three\n"), 3)

    def test_comment_signs_in_strings_open_nothing(self):
        self.assertEqual(self.lines('char *s = "/*";\nint a;\nchar c = \'"\';\nint b; /* " */\n'), 4)

    def test_every_part_has_files_and_none_counts_twice(self):
        files = [name for part in loc.parts() for name in part["files"]]
        self.assertEqual(len(files), len(set(files)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
