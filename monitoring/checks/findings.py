"""What every check needs: the folder under test, its files, and a place for what is wrong.

Judges nothing itself.
"""

import json
import subprocess
from pathlib import Path

import yaml


class Folder:
    """One copy of `monitoring/`: the real one, or one with a mistake in it."""

    def __init__(self, root):
        self.root = Path(root)

    def path(self, name):
        """An absolute path."""
        return self.root / name

    def text(self, name):
        """A file as text."""
        return self.path(name).read_text()

    def yaml(self, name):
        """A file as YAML."""
        return yaml.safe_load(self.text(name))

    def json(self, name):
        """A file as JSON."""
        return json.loads(self.text(name))

    def all(self, pattern):
        """Names of files that match, sorted, relative to the folder; at least one, or the pattern is a mistake."""
        found = sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))
        assert found, "no file is %s" % pattern
        return found


class Findings(list):
    """What is wrong, one line each."""

    def say(self, where, what):
        """Notes one more."""
        self.append("%s: %s" % (where, what))

    def unless(self, holds, where, what):
        """Notes one more unless this holds."""
        if not holds:
            self.say(where, what)

    def run(self, where, *command):
        """Runs a checker of somebody else; what it prints when it fails is a finding."""
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
        self.unless(done.returncode == 0, where, (done.stdout + done.stderr).strip())
