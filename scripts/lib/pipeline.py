#!/usr/bin/env python3
"""Generates mappings/ingest-pipeline.json from the script in mappings/ingest-pipeline.painless."""

import json
from pathlib import Path

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
LEVELS = ["Off", "Shape", "ShapeTiming", "ShapeRewriteDiff"]
ENDPOINTS = [
    "IngestDoc", "IngestBulk", "Search", "MultiSearch", "Count", "GetById",
    "MultiGet", "DeleteById", "DeleteByQuery", "Cursor", "Admin", "Unknown",
]
# The metadata that a document contains in addition to its fields while it is in a pipeline.
METADATA = [
    "_index", "_id", "_routing", "_version", "_version_type", "_if_seq_no", "_if_primary_term",
]
# The limit of a text in characters. It keeps each keyword below the 32,766 bytes that an index
# accepts.
MAX_TEXT = 4096
# How many signatures proxies take, and the length that none of them exceeds.
MAX_SIGNATURES = 8
MAX_SIGNATURE_TEXT = 256
# The fields that narrow a directive, in the order of `targets`.
TARGETS = ["tenant", "index", "principal", "endpoint"]
# The fields of a draft that the pipeline replaces by others, so they are not stored.
DRAFT_ONLY = ["ttl_secs", "author"]
# The bounds that `directives init` sets. The maximum equals the default of the proxies (30 days).
DEFAULT_TTL_SECS = 15 * 60
MAX_TTL_SECS = 30 * 24 * 3600
MAX_CAPTURE_TTL_SECS = 60 * 60
# The largest accepted difference between the clocks of the nodes and of the writers.
CLOCK_TOLERANCE_SECS = 5 * 60


def main():
    template = json.loads((MAPPINGS / "index-template.json").read_text())
    pipeline = {
        "description": "Checks a diagnostics directive, makes it explicit, makes its expiry absolute, stamps its times",
        "version": template["version"],
        "processors": [
            {"set": {"field": "ingested_at", "value": "{{{_ingest.timestamp}}}"}},
            {
                "script": {
                    "lang": "painless",
                    "source": (MAPPINGS / "ingest-pipeline.painless").read_text(),
                    "params": {
                        "fields": [*template["template"]["mappings"]["properties"], *DRAFT_ONLY],
                        "targets": TARGETS,
                        "metadata": METADATA,
                        "levels": LEVELS,
                        "endpoints": ENDPOINTS,
                        "max_text": MAX_TEXT,
                        "max_signatures": MAX_SIGNATURES,
                        "max_signature_text": MAX_SIGNATURE_TEXT,
                        "default_ttl_secs": DEFAULT_TTL_SECS,
                        "max_ttl_secs": MAX_TTL_SECS,
                        "max_capture_ttl_secs": MAX_CAPTURE_TTL_SECS,
                        "clock_tolerance_secs": CLOCK_TOLERANCE_SECS,
                    },
                }
            },
        ],
    }
    text = json.dumps(pipeline, indent=2, ensure_ascii=False) + "\n"
    (MAPPINGS / "ingest-pipeline.json").write_text(text)


if __name__ == "__main__":
    main()
