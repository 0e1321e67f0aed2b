#!/usr/bin/env python3
"""Prints the saved objects of the dashboard *Diagnostics directives*, one for each line.

    mappings/dashboards/generate.py >mappings/dashboards/directives.ndjson

A test checks that the file has the output of this script, and that the queries here select the same
directives as the command.
"""

import json
import pathlib

from saved_objects import (
    CHANGES,
    NOW,
    aggregation,
    controls,
    dashboard,
    heat_map,
    index_pattern,
    markdown,
    number_panel,
    search,
    stacked_bars,
    vega,
)

INDEX = "directives"
TEMPLATE = pathlib.Path(__file__).resolve().parent.parent / "index-template.json"
PROPERTIES = json.loads(TEMPLATE.read_text())["template"]["mappings"]["properties"]

# In Lucene's syntax, "(a OR NOT b)" means "a without b", so a negation in an alternative needs
# "*:*".
ACTIVE = "revoked:false AND starts_at:[* TO now] AND expires_at:{now TO *}"
SCHEDULED = "revoked:false AND starts_at:{now TO *} AND expires_at:{now TO *}"
EVERY_REQUEST = "(*:* NOT _exists_:targets)"
UNEXPLAINED = "((*:* NOT _exists_:reason) OR (*:* NOT _exists_:ticket))"
A_WEEK = "expires_at:[now+7d TO *]"

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

# A target that a role hides is named by `targets`, so it is not taken for every request.
MATCHES = (
    "if (doc['targets'].size() == 0) return 'every request'; def p = []; "
    "for (f in ['tenant', 'index', 'principal', 'endpoint']) { if (doc['targets'].contains(f)) "
    "{ p.add(f + '=' + (doc[f].size() == 0 ? '(hidden)' : doc[f].value)); } } "
    "return String.join(' ', p);"
)
RECORDS = (
    "def p = []; if (doc['capture'].size() != 0 && doc['capture'].value) p.add('CAPTURE'); "
    "if (doc['ring_buffer'].size() != 0 && doc['ring_buffer'].value) p.add('ring buffer'); "
    "if (doc['sample_per_mille'].size() != 0) { long s = doc['sample_per_mille'].value; "
    "p.add(s == 1000 ? 'all' : s + ' ‰'); } return String.join(', ', p);"
)


def _milliseconds(field):
    return f"doc['{field}'].value.toInstant().toEpochMilli()"


STATE = (
    "for (f in ['revoked', 'starts_at', 'expires_at']) { if (doc[f].size() == 0) "
    "{ return 'rejected'; } } if (doc['revoked'].value) return 'revoked'; "
    "long now = new Date().getTime(); "
    f"if ({_milliseconds('expires_at')} <= now) return 'expired'; "
    f"return {_milliseconds('starts_at')} > now ? 'scheduled' : 'active';"
)


def _copy_of_date(field):
    return f"return doc['{field}'].size() == 0 ? null : {_milliseconds(field)};"


SCRIPTED = [
    ("matches", "string", MATCHES),
    ("records", "string", RECORDS),
    ("state", "string", STATE),
    # The same instants, for a format relative to now.
    ("ends", "date", _copy_of_date("expires_at")),
    ("begins", "date", _copy_of_date("starts_at")),
]

RED, AMBER, GREEN = ("#FFFFFF", "#BD271E"), ("#343741", "#F5C56B"), ("#FFFFFF", "#017D73")
GREY = ("#69707D", "#E9EDF3")


def _colors(*rules):
    colors = [
        {"range": "-Infinity:Infinity", "regex": regex, "text": text, "background": background}
        for regex, (text, background) in rules
    ]
    return {"id": "color", "params": {"fieldType": "string", "colors": colors}}


_DATE = {"id": "date", "params": {"pattern": "MMM D, HH:mm"}}
FORMATS = {
    "level": _colors(("^ShapeRewriteDiff$", AMBER), ("^Off$", GREY)),
    "matches": _colors(("^every request$", RED)),
    "records": _colors(("CAPTURE", RED)),
    "state": _colors(
        ("^active$", GREEN),
        ("^scheduled$", AMBER),
        ("^rejected$", RED),
        ("^(expired|revoked)$", GREY),
    ),
    "ends": {"id": "relative_date"},
    "begins": {"id": "relative_date"},
    "starts_at": _DATE,
    "expires_at": _DATE,
    "revoked_at": _DATE,
}

