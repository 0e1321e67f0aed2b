"""Columns that a script computes, and the formats of columns, for documents of directives.

The directives index stores the fields of a document at the top, the history below `document`.
"""

from panels import AMBER, GREEN, GREY, RED, colors


def milliseconds(field):
    return f"doc['{field}'].value.toInstant().toEpochMilli()"


def matches(prefix=""):
    """The requests that match, in words. A target that a role hides is named by `targets`, so it is
    not taken for every request. A document without a level has no stored form."""
    return (
        f"if (doc['{prefix}targets'].size() == 0) {{ return "
        f"doc['{prefix}level'].size() == 0 ? '(not known)' : 'every request'; }} def p = []; "
        f"for (f in ['tenant', 'index', 'principal', 'endpoint']) {{ def v = doc['{prefix}' + f]; "
        f"if (doc['{prefix}targets'].contains(f)) "
        "{ p.add(f + '=' + (v.size() == 0 ? '(hidden)' : v.value)); } } "
        "return String.join(' ', p);"
    )


def records(prefix=""):
    """What is recorded, in words."""

    def is_true(field):
        return f"doc['{prefix}{field}'].size() != 0 && doc['{prefix}{field}'].value"

    rate = f"doc['{prefix}sample_per_mille']"
    return (
        f"def p = []; if ({is_true('capture')}) p.add('CAPTURE'); "
        f"if ({is_true('ring_buffer')}) p.add('ring buffer'); "
        f"if ({rate}.size() != 0) {{ long s = {rate}.value; "
        "p.add(s == 1000 ? 'all' : s + ' ‰'); } return String.join(', ', p);"
    )


def copy_of_date(field):
    """The same instant, for a format relative to now."""
    return f"return doc['{field}'].size() == 0 ? null : {milliseconds(field)};"


LEVEL = colors(("^ShapeRewriteDiff$", AMBER), ("^Off$", GREY))
MATCHES = colors(("^every request$", RED))
RECORDS = colors(("CAPTURE", RED))
STATE = colors(
    ("^active$", GREEN),
    ("^scheduled$", AMBER),
    ("^rejected$", RED),
    ("^(expired|revoked)$", GREY),
)
