"""The dashboard of the present: what is on, what deserves a look, and what is scheduled."""

from columns import LEVEL, MATCHES, RECORDS, STATE, copy_of_date, matches, milliseconds, records
from links import links
from panels import (
    SHORT_DATE,
    aggregation,
    controls,
    heat_map,
    markdown,
    number_panel,
    over_time,
    stacked_bars,
    terms,
    vega,
)
from saved_objects import CHANGES, NOW, dashboard, index_pattern, scripted_field, search

# In Lucene's syntax, "(a OR NOT b)" means "a without b", so a negation in an alternative needs
# "*:*".
ACTIVE = "revoked:false AND starts_at:[* TO now] AND expires_at:{now TO *}"
SCHEDULED = "revoked:false AND starts_at:{now TO *} AND expires_at:{now TO *}"
EVERY_REQUEST = "(*:* NOT _exists_:targets)"
UNEXPLAINED = "((*:* NOT _exists_:reason) OR (*:* NOT _exists_:ticket))"
A_WEEK = "expires_at:[now+7d TO *]"

# The number of directives in the time line, which its title states.
TIMELINE = 200

NUMBERS = [
    # The name, the label, the query, and whether it counts a risk.
    ("documents", "documents", "*:*", False),
    ("active", "on now", ACTIVE, False),
    ("ends-in-1h", "end in 1 h", f"{ACTIVE} AND expires_at:[* TO now+1h]", False),
    ("ends-in-24h", "end in 24 h", f"{ACTIVE} AND expires_at:[* TO now+24h]", False),
    ("scheduled", "scheduled", SCHEDULED, False),
    ("revoked", "revoked 7 d", "revoked:true AND revoked_at:[now-7d TO *]", False),
    ("capture", "capture", f"{ACTIVE} AND capture:true", True),
    ("every-request", "match all", f"{ACTIVE} AND {EVERY_REQUEST}", True),
    ("unexplained", "unexplained", f"{ACTIVE} AND {UNEXPLAINED}", True),
    ("a-week", "7+ days", f"{ACTIVE} AND {A_WEEK}", True),
]

_STATE = (
    "for (f in ['revoked', 'starts_at', 'expires_at']) { if (doc[f].size() == 0) "
    "{ return 'rejected'; } } if (doc['revoked'].value) return 'revoked'; "
    "long now = new Date().getTime(); "
    f"if ({milliseconds('expires_at')} <= now) return 'expired'; "
    f"return {milliseconds('starts_at')} > now ? 'scheduled' : 'active';"
)
SCRIPTED = [
    scripted_field("matches", "string", matches()),
    scripted_field("records", "string", records()),
    scripted_field("state", "string", _STATE),
    scripted_field("ends", "date", copy_of_date("expires_at")),
    scripted_field("begins", "date", copy_of_date("starts_at")),
]
FORMATS = {
    "level": LEVEL,
    "matches": MATCHES,
    "records": RECORDS,
    "state": STATE,
    "ends": {"id": "relative_date"},
    "begins": {"id": "relative_date"},
    "starts_at": SHORT_DATE,
    "expires_at": SHORT_DATE,
    "revoked_at": SHORT_DATE,
}

HELP = (
    "**Who lets proxies record what, until when, and why.** A directive makes every proxy record "
    "more about the requests that it matches. The selected time affects only the time line and the "
    "last row; every other panel shows the present.\n\n"
    "Red: whole exchanges are captured, every request matches, no reason or ticket is given, or "
    "more than a week is left. *Documents* counts whatever is stored, ended directives too. The "
    "row below says whether the index exists, and what the fleet reports; filters do not affect "
    "that row. A filter on a tenant hides the directives that match every tenant, although they "
    "concern this tenant, too. End a directive with `directives revoke ID`.\n\n"
)


