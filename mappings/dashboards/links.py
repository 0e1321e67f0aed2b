"""The links between the dashboards. Their addresses contain no base path and no workspace."""

from saved_objects import PREFIX

_DASHBOARDS = {
    "present": ("dashboard", "The present"),
    "history": ("history-dashboard", "The history: who did what and when"),
    "fleet": ("fleet-dashboard", "The fleet: what instances apply"),
}


def links(own):
    """The links to the dashboards other than the own one."""
    others = [of for name, of in _DASHBOARDS.items() if name != own]
    return " · ".join(f"[{title}](#/view/{PREFIX}{name})" for name, title in others)
