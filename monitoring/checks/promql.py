"""Which metrics and labels an expression of PromQL names.

Does not parse the language: promtool does, and expressions come here when it is content. Durations, strings, keywords, functions and
lists of labels are taken away; what is left are names of metrics.
"""

import re

KEYWORDS = {
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "offset",
    "bool",
    "inf",
    "nan",
}

SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^}]*)\}")
MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def metrics(expression):
    """Names of all metrics and recorded series in it."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    text = re.sub(r"\{[^}]*\}", " ", text)
    text = re.sub(r"\[[^\]]*\]", " ", text)
    text = re.sub(r"\boffset\s+\w+", " ", text)
    text = GROUPING.sub(" ", text)
    text = re.sub(r"[a-zA-Z_][a-zA-Z0-9_]*\s*\(", "(", text)
    text = re.sub(r"\b[0-9][0-9a-zA-Z.]*", " ", text)
    return {name for name in NAME.findall(text) if name.lower() not in KEYWORDS}


def matchers(expression):
    """(metric, label, operator, value) of all selectors in it."""
    found = set()
    for metric, inside in SELECTOR.findall(_strings_without_braces(expression)):
        found |= {(metric, label, operator, value) for label, operator, value in MATCHER.findall(inside)}
    return found


def grouped(expression):
    """Labels that it groups by or joins on."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    return {label.strip() for _, inside in GROUPING.findall(text) for label in inside.split(",") if label.strip()}


def _strings_without_braces(expression):
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda text: text.group(0).replace("{", "(").replace("}", ")"), expression)
