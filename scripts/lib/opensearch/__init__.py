"""The parts of scripts/opensearch."""