def _timeline(index):
    """One bar for each directive, from its start to its end, with a red frame for captures."""
    in_range = {"gte": {"%timefilter%": "min"}, "format": "epoch_millis"}
    query = {
        "must": ["%dashboard_context-must_clause%", {"range": {"expires_at": in_range}}],
        "filter": ["%dashboard_context-filter_clause%"],
        "must_not": ["%dashboard_context-must_not_clause%"],
    }
    body = {"size": TIMELINE, "sort": [{"expires_at": "desc"}], "query": {"bool": query}}
    calculate = [
        ("from", "toDate(datum._source.starts_at)"),
        ("until", "toDate(datum._source.revoked_at || datum._source.expires_at)"),
        ("x1", "max(datum.from, now() - 5*864e5)"),
        ("x2", "min(datum.until, now() + 10*864e5)"),
        (
            "state",
            "datum._source.revoked ? 'revoked' : datum.until <= now() ? 'expired' : "
            "datum.from > now() ? 'scheduled' : 'active'",
        ),
        ("captures", "datum._source.capture ? 'captures' : ''"),
        ("name", "(datum._source.tenant || 'every tenant') + '  ' + datum._id"),
        ("level", "datum._source.level"),
        ("by", "datum._source.updated_by"),
        ("ticket", "datum._source.ticket"),
        ("reason", "datum._source.reason"),
    ]
    transform = [{"calculate": expression, "as": name} for name, expression in calculate]
    transform.append({"filter": "datum.x2 > datum.x1"})
    time = {"type": "temporal", "format": "%b %d %H:%M"}
    tooltip = [{"field": "_id", "title": "id"}]
    texts = ("state", "level", "captures", "by", "ticket", "reason")
    tooltip += [{"field": field} for field in texts]
    tooltip += [{"field": field, **time} for field in ("from", "until")]
    states = {
        "domain": ["active", "scheduled", "expired", "revoked"],
        "range": ["#017D73", "#F5A35C", "#98A2B3", "#D3DAE6"],
    }
    bars = {
        "mark": {"type": "bar", "height": 9, "cornerRadius": 2, "clip": True, "tooltip": True},
        "encoding": {
            "y": {
                "field": "name",
                "type": "nominal",
                "sort": {"field": "until", "order": "ascending"},
                "axis": {"title": None, "labelLimit": 220},
            },
            "x": {
                "field": "x1",
                "type": "temporal",
                "axis": {"title": None, "format": "%b %d", "tickCount": "day"},
            },
            "x2": {"field": "x2"},
            "color": {
                "field": "state",
                "type": "nominal",
                "scale": states,
                "legend": {"title": None, "orient": "top"},
            },
            "stroke": {
                "condition": {"test": "datum._source.capture", "value": "#BD271E"},
                "value": None,
            },
            "strokeWidth": {"value": 2},
            "tooltip": tooltip,
        },
    }
    present = {
        "data": {"values": [{}]},
        "transform": [{"calculate": "now()", "as": "t"}],
        "mark": {"type": "rule", "color": "#BD271E", "strokeDash": [4, 3]},
        "encoding": {"x": {"field": "t", "type": "temporal"}},
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "config": {"view": {"stroke": None}, "axis": {"labelFontSize": 11}},
        "data": {"url": {"index": index, "body": body}, "format": {"property": "hits.hits"}},
        "transform": transform,
        "layer": [bars, present],
    }


def _searches():
    identity = ["_id", "level", "matches"]
    explanation = ["updated_by", "ticket", "reason"]
    risks = f"(capture:true OR {EVERY_REQUEST} OR {UNEXPLAINED} OR {A_WEEK})"
    return {
        "active": search(
            "active",
            "On now",
            [*identity, "records", "ends", "expires_at", *explanation],
            ["expires_at", "asc"],
            ACTIVE,
        ),
        "risks": search(
            "risks",
            "Look at these: captures, all requests, no reason or ticket, a week or more left",
            [*identity, "records", "ends", *explanation],
            ["expires_at", "desc"],
            f"{ACTIVE} AND {risks}",
        ),
        "scheduled": search(
            "scheduled-list",
            "Scheduled",
            [*identity, "begins", "starts_at", "expires_at", "updated_by", "ticket"],
            ["starts_at", "asc"],
            SCHEDULED,
        ),
        "changes": search(
            "latest-changes",
            "Last change of each directive, within the selected time",
            [
                *["_id", "state", "level", "matches", "updated_by", "authenticated_as"],
                *explanation[1:],
            ],
            ["updated_at", "desc"],
            "",
            CHANGES,
        ),
    }


def _changes_by_author():
    groups = [
        aggregation(1, "count", "metric", customLabel="Directives"),
        over_time(2, "updated_at"),
        terms(3, "group", "updated_by", missing="not named"),
    ]
    return stacked_bars(
        "changes-by-author",
        "Changes over time by author (each directive once, at its last change)",
        "Directives",
        groups,
        CHANGES,
    )


def _tenants_by_level():
    groups = [
        aggregation(1, "count", "metric"),
        terms(2, "segment", "level", size=5, order_by="_key"),
        terms(3, "group", "tenant", size=15, missing="every tenant"),
    ]
    return heat_map("tenants-by-level", "Tenants by level, now", groups, ACTIVE)


def objects(index, properties, strip):
    """Returns the saved objects. `strip` is the row that says which indices exist."""
    patterns = [
        index_pattern(NOW, index, None, properties, SCRIPTED, FORMATS),
        index_pattern(CHANGES, index, "updated_at", properties, SCRIPTED, FORMATS),
    ]
    text = markdown("help", "About", HELP + links("present"))
    fields = [
        ("tenant", "Tenant"),
        ("updated_by", "Author"),
        ("ticket", "Ticket"),
        ("level", "Level"),
    ]
    filters = controls("controls", "Filters", fields)
    numbers = [number_panel(f"number-{name}", *rest) for name, *rest in NUMBERS]
    searches = _searches()
    title = f"The {TIMELINE} that end last, from start to end: 5 days back, 10 ahead (red: capture)"
    timeline = vega("timeline", title, _timeline(index))
    tenants, authors = _tenants_by_level(), _changes_by_author()
    widths = [5, 4, 5, 5, 5, 5, 4, 5, 5, 5]
    rows = [
        (8, [(text, 24, False), (filters, 24, False)]),
        (3, [(strip, 48, False)]),
        (5, [(number, width, False) for number, width in zip(numbers, widths, strict=True)]),
        (20, [(searches["active"], 48, True)]),
        (15, [(searches["risks"], 48, True)]),
        (26, [(timeline, 34, True), (tenants, 14, True)]),
        (11, [(searches["scheduled"], 48, True)]),
        (15, [(authors, 20, True), (searches["changes"], 28, True)]),
    ]
    whole = dashboard(
        "dashboard",
        "Diagnostics directives",
        "Who lets proxies record what, until when, and why",
        rows,
    )
    return [
        *patterns, text, filters, *numbers, *searches.values(), timeline, tenants, authors, whole
    ]
