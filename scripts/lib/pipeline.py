#!/usr/bin/env python3
"""Writes mappings/ingest-pipeline.json from its readable source, the .painless beside it."""

import json
from pathlib import Path

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
LEVELS = ["Off", "Shape", "ShapeTiming", "ShapeRewriteDiff"]
ENDPOINTS = [
    "IngestDoc", "IngestBulk", "Search", "MultiSearch", "Count", "GetById",
    "MultiGet", "DeleteById", "DeleteByQuery", "Cursor", "Admin", "Unknown",
]
# What a document carries beside its fields while it is in a pipeline.
METADATA = [
    "_index", "_id", "_routing", "_version", "_version_type", "_if_seq_no", "_if_primary_term",
]
# Characters. Keeps every keyword below the 32,766 bytes that an index takes.
MAX_TEXT = 4096
# A hundred years: far from any overflow.
MAX_TTL_SECS = 3_153_600_000


def main():
    template = json.loads((MAPPINGS / "index-template.json").read_text())
    pipeline = {
        "description": "Checks a diagnostics directive, makes its expiry absolute, stamps its times",
        "version": template["version"],
        "processors": [
            {"set": {"field": "updated_at", "value": "{{{_ingest.timestamp}}}"}},
            {
                "script": {
                    "lang": "painless",
                    "source": (MAPPINGS / "ingest-pipeline.painless").read_text(),
                    "params": {
                        "fields": list(template["template"]["mappings"]["properties"]),
                        "metadata": METADATA,
                        "levels": LEVELS,
                        "endpoints": ENDPOINTS,
                        "max_text": MAX_TEXT,
                        "max_ttl_secs": MAX_TTL_SECS,
                    },
                }
            },
        ],
    }
    text = json.dumps(pipeline, indent=2, ensure_ascii=False) + "\n"
    (MAPPINGS / "ingest-pipeline.json").write_text(text)


if __name__ == "__main__":
    main()
