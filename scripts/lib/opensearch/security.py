"""Creates the certificates, the settings and the first user of a node with the security plugin."""

import base64
import copy
import json
import secrets
import subprocess

from .basics import Problem

DAYS = "30"
# The common names of the certificates that the test CA signs.
NODE, ADMIN, CLIENT = "node", "admin", "client"
EXTENSIONS = """basicConstraints=CA:FALSE
keyUsage=digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=DNS:localhost,IP:127.0.0.1
"""
# The hash of the password `admin`, from the demo configuration of the plugin.
ADMIN_HASH = "$2a$12$VcCDgh2NDk07JGN0rjGbM.Ad41qVR/YFJcgHp0UGns5JDymv..TOG"
# This authentication comes last, because it ends a request without a user with status 401.
BASIC = {
    "http_enabled": True,
    "order": 2,
    "http_authenticator": {"type": "basic", "challenge": True},
    "authentication_backend": {"type": "intern"},
}
CLIENT_CERTIFICATE = {
    "http_enabled": True,
    "order": 0,
    "http_authenticator": {
        "type": "clientcert",
        "challenge": False,
        "config": {"username_attribute": "cn"},
    },
    "authentication_backend": {"type": "noop"},
}
TOKEN = {
    "http_enabled": True,
    "order": 1,
    "http_authenticator": {
        "type": "jwt",
        "challenge": False,
        # `Security.configuration` adds the key.
        "config": {"roles_key": "roles", "jwt_clock_skew_tolerance_seconds": 0},
    },
    "authentication_backend": {"type": "noop"},
}
DYNAMIC = {
    "http": {"anonymous_auth_enabled": False, "xff": {"enabled": False}},
    "authc": {"basic": BASIC, "client_certificate": CLIENT_CERTIFICATE, "token": TOKEN},
    "authz": {},
}
# The plugin's default mapping gives every user the role `own_index`, which would hide a missing
# permission. This mapping leaves that role out.
CONFIGURATION = {
    "config": {"config": {"dynamic": DYNAMIC}},
    "internalusers": {"admin": {"hash": ADMIN_HASH, "backend_roles": ["admin"]}},
    "roles": {},
    "rolesmapping": {"all_access": {"backend_roles": ["admin"]}},
    "actiongroups": {},
    "tenants": {},
    "nodesdn": {},
    "allowlist": {"config": {"enabled": False, "requests": {}}},
    "audit": {"config": {"enabled": False}},
}
FILES = {
    "internalusers": "internal_users",
    "rolesmapping": "roles_mapping",
    "actiongroups": "action_groups",
    "nodesdn": "nodes_dn",
}


class Security:
    """The folder with the security files of one node.

    It contains ca.pem, other-ca.pem, which signed no certificate, and NAME.pem and NAME-key.pem
    for node, admin and client. The user of client.pem is its common name, `client`. The key with
    which the plugin verifies JSON web tokens (HMAC) is in jwt-key, in base64.
    """

    USER = "admin"
    PASSWORD = "admin"

    def __init__(self, directory):
        self.folder = directory / "security"

    def path(self, name):
        return self.folder / name

    def write(self):
        """Writes all files, unless an earlier start of the node has written them."""
        if self.path("config").is_dir():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.authority("ca")
        self.authority("other-ca")
        self.path("extensions").write_text(EXTENSIONS)
        for name in (NODE, ADMIN, CLIENT):
            self.certificate(name)
        partial = self.path("config.partial")
        partial.mkdir(exist_ok=True)
        for kind, content in self.configuration().items():
            # Each JSON document is also a YAML document.
            text = json.dumps({"_meta": {"type": kind, "config_version": 2}, **content}, indent=2)
            (partial / f"{FILES.get(kind, kind)}.yml").write_text(text)
        partial.rename(self.path("config"))

    def configuration(self):
        """Returns the configuration of the plugin, with a new key for JSON web tokens."""
        key = base64.b64encode(secrets.token_bytes(64)).decode()
        self.path("jwt-key").write_text(key)
        configuration = copy.deepcopy(CONFIGURATION)
        token = configuration["config"]["config"]["dynamic"]["authc"]["token"]
        token["http_authenticator"]["config"]["signing_key"] = key
        return configuration

    def authority(self, name):
        self.openssl(
            *"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(),
            *["-days", DAYS, "-subj", f"/CN={name}"],
            *["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
            *["-keyout", f"{name}-key.pem", "-out", f"{name}.pem"],
        )

    def certificate(self, name):
        self.openssl(
            *"req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(),
            *["-subj", f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", f"{name}.csr"],
        )
        self.openssl(
            *"x509 -req -CA ca.pem -CAkey ca-key.pem -CAcreateserial -extfile extensions".split(),
            *["-days", DAYS, "-in", f"{name}.csr", "-out", f"{name}.pem"],
        )

    def openssl(self, *words):
        try:
            done = subprocess.run(
                ["openssl", *words], cwd=self.folder, capture_output=True, text=True
            )
        except FileNotFoundError as error:
            raise Problem("a secured node needs the command openssl; install it") from error
        if done.returncode != 0:
            raise Problem(f"openssl {words[0]} failed: {done.stderr.strip()}")

    def settings(self):
        settings = {
            "plugin.types": "org.opensearch.security.OpenSearchSecurityPlugin",
            "plugins.security.ssl.http.enabled": "true",
            "plugins.security.ssl.http.clientauth_mode": "OPTIONAL",
            "plugins.security.ssl.transport.enforce_hostname_verification": "false",
            "plugins.security.authcz.admin_dn": f"CN={ADMIN}",
            "plugins.security.nodes_dn": f"CN={NODE}",
            "plugins.security.restapi.roles_enabled": "all_access",
            "plugins.security.allow_default_init_securityindex": "true",
        }
        for layer in ("http", "transport"):
            prefix = f"plugins.security.ssl.{layer}"
            settings[f"{prefix}.pemcert_filepath"] = self.path(f"{NODE}.pem")
            settings[f"{prefix}.pemkey_filepath"] = self.path(f"{NODE}-key.pem")
            settings[f"{prefix}.pemtrustedcas_filepath"] = self.path("ca.pem")
        return settings

    def java_options(self):
        # In a new cluster, the plugin reads the content of its index from this folder.
        return [f"-Dsecurity.default_init.dir={self.path('config')}/"]
