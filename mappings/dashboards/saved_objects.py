"""Builds saved objects of OpenSearch Dashboards 2.19 and 3.x from their content.

An import that succeeds need not render: OpenSearch Dashboards accepts unknown fields and panel
types. Therefore the formats here are those of objects that a real 2.19 displayed.
"""

import json

# The prefix of all ids. `directives init --dashboards` replaces it by the name of the index.
PREFIX = "directives."
# The index patterns of the directives, without a time field and with the time of the last change.
# The selected time has no effect on the panels of a pattern without a time field.
NOW = PREFIX + "now"
CHANGES = PREFIX + "changes"
# The index patterns of the history, whose time field is the time of the operation, and of the
# fleet, without a time field.
HISTORY = PREFIX + "history"
FLEET = PREFIX + "fleet"

_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON"
_INDEX = _SOURCE + ".index"
_FILTER_INDEX = _SOURCE + ".filter[0].meta.index"
_KINDS = {
    "keyword": "string",
    "text": "string",
    "short": "number",
    "long": "number",
    "unsigned_long": "number",
    "double": "number",
    "date": "date",
    "boolean": "boolean",
}


def _object(kind, version, name, attributes, references):
    return {
        "id": PREFIX + name,
        "type": kind,
        "migrationVersion": {kind: version},
        "attributes": attributes,
        "references": references,
    }


def _source(query, pattern, script=None):
    """The search of a panel: a query in Lucene's syntax, and a script that also must be true."""
    source = {"query": {"query": query, "language": "lucene"}, "filter": []}
    if pattern:
        source |= {"version": True, "highlightAll": False, "indexRefName": _INDEX}
    if script:
        condition = {"script": {"script": {"source": script, "lang": "painless"}}}
        meta = {
            "alias": None,
            "negate": False,
            "disabled": False,
            "type": "custom",
            "key": "query",
            "value": json.dumps(condition),
            "indexRefName": _FILTER_INDEX,
        }
        source["filter"].append(
            {"meta": meta, "query": condition, "$state": {"store": "appState"}}
        )
    return {"searchSourceJSON": json.dumps(source)}


def reference(name, kind, identifier):
    return {"name": name, "type": kind, "id": identifier}


def _pattern_references(pattern, script=None):
    names = [_INDEX] if pattern else []
    names += [_FILTER_INDEX] if script else []
    return [reference(name, "index-pattern", pattern) for name in names]


def _field(name, es_type):
    return {
        "name": name,
        "type": _KINDS.get(es_type, "string"),
        "esTypes": [es_type],
        "count": 0,
        "scripted": False,
        "searchable": True,
        "aggregatable": es_type != "text",
        "readFromDocValues": es_type not in ("text", "_id"),
    }


def _mapped_fields(properties, prefix=""):
    for name, mapping in properties.items():
        if "properties" in mapping:
            yield from _mapped_fields(mapping["properties"], f"{prefix}{name}.")
            continue
        yield _field(prefix + name, mapping["type"])
        for subfield, of in mapping.get("fields", {}).items():
            field = _field(f"{prefix}{name}.{subfield}", of["type"])
            yield field | {"subType": {"multi": {"parent": prefix + name}}}


def scripted_field(name, kind, script, aggregatable=True):
    """A column that a script computes. A script that reads the source cannot be aggregated."""
    return {
        "name": name,
        "type": kind,
        "count": 0,
        "scripted": True,
        "script": script,
        "lang": "painless",
        "searchable": aggregatable,
        "aggregatable": aggregatable,
        "readFromDocValues": False,
    }


def index_pattern(identifier, index, time_field, properties, scripted, formats):
    """An index pattern with the complete list of fields, so that no viewer has to write it back."""
    fields = [_field("_id", "_id"), *_mapped_fields(properties), *scripted]
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
    return _object("search", "7.9.3", name, attributes, _pattern_references(pattern))


def visualization(
    name, title, kind, params, aggregations=(), query="", pattern=NOW, script=None, references=()
):
    state = {"title": title, "type": kind, "params": params, "aggs": list(aggregations)}
    attributes = {
        "title": title,
        "description": "",
        "version": 1,
        "uiStateJSON": "{}",
        "visState": json.dumps(state),
        "kibanaSavedObjectMeta": _source(query, pattern, script),
    }
    references = _pattern_references(pattern, script) + list(references)
    return _object("visualization", "7.10.0", name, attributes, references)


def dashboard(name, title, description, rows):
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
            references.append(reference(f"panel_{number}", content["type"], content["id"]))
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
    return _object("dashboard", "7.9.3", name, attributes, references)
