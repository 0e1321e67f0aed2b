"""The dashboard of the fleet: which instances report, what they apply, and what they reject."""

from columns import copy_of_date, milliseconds
from links import links
from panels import (
    AMBER,
    GREEN,
    GREY,
    RED,
    aggregation,
    colors,
    controls,
    data_table,
    markdown,
    number_panel,
    stacked_bars,
    terms,
    vega,
)
from saved_objects import FLEET, dashboard, index_pattern, scripted_field, search

_LEFT = "doc['left'].size() != 0 && doc['left'].value"
# The same limit as in `directives status`: three heartbeats and five seconds.
_IS_SILENT = (
    "new Date().getTime() - " + milliseconds("reported_at") + " > "
    "3000.0 * doc['heartbeat_seconds'].value + 5000.0"
)
_IS_LIVE = f"!({_LEFT}) && !({_IS_SILENT})"
_PRESENCE = f"if ({_LEFT}) return 'left'; return {_IS_SILENT} ? 'silent' : 'live';"
_APPLIED = (
    "for (f in ['applied_seq_no', 'max_seq_no']) { if (doc[f].size() != 0) "
    "{ return 'operation ' + doc[f].value; } } return 'none';"
)
_CONDITION = (
    "def p = []; if (doc['off'].value) p.add('off'); "
    "if (doc['staleness'].value != 'fresh') p.add(doc['staleness'].value); "
    "if (doc['rejected'].value > 0) p.add('rejects ' + doc['rejected'].value); "
    "return p.isEmpty() ? 'good' : String.join(', ', p);"
)
# Only the source tells which reason belongs to which document.
_REJECTS = (
    "def p = []; def all = params._source.rejections; "
    "if (all != null) { for (r in all) { p.add(r.id + ': ' + r.reason); } } return p;"
)
SCRIPTED = [
    scripted_field("presence", "string", _PRESENCE),
    scripted_field("applied", "string", _APPLIED),
    scripted_field("condition", "string", _CONDITION),
    scripted_field("rejects", "string", _REJECTS, aggregatable=False),
    scripted_field("reported", "date", copy_of_date("reported_at")),
]
FORMATS = {
    "presence": colors(("^live$", GREEN), ("^silent$", RED), ("^left$", GREY)),
    "condition": colors(("^good$", GREEN), ("off|dark|rejects", RED), ("stale", AMBER)),
    "reported": {"id": "relative_date"},
    "last_success": {"id": "relative_date"},
}

# The numbers of groups and directives in the panels, which their titles state.
OPERATIONS = 50
MOST_HITS = 30

NOT_LEFT = "left:false"
NUMBERS = [
    # The name, the label, the query, whether it counts a risk, and a script.
    ("live", "live", NOT_LEFT, False, _IS_LIVE),
    ("silent", "silent", NOT_LEFT, True, _IS_SILENT),
    ("rejecting", "rejecting", f"{NOT_LEFT} AND rejected:[1 TO *]", True, _IS_LIVE),
    ("stale", "stale", f"{NOT_LEFT} AND NOT staleness:fresh", True, _IS_LIVE),
    ("off", "off", f"{NOT_LEFT} AND off:true", True, _IS_LIVE),
    ("left", "left", "left:true", False, None),
]

HELP = (
    "**Which instances report, what they apply, and what they reject.** Each proxy or agent that "
    "reports replaces one document at each heartbeat. The selected time has no effect here.\n\n"
    "An instance is *silent* if it has not reported for three heartbeats: it may have crashed, or "
    "it may still run and apply what it read last. The highest operation in the table is the "
    "latest one that any instance applies; `directives status` compares with the index itself. A "
    "report names at most 20 rejected documents, and the 50 directives with the most hits.\n\n"
)


def counts():
    """The numbers of live, silent and rejecting instances, for the row about the indices."""
    conditions = {"live": _IS_LIVE, "silent": f"!({_LEFT}) && {_IS_SILENT}"}
    conditions["rejecting"] = f"{_IS_LIVE} && doc['rejected'].value > 0"
    return {
        name: {"filter": {"script": {"script": {"source": source, "lang": "painless"}}}}
        for name, source in conditions.items()
    }


