#!/usr/bin/env python3
"""Prints the saved objects of the dashboards of directives, one for each line.

    mappings/dashboards/generate.py >mappings/dashboards/directives.ndjson

A test checks that the file has the output of this script, and that the queries here select the same
directives, records and instances as the command.
"""

import json
import pathlib

import fleet
import history
import present
from strip import strip

INDEX = "directives"
MAPPINGS = pathlib.Path(__file__).resolve().parent.parent


def properties(template):
    return json.loads((MAPPINGS / template).read_text())["template"]["mappings"]["properties"]


def main():
    row = strip(INDEX)
    objects = [row]
    for part, template in (
        (present, "index-template.json"),
        (history, "history-template.json"),
        (fleet, "fleet-template.json"),
    ):
        objects += part.objects(INDEX, properties(template), row)
    for saved in objects:
        print(json.dumps(saved, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
