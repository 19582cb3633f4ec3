"""What Terraform does not mind: variables, locals and outputs of a module that nobody uses."""

import re
from pathlib import Path


def check(root):
    """Everything that is declared and not used, as sentences."""
    root = Path(root)
    for folder in [root, *sorted(path for path in (root / "modules").iterdir() if path.is_dir())]:
        yield from of_module(folder, root)


def of_module(folder, root):
    text = without_comments(folder)
    name = folder.relative_to(root.parent)
    for variable in re.findall(r'^variable "(\w+)"', text, re.M):
        # Its own validation is no use of it.
        elsewhere = re.sub(r'^variable "%s" \{.*?^\}' % variable, "", text, flags=re.M | re.S)
        if not re.search(r"\bvar\.%s\b" % variable, elsewhere):
            yield "%s: variable %s is declared and never used" % (name, variable)
    for block in re.findall(r"^locals \{\n(.*?)^\}", text, re.M | re.S):
        for local in re.findall(r"^  (\w+)\s*=", block, re.M):
            if not re.search(r"\blocal\.%s\b" % local, text):
                yield "%s: local %s is declared and never used" % (name, local)
    if folder != root:
        callers = without_comments(root) + tests(root)
        for output in re.findall(r'^output "(\w+)"', text, re.M):
            if not re.search(r"\b(module\.\w+(\[[^]]*\])?|run\.\w+|output)\.%s\b" % output, callers + tests(folder)):
                yield "%s: nobody reads output %s" % (name, output)


def without_comments(folder):
    """All of a module's own files."""
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.tf")))
    return re.sub(r"^\s*#.*$", "", text, flags=re.M)


def tests(folder):
    """All of a module's tests."""
    return "\n".join(path.read_text() for path in sorted((folder / "tests").glob("*.hcl")))
