"""Builds the built-in panels of OpenSearch Dashboards: numbers, texts, filters, charts, tables."""

import json

from saved_objects import NOW, reference, visualization

RED, AMBER, GREEN = ("#FFFFFF", "#BD271E"), ("#343741", "#F5C56B"), ("#FFFFFF", "#017D73")
GREY = ("#69707D", "#E9EDF3")
SHORT_DATE = {"id": "date", "params": {"pattern": "MMM D, HH:mm"}}


def colors(*rules):
    """The format of a column whose values have the color of the first expression that matches."""
    rules = [
        {"range": "-Infinity:Infinity", "regex": regex, "text": text, "background": background}
        for regex, (text, background) in rules
    ]
    return {"id": "color", "params": {"fieldType": "string", "colors": rules}}


def aggregation(number, kind, schema, **params):
    return {"id": str(number), "enabled": True, "type": kind, "schema": schema, "params": params}


def terms(number, schema, field, size=10, order_by="1", missing=None, label=None, others=True):
    """Groups by the most frequent values of a field. The others are one more group, and so are the
    documents without the field, if this group has a name.

    Below a group whose name contains a hyphen, OpenSearch Dashboards does not show the others.
    """
    params = {
        "field": field,
        "orderBy": order_by,
        "order": "asc" if order_by == "_key" else "desc",
        "size": size,
        "otherBucket": others,
        "otherBucketLabel": "others",
        "missingBucket": missing is not None,
        "missingBucketLabel": missing or "missing",
    }
    if label:
        params["customLabel"] = label
    return aggregation(number, "terms", schema, **params)


def over_time(number, field):
    return aggregation(
        number,
        "date_histogram",
        "segment",
        field=field,
        useNormalizedOpenSearchInterval=True,
        scaleMetricValues=False,
        interval="auto",
        drop_partials=False,
        min_doc_count=1,
        extended_bounds={},
    )


def number_panel(name, label, query, is_risk, pattern=NOW, script=None):
    """A number with a label of at most eleven letters. The number of a risk is red from one on."""
    assert len(label) <= 11, label
    metric = {
        "percentageMode": False,
        "useRanges": False,
        "colorSchema": "Green to Red",
        "metricColorMode": "Labels" if is_risk else "None",
        "colorsRange": [{"from": 0, "to": 1}, {"from": 1, "to": 1_000_000}],
        "labels": {"show": True},
        "invertColors": False,
        "style": {
            "bgFill": "#000",
            "bgColor": False,
            "labelColor": is_risk,
            "subText": "",
            "fontSize": 26,
        },
    }
    params = {"addTooltip": True, "addLegend": False, "type": "metric", "metric": metric}
    count = aggregation(1, "count", "metric", customLabel=label)
    return visualization(name, label, "metric", params, [count], query, pattern, script)


def markdown(name, title, text):
    params = {"fontSize": 11, "openLinksInNewTab": False, "markdown": text}
    return visualization(name, title, "markdown", params, pattern=None)


def controls(name, title, fields, pattern=NOW):
    """A list of values for each field. A selection filters every panel of the dashboard."""

    def control(number, field, label):
        options = {
            "type": "terms",
            "multiselect": True,
            "dynamicOptions": True,
            "size": 50,
            "order": "desc",
        }
        return {
            "id": str(number),
            "fieldName": field,
            "parent": "",
            "label": label,
            "type": "list",
            "options": options,
            "indexPatternRefName": f"control_{number}_index_pattern",
        }

    params = {
        "controls": [control(number, *field) for number, field in enumerate(fields)],
        "updateFiltersOnChange": True,
        "useTimeFilter": False,
        "pinFilters": False,
    }
    references = [
        reference(f"control_{number}_index_pattern", "index-pattern", pattern)
        for number in range(len(fields))
    ]
    return visualization(
        name, title, "input_control_vis", params, pattern=None, references=references
    )


def stacked_bars(name, title, unit, aggregations, pattern, query=""):
    axis = {"show": True, "style": {}, "labels": {"show": True, "filter": True, "truncate": 100}}
    category = {
        **axis,
        "id": "CategoryAxis-1",
        "type": "category",
        "position": "bottom",
        "scale": {"type": "linear"},
        "title": {},
    }
    values = {
        **axis,
        "id": "ValueAxis-1",
        "name": "LeftAxis-1",
        "type": "value",
        "position": "left",
        "scale": {"type": "linear", "mode": "normal"},
        "title": {"text": unit},
    }
    series = {
        "show": True,
        "type": "histogram",
        "mode": "stacked",
        "data": {"label": unit, "id": "1"},
        "valueAxis": "ValueAxis-1",
        "drawLinesBetweenPoints": True,
        "lineWidth": 2,
        "showCircles": True,
    }
    params = {
        "type": "histogram",
        "grid": {"categoryLines": False},
        "categoryAxes": [category],
        "valueAxes": [values],
        "seriesParams": [series],
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "times": [],
        "addTimeMarker": False,
        "labels": {"show": False},
        "thresholdLine": {
            "show": False,
            "value": 10,
            "width": 1,
            "style": "full",
            "color": "#E7664C",
        },
    }
    return visualization(name, title, "histogram", params, aggregations, query, pattern)


def heat_map(name, title, aggregations, query, pattern=NOW):
    axis = {
        "show": False,
        "id": "ValueAxis-1",
        "type": "value",
        "scale": {"type": "linear", "defaultYExtents": False},
        "labels": {"show": True, "rotate": 0, "overwriteColor": False, "color": "black"},
    }
    params = {
        "type": "heatmap",
        "addTooltip": True,
        "addLegend": False,
        "enableHover": False,
        "legendPosition": "right",
        "times": [],
        "colorsNumber": 4,
        "colorSchema": "Yellow to Red",
        "setColorRange": False,
        "colorsRange": [],
        "invertColors": False,
        "percentageMode": False,
        "valueAxes": [axis],
    }
    return visualization(name, title, "heatmap", params, aggregations, query, pattern)


def data_table(name, title, aggregations, query, pattern):
    params = {
        "perPage": 10,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
        "sort": {"columnIndex": None, "direction": None},
    }
    return visualization(name, title, "table", params, aggregations, query, pattern)


def vega(name, title, specification):
    return visualization(name, title, "vega", {"spec": json.dumps(specification)}, pattern=None)