HELP = (
    "**Who lets proxies record what, until when, and why.** A directive makes every proxy record "
    "more about the requests that it matches. The selected time affects only the last row; every "
    "other panel shows the present.\n\n"
    "Red: whole exchanges are captured, every request matches, no reason or ticket is given, or "
    "more than a week is left. *Documents* counts whatever is stored, ended directives too: 0 means "
    "that the index is empty or does not exist, not that all is well. A filter on a tenant hides "
    "the directives that match every tenant, although they concern this tenant, too. End a "
    "directive with `directives revoke ID`."
)


def _timeline():
    """One bar for each directive, from its start to its end, with a red frame for captures."""
    in_range = {"gte": {"%timefilter%": "min"}, "format": "epoch_millis"}
    query = {
        "must": ["%dashboard_context-must_clause%", {"range": {"expires_at": in_range}}],
        "filter": ["%dashboard_context-filter_clause%"],
        "must_not": ["%dashboard_context-must_not_clause%"],
    }
    body = {"size": 200, "sort": [{"expires_at": "desc"}], "query": {"bool": query}}
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
        "data": {"url": {"index": INDEX, "body": body}, "format": {"property": "hits.hits"}},
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
            ["_id", "state", "level", "matches", "updated_by", "authenticated_as", *explanation[1:]],
            ["updated_at", "desc"],
            "",
            CHANGES,
        ),
    }


def _changes_by_author():
    authors = aggregation(
        3,
        "terms",
        "group",
        field="updated_by",
        orderBy="1",
        order="desc",
        size=10,
        otherBucket=True,
        otherBucketLabel="others",
        missingBucket=True,
        missingBucketLabel="not named",
    )
    over_time = aggregation(
        2,
        "date_histogram",
        "segment",
        field="updated_at",
        useNormalizedOpenSearchInterval=True,
        scaleMetricValues=False,
        interval="auto",
        drop_partials=False,
        min_doc_count=1,
        extended_bounds={},
    )
    count = aggregation(1, "count", "metric", customLabel="Directives")
    return stacked_bars(
        "changes-by-author",
        "Changes over time by author (each directive once, at its last change)",
        "Directives",
        [count, over_time, authors],
        CHANGES,
    )


def _tenants_by_level():
    levels = aggregation(2, "terms", "segment", field="level", orderBy="_key", order="asc", size=5)
    tenants = aggregation(
        3,
        "terms",
        "group",
        field="tenant",
        orderBy="1",
        order="desc",
        size=15,
        missingBucket=True,
        missingBucketLabel="every tenant",
        otherBucket=True,
        otherBucketLabel="others",
    )
    count = aggregation(1, "count", "metric")
    return heat_map("tenants-by-level", "Tenants by level, now", [count, levels, tenants], ACTIVE)


def main():
    patterns = [
        index_pattern(NOW, INDEX, None, PROPERTIES, SCRIPTED, FORMATS),
        index_pattern(CHANGES, INDEX, "updated_at", PROPERTIES, SCRIPTED, FORMATS),
    ]
    text = markdown("help", "About", HELP)
    filters = controls(
        "controls",
        "Filters",
        [("tenant", "Tenant"), ("updated_by", "Author"), ("ticket", "Ticket"), ("level", "Level")],
    )
    numbers = [number_panel(f"number-{name}", *rest) for name, *rest in NUMBERS]
    searches = _searches()
    timeline = vega(
        "timeline", "From start to end: 5 days back, 10 ahead (red frame: capture)", _timeline()
    )
    tenants, authors = _tenants_by_level(), _changes_by_author()
    widths = [5, 4, 5, 5, 5, 5, 4, 5, 5, 5]
    rows = [
        (6, [(text, 20, False), (filters, 28, False)]),
        (5, [(number, width, False) for number, width in zip(numbers, widths, strict=True)]),
        (20, [(searches["active"], 48, True)]),
        (15, [(searches["risks"], 48, True)]),
        (26, [(timeline, 34, True), (tenants, 14, True)]),
        (11, [(searches["scheduled"], 48, True)]),
        (15, [(authors, 20, True), (searches["changes"], 28, True)]),
    ]
    whole = dashboard(
        "Diagnostics directives", "Who lets proxies record what, until when, and why", rows
    )
    panels = [text, filters, *numbers, *searches.values(), timeline, tenants, authors]
    for saved in [*patterns, *panels, whole]:
        print(json.dumps(saved, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
