"""The row that says whether each index exists, and how much is in it.

OpenSearch Dashboards ignores indices that do not exist, so every other panel shows the same for an
index that is missing and for one that is empty. Only the number of searched shards differs.
"""

from fleet import counts
from panels import vega

_TOTAL = "(isObject(datum.hits.total) ? datum.hits.total.value : datum.hits.total)"
_MISSING = "datum._shards.total == 0"


def _column(number, name, index, body, found):
    """The text about one index. `found` is the text if the index contains documents."""
    text = (
        f"'{name}: ' + ({_MISSING} ? 'THERE IS NO INDEX' : "
        f"{_TOTAL} == 0 ? 'no documents' : {found})"
    )
    color = {"condition": [{"test": _MISSING, "value": "#BD271E"}], "value": "#343741"}
    axis = {"scale": {"domain": [0, 3], "nice": False}, "axis": None}
    return {
        "data": {"name": name, "url": {"index": index, "body": {"size": 0} | body}},
        "transform": [{"calculate": text, "as": "text"}],
        "mark": {"type": "text", "align": "left", "fontSize": 14, "fontWeight": "bold"},
        "encoding": {
            "x": {"datum": number, "type": "quantitative", **axis},
            "text": {"field": "text", "type": "nominal"},
            "color": color,
        },
    }


def strip(index):
    """The panel for all three dashboards. It obeys no filter, so that no filter can empty it."""
    count = f"format({_TOTAL}, ',')"
    fleet = " + ".join(
        f"'{separator}' + datum.aggregations.{name}.doc_count + ' {name}'"
        for separator, name in zip(("", ", ", ", "), counts(), strict=True)
    )
    specification = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "config": {"view": {"stroke": None}},
        "layer": [
            _column(0, "directives", index, {}, f"{count} + ' documents'"),
            _column(1, "history", f"{index}-history", {}, f"{count} + ' records'"),
            _column(2, "fleet", f"{index}-fleet", {"aggs": counts()}, fleet),
        ],
    }
    return vega("strip", "Which indices exist", specification)