def _hits(index):
    """The directives with the most hits: the sums of the counts in the reports."""
    add = "for (h in all) { state.sums[h.id] = (state.sums[h.id] ?: 0L) + h.count; }"
    sums = {
        "init_script": "state.sums = [:]",
        "map_script": f"def all = params._source.hits; if (all != null) {{ {add} }}",
        "combine_script": "return state.sums",
        "reduce_script": (
            "def sums = [:]; for (s in states) { if (s != null) { for (e in s.entrySet()) { "
            "sums[e.getKey()] = (sums[e.getKey()] ?: 0L) + e.getValue(); } } } "
            "def rows = []; for (e in sums.entrySet()) "
            "{ rows.add(['directive': e.getKey(), 'hits': e.getValue()]); } "
            "rows.sort((a, b) -> Long.compare(b.hits, a.hits)); "
            f"return rows.size() > {MOST_HITS} ? rows.subList(0, {MOST_HITS}) : rows;"
        ),
    }
    must = {
        "must": ["%dashboard_context-must_clause%"],
        "filter": ["%dashboard_context-filter_clause%"],
        "must_not": ["%dashboard_context-must_not_clause%"],
    }
    body = {"size": 0, "query": {"bool": must}, "aggs": {"hits": {"scripted_metric": sums}}}
    url = {"index": f"{index}-fleet", "body": body}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "config": {"view": {"stroke": None}, "axis": {"labelFontSize": 11}},
        "data": {"name": "hits", "url": url},
        "transform": [
            # The response of an index that does not exist has no aggregations.
            {"calculate": "datum.aggregations ? datum.aggregations.hits.value : []", "as": "row"},
            {"flatten": ["row"]},
            {"calculate": "datum.row.directive", "as": "directive"},
            {"calculate": "datum.row.hits", "as": "hits"},
        ],
        "mark": {"type": "bar", "color": "#017D73", "tooltip": True},
        "encoding": {
            "y": {
                "field": "directive",
                "type": "nominal",
                "sort": "-x",
                "axis": {"title": None, "labelLimit": 220},
            },
            "x": {
                "field": "hits",
                "type": "quantitative",
                "axis": {"title": None, "format": "d", "tickMinStep": 1},
            },
        },
    }


def _tables():
    count = aggregation(1, "count", "metric", customLabel="instances")
    oldest = aggregation(2, "min", "metric", field="reported_at", customLabel="oldest report")
    latest = aggregation(2, "max", "metric", field="reported_at", customLabel="latest report")
    by_operation = [
        count,
        oldest,
        terms(3, "bucket", "index_uuid", missing="has read nothing", label="index", others=False),
        terms(4, "bucket", "applied", size=OPERATIONS, label="applies up to", others=False),
        terms(5, "bucket", "presence", size=5, label="state", others=False),
    ]
    rejections = [count, latest, terms(3, "bucket", "rejections.id", size=50, label="document")]
    bars = [
        count,
        terms(2, "segment", "applied", size=20),
        terms(3, "group", "presence", size=5, others=False),
    ]
    return {
        "bars": stacked_bars(
            "fleet-bars",
            "Instances by applied operation and silence",
            "instances",
            bars,
            FLEET,
            NOT_LEFT,
        ),
        "operations": data_table(
            "fleet-operations",
            f"Instances by index (10 at most), applied operation ({OPERATIONS} at most) and state",
            by_operation,
            "",
            FLEET,
        ),
        "rejections": data_table(
            "fleet-rejections", "Rejected documents, as reported", rejections, NOT_LEFT, FLEET
        ),
    }


def _searches():
    state = ["instance", "presence", "reported", "applied", "directives", "condition"]
    origin = ["last_success", "kind", "version", "host", "via"]
    return [
        search(
            "fleet-list",
            "Instances that have not left, the longest silence first",
            [*state, *origin],
            ["reported_at", "asc"],
            NOT_LEFT,
            FLEET,
        ),
        search(
            "fleet-rejecting",
            "Instances that reject documents, and why",
            ["instance", "presence", "rejected", "rejects"],
            ["rejected", "desc"],
            f"{NOT_LEFT} AND rejected:[1 TO *]",
            FLEET,
        ),
    ]


def objects(index, properties, strip):
    """Returns the saved objects. `strip` is the row that says which indices exist."""
    pattern = index_pattern(FLEET, f"{index}-fleet", None, properties, SCRIPTED, FORMATS)
    text = markdown("fleet-help", "About", HELP + links("fleet"))
    fields = [("instance", "Instance"), ("host", "Host"), ("kind", "Kind"), ("version", "Version")]
    filters = controls("fleet-controls", "Filters", fields, FLEET)
    numbers = [
        number_panel(f"fleet-number-{name}", label, query, risk, FLEET, script)
        for name, label, query, risk, script in NUMBERS
    ]
    tables, lists = _tables(), _searches()
    title = f"The {MOST_HITS} directives with the most hits, since each instance started"
    hits = vega("fleet-hits", title, _hits(index))
    rows = [
        (8, [(text, 24, False), (filters, 24, False)]),
        (3, [(strip, 48, False)]),
        (5, [(number, 8, False) for number in numbers]),
        (15, [(tables["bars"], 24, True), (tables["operations"], 24, True)]),
        (20, [(lists[0], 48, True)]),
        (15, [(tables["rejections"], 16, True), (lists[1], 32, True)]),
        (18, [(hits, 48, True)]),
    ]
    whole = dashboard(
        "fleet-dashboard", "Diagnostics directives, fleet", "What instances apply and reject", rows
    )
    return [pattern, text, filters, *numbers, *tables.values(), *lists, hits, whole]
