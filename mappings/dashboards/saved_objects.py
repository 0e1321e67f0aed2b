"""Builds saved objects of OpenSearch Dashboards 2.19 and 3.x from their content.

An import that succeeds need not render: OpenSearch Dashboards accepts unknown fields and panel
types. Therefore the formats here are those of objects that a real 2.19 displayed.
"""

import json

# The prefix of all ids. `directives init --dashboards` replaces it by the name of the index.
PREFIX = "directives."
# The index pattern without a time field: the selected time has no effect on its panels.
NOW = PREFIX + "now"
# The index pattern whose time field is the time of the last change.
CHANGES = PREFIX + "changes"

_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"


def _object(kind, version, name, attributes, references):
    return {
        "id": PREFIX + name,
        "type": kind,
        "migrationVersion": {kind: version},
        "attributes": attributes,
        "references": references,
    }


def _source(query, pattern):
    source = {"query": {"query": query, "language": "lucene"}, "filter": []}
    if pattern:
        source |= {"version": True, "highlightAll": False, "indexRefName": _SOURCE}
    return {"searchSourceJSON": json.dumps(source)}


def _reference(name, kind, identifier):
    return {"name": name, "type": kind, "id": identifier}


def _pattern_reference(pattern):
    return [_reference(_SOURCE, "index-pattern", pattern)] if pattern else []


def _field(name, kind, es_type):
    stored = es_type not in ("text", "_id")
    return {
        "name": name,
        "type": kind,
        "esTypes": [es_type],
        "count": 0,
        "scripted": False,
        "searchable": True,
        "aggregatable": es_type != "text",
        "readFromDocValues": stored,
    }


def _mapped_fields(properties):
    kinds = {
        "keyword": "string",
        "text": "string",
        "short": "number",
        "date": "date",
        "boolean": "boolean",
    }
    yield _field("_id", "string", "_id")
    for name, mapping in properties.items():
        yield _field(name, kinds[mapping["type"]], mapping["type"])
        for subfield, of in mapping.get("fields", {}).items():
            field = _field(f"{name}.{subfield}", kinds[of["type"]], of["type"])
            yield field | {"subType": {"multi": {"parent": name}}}


def _scripted_field(name, kind, script):
    return {
        "name": name,
        "type": kind,
        "count": 0,
        "scripted": True,
        "script": script,
        "lang": "painless",
        "searchable": True,
        "aggregatable": True,
        "readFromDocValues": False,
    }


def index_pattern(identifier, index, time_field, properties, scripted, formats):
    """An index pattern with the complete list of fields, so that no viewer has to write it back."""
    fields = list(_mapped_fields(properties))
    fields += [_scripted_field(*field) for field in scripted]
    attributes = {
        "title": index,
        "fields": json.dumps(fields),
        "fieldFormatMap": json.dumps(formats),
    }
    if time_field:
        attributes["timeFieldName"] = time_field
    return _object("index-pattern", "7.6.0", identifier.removeprefix(PREFIX), attributes, [])


def search(name, title, columns, sort, query, pattern=NOW):
    attributes = {
        "title": title,
        "description": "",
        "columns": columns,
        "sort": [sort],
        "hits": 0,
        "version": 1,
        "kibanaSavedObjectMeta": _source(query, pattern),
    }
    return _object("search", "7.9.3", name, attributes, _pattern_reference(pattern))


def visualization(name, title, kind, params, aggregations=(), query="", pattern=NOW, references=()):
    state = {"title": title, "type": kind, "params": params, "aggs": list(aggregations)}
    attributes = {
        "title": title,
        "description": "",
        "version": 1,
        "uiStateJSON": "{}",
        "visState": json.dumps(state),
        "kibanaSavedObjectMeta": _source(query, pattern),
    }
    return _object(
        "visualization", "7.10.0", name, attributes, _pattern_reference(pattern) + list(references)
    )


def aggregation(number, kind, schema, **params):
    return {"id": str(number), "enabled": True, "type": kind, "schema": schema, "params": params}


def number_panel(name, label, query, is_risk):
    """A number with a label of at most eleven letters. The number of a risk is red from one on."""
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
    return visualization(name, label, "metric", params, [count], query)


def markdown(name, title, text):
    params = {"fontSize": 11, "openLinksInNewTab": True, "markdown": text}
    return visualization(name, title, "markdown", params, pattern=None)


def controls(name, title, fields):
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
        _reference(f"control_{number}_index_pattern", "index-pattern", NOW)
        for number in range(len(fields))
    ]
    return visualization(
        name, title, "input_control_vis", params, pattern=None, references=references
    )


def stacked_bars(name, title, unit, aggregations, pattern):
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
    return visualization(name, title, "histogram", params, aggregations, pattern=pattern)


def heat_map(name, title, aggregations, query):
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
    return visualization(name, title, "heatmap", params, aggregations, query)


def vega(name, title, specification):
    return visualization(name, title, "vega", {"spec": json.dumps(specification)}, pattern=None)


def dashboard(title, description, rows):
    """A dashboard of rows, each with a height and with panels, in a grid of 48 columns.

    A panel is (object, width, whether its title is shown).
    """
    panels, references, top = [], [], 0
    for height, row in rows:
        left = 0
        for content, width, has_title in row:
            number = len(panels)
            panels.append(
                {
                    "version": "2.19.0",
                    "panelIndex": str(number + 1),
                    "gridData": {
                        "x": left,
                        "y": top,
                        "w": width,
                        "h": height,
                        "i": str(number + 1),
                    },
                    "embeddableConfig": {} if has_title else {"hidePanelTitles": True},
                    "panelRefName": f"panel_{number}",
                }
            )
            references.append(_reference(f"panel_{number}", content["type"], content["id"]))
            left += width
        assert left == 48, f"a row has {left} columns"
        top += height
    attributes = {
        "title": title,
        "description": description,
        "hits": 0,
        "version": 1,
        "timeRestore": True,
        "timeFrom": "now-7d",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 30000},
        "optionsJSON": json.dumps({"hidePanelTitles": False, "useMargins": True}),
        "panelsJSON": json.dumps(panels),
        "kibanaSavedObjectMeta": _source("", None),
    }
    return _object("dashboard", "7.9.3", "dashboard", attributes, references)
