"""The dashboard of the history: who did what, when and why, in the selected time."""

from columns import LEVEL, MATCHES, RECORDS, matches, records
from links import links
from panels import (
    AMBER,
    GREEN,
    GREY,
    RED,
    SHORT_DATE,
    aggregation,
    colors,
    controls,
    data_table,
    heat_map,
    markdown,
    number_panel,
    over_time,
    stacked_bars,
    terms,
)
from saved_objects import HISTORY, dashboard, index_pattern, scripted_field, search

_AFTER = "document."
# A deletion has no document, and neither does the record of a version that nobody could read.
_CONCERNS = (
    "if (doc['document.level'].size() == 0) return '(not known)'; "
    "if (doc['document.tenant'].size() != 0) return doc['document.tenant'].value; "
    "return doc['document.targets'].contains('tenant') ? '(hidden)' : 'every tenant';"
)
# The pipeline writes `unknown` if the writer named no author, so nobody claims this name.
_IS_CONTRADICTED = (
    "doc['by'].size() != 0 && doc['by'].value != 'unknown' "
    "&& doc['authenticated_by'].size() != 0 "
    "&& doc['by'].value != doc['authenticated_by'].value"
)
_IDENTITY = (
    f"if ({_IS_CONTRADICTED}) return 'CONTRADICTED'; "
    "if (doc['authenticated_by'].size() == 0) return 'only claimed'; "
    "return doc['by'].size() == 0 ? 'only authenticated' : 'as authenticated';"
)
SCRIPTED = [
    scripted_field("concerns", "string", _CONCERNS),
    scripted_field("matches", "string", matches(_AFTER)),
    scripted_field("records", "string", records(_AFTER)),
    scripted_field("identity", "string", _IDENTITY),
]
FORMATS = {
    "kind": colors(
        ("^(widened|rejected)$", RED),
        ("^(created|reactivated)$", GREEN),
        ("^(replaced|extended)$", AMBER),
        ("^(narrowed|revoked|deleted)$", GREY),
    ),
    "document.level": LEVEL,
    "matches": MATCHES,
    "records": RECORDS,
    "identity": colors(("^CONTRADICTED$", RED), ("^only claimed$", AMBER)),
    "document.expires_at": SHORT_DATE,
}

_STARTS = "kind:(created OR replaced OR widened OR reactivated)"
_EVERY_REQUEST = "_exists_:document.level AND (*:* NOT _exists_:document.targets)"
NUMBERS = [
    # The name, the label, the query, whether it counts a risk, and a script.
    ("operations", "operations", "", False, None),
    ("created", "created", "kind:created", False, None),
    ("ended", "ended early", "kind:(revoked OR deleted)", False, None),
    ("widened", "widened", "kind:widened", True, None),
    ("captures", "capture", f"{_STARTS} AND document.capture:true", True, None),
    ("every-request", "match all", f"{_STARTS} AND {_EVERY_REQUEST}", True, None),
    ("unexplained", "no reason", "*:* NOT _exists_:reason", True, None),
    ("rejected", "rejected", "kind:rejected", True, None),
    ("contradicted", "other user", "", True, _IS_CONTRADICTED),
]

HELP = (
    "**Who did what, when and why, in the selected time.** One record for each operation on a "
    "directive, whatever tool was used, in an append-only stream.\n\n"
    "*By* is what the writer claimed, *authenticated by* is the user of the cluster as the writer "
    "stated it; *CONTRADICTED* marks records in which they differ. `directives history` also "
    "compares them with the audit log, where it can be read. A filter on a tenant hides "
    "directives of every tenant, and deletions, whose records contain no document. No record is "
    "not a proof that nothing happened: `directives history verify` finds the gaps.\n\n"
)


def _searches():
    what = ["kind", "directive", "by", "authenticated_by", "identity"]
    which = ["document.level", "matches", "records", "document.expires_at"]
    why = ["reason", "ticket"]
    wide = f"(document.capture:true OR ({_EVERY_REQUEST}))"
    risks = f"kind:(widened OR rejected) OR ({_STARTS} AND {wide})"
    latest = ["@timestamp", "desc"]
    return [
        search(
            "history-risks",
            "Look at these: widened, rejected, captures, all requests",
            [*what, *which, *why],
            latest,
            risks,
            HISTORY,
        ),
        search(
            "history-list",
            "All operations, latest first",
            [*what, *which, *why],
            latest,
            "",
            HISTORY,
        ),
    ]


def _charts():
    count = aggregation(1, "count", "metric", customLabel="operations")
    last = aggregation(2, "max", "metric", field="@timestamp", customLabel="last")

    def by_kind(name, title, field, missing):
        groups = [
            count,
            terms(2, "segment", "kind", order_by="_key"),
            terms(3, "group", field, size=15, missing=missing),
        ]
        return heat_map(name, title, groups, "", HISTORY)

    def table(name, title, field, missing):
        groups = [count, last, terms(3, "bucket", field, size=50, missing=missing, label=title)]
        return data_table(name, f"By {title}", groups, "", HISTORY)

    return {
        "kinds": stacked_bars(
            "history-kinds",
            "Operations over time, by kind",
            "operations",
            [count, over_time(2, "@timestamp"), terms(3, "group", "kind")],
            HISTORY,
        ),
        "authors": by_kind("history-authors", "Authors by kind", "by", "not named"),
        "users": table(
            "history-users", "authenticated user", "authenticated_by", "not authenticated"
        ),
        "tenants": table("history-tenants", "tenant", "concerns", None),
        "tickets": table("history-tickets", "ticket", "ticket", "no ticket"),
    }


def objects(index, properties, strip):
    """Returns the saved objects. `strip` is the row that says which indices exist."""
    pattern = index_pattern(
        HISTORY, f"{index}-history", "@timestamp", properties, SCRIPTED, FORMATS
    )
    text = markdown("history-help", "About", HELP + links("history"))
    fields = [
        ("directive", "Directive"),
        ("by", "Author"),
        ("document.tenant", "Tenant"),
        ("ticket", "Ticket"),
        ("kind", "Kind"),
    ]
    filters = controls("history-controls", "Filters", fields, HISTORY)
    numbers = [
        number_panel(f"history-number-{name}", label, query, risk, HISTORY, script)
        for name, label, query, risk, script in NUMBERS
    ]
    lists, charts = _searches(), _charts()
    widths = [6, 5, 6, 5, 5, 5, 5, 5, 6]
    rows = [
        (9, [(text, 24, False), (filters, 24, False)]),
        (3, [(strip, 48, False)]),
        (5, [(number, width, False) for number, width in zip(numbers, widths, strict=True)]),
        (15, [(charts["kinds"], 28, True), (charts["authors"], 20, True)]),
        (15, [(charts[name], 16, True) for name in ("tenants", "tickets", "users")]),
        (15, [(lists[0], 48, True)]),
        (25, [(lists[1], 48, True)]),
    ]
    whole = dashboard(
        "history-dashboard",
        "Diagnostics directives, history",
        "Who did what, when and why",
        rows,
    )
    return [pattern, text, filters, *numbers, *lists, *charts.values(), whole]
