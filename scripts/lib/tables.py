#!/usr/bin/env python3
"""Puts tables into BENCHMARKS.md, between the markers of the script that made them."""

import pathlib
import sys

script, tables = sys.argv[1:]
begin, end = f"<!-- begin: scripts/{script} -->", f"<!-- end: scripts/{script} -->"
page = pathlib.Path("BENCHMARKS.md")
before, found, rest = page.read_text().partition(begin)
_, also_found, after = rest.partition(end)
if not (found and also_found):
    sys.exit(f"BENCHMARKS.md lacks its markers: {begin} and {end}")
text = pathlib.Path(tables).read_text().strip()
page.write_text(f"{before}{begin}\n{text}\n{end}{after}")
print("BENCHMARKS.md is written.")
