"""The server of secrets as an operator sees it: reads a password, lists what can be rotated.

Changes nothing; `tillstream vault` does.
"""

import json

from servers import fetch


class Operator:
    """Logged in with the operator's files, anew for every question: nothing is kept."""

    def __init__(self, stack):
        self.url = "https://%s/v1/" % stack.ports.host("openbao")
        self.authority, self.files = stack.authority(), stack.folder / "vault-approles" / "operator"

    def ask(self, path, method="GET", token="", body=None):
        """The `data` or `auth` of an answer."""
        headers = {"X-Vault-Token": token} if token else {}
        status, text = fetch(self.url + path, None, body, method, trust=self.authority, headers=headers)
        assert status == 200, "%s: %d %s" % (path, status, text)
        answer = json.loads(text)
        return answer.get("auth") or answer["data"]

    def token(self):
        """Of a fresh login."""
        ids = {name: (self.files / name).read_text().strip() for name in ("role_id", "secret_id")}
        return self.ask("auth/approle/login", "POST", body=ids)["client_token"]

    def read(self, path):
        """The keys of a secret."""
        return self.ask("kv/data/" + path, token=self.token())["data"]

    def user(self, name):
        """Name and password of a user of the HTTP routes."""
        found = self.read("validation-service/creds/" + name)
        return found["username"], found["password"]

    def users(self):
        """Of the HTTP routes."""
        return self.ask("kv/metadata/validation-service/creds/?list=true", token=self.token())["keys"]

    def paths(self):
        """Every secret that has a password."""
        token = self.token()
        for directory in ("message-broker/creds/", "validation-service/creds/"):
            for name in self.ask("kv/metadata/%s?list=true" % directory, token=token)["keys"]:
                yield directory + name
