"""Lines that make a server ask for the client certificate, verify it, and let in this one client.

They name files of the pack, below `FOLDER`. Trust is in the CA; that it is this client and no other of the same CA is a
condition on its subject, which a renewal asks for again. Where that cannot be written safely, it is on the fingerprint.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

FOLDER = "/etc/ssl/client-ca"
CLIENT_CA = "client-ca.pem"
RENEW = "it changes with each renewal: ask for the next pack then"


@dataclass(frozen=True, slots=True)
class Client:
    """What the lines need: `subject` as OpenSSL's RFC 2253, `serial` in upper and `sha1` in lower case.

    Files are named without extension.
    """

    subject: str | None  # None or empty: not to be relied on
    serial: str
    sha1: str
    spki_pin: str
    depth: int
    roots: tuple[str, ...]
    intermediates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerLines:
    """The lines for one server, and the name of their file."""

    server: str
    file: str
    text: str


def all_of(client: Client) -> tuple[ServerLines, ...]:
    return tuple(ServerLines(server, file, lines(client)) for server, file, lines in _SERVERS)


def _nginx(client: Client) -> str:
    condition = f'$ssl_client_fingerprint != "{client.sha1}"'
    why = f"Only this client, by its SHA-1 fingerprint; {RENEW}."
    if client.subject and "$" not in client.subject:  # nginx would take it for a variable
        quoted = client.subject.replace("\\", "\\\\").replace('"', '\\"')
        condition, why = f'$ssl_client_s_dn != "{quoted}"', "Only this client, not every client of the same CA."
    return f"""# In the server block. Then: nginx -t && nginx -s reload
ssl_client_certificate {FOLDER}/{CLIENT_CA};
ssl_verify_client on;
ssl_verify_depth {client.depth};
# {why}
if ({condition}) {{ return 403; }}"""


def _apache(client: Client) -> str:
    condition, why = (
        f"%{{SSL_CLIENT_M_SERIAL}} == '{client.serial}'",
        f"Only this client, by its serial number; {RENEW}.",
    )
    # Apache reads quotes, % and $ as its own, and writes what is not ASCII as it is.
    if client.subject and not re.search(r"""['"%$]|\\[0-9A-F]{2}""", client.subject):
        quoted = client.subject.replace("\\", "\\\\")
        condition, why = f"%{{SSL_CLIENT_S_DN}} == '{quoted}'", "Only this client, not every client of the same CA."
    return f"""# In the virtual host. Then: apachectl configtest && apachectl graceful
SSLCACertificateFile "{FOLDER}/{CLIENT_CA}"
SSLVerifyClient require
SSLVerifyDepth {client.depth}
# {why}
<Location "/">
  Require expr "{condition}"
</Location>"""


def _haproxy(client: Client) -> str:
    condition = f"ssl_c_sha1,hex -m str -i {client.sha1}"
    why = f"Only this client, by its SHA-1 fingerprint; {RENEW}."
    if client.subject and "'" not in client.subject:
        condition = f"ssl_c_s_dn(,0,rfc2253) -m str '{client.subject}'"
        why = "Only this client, not every client of the same CA."
    return f"""# In the frontend. Then: haproxy -c -f /etc/haproxy/haproxy.cfg, and reload
bind :443 ssl crt /etc/haproxy/server.pem ca-file {FOLDER}/{CLIENT_CA} verify required
# {why}
http-request deny unless {{ {condition} }}"""


def _iis(client: Client) -> str:
    store = r"Cert:\LocalMachine"
    lines = [
        *(rf"Import-Certificate -FilePath {name}.der -CertStoreLocation {store}\Root" for name in client.roots),
        *(rf"Import-Certificate -FilePath {name}.der -CertStoreLocation {store}\CA" for name in client.intermediates),
    ]
    imports = "\n".join(lines)
    return rf"""# PowerShell as administrator, in the folder of the pack. SITE is the name of your site.
{imports}
Import-Module WebAdministration
Set-WebConfigurationProperty -PSPath IIS:\ -Location "SITE" `
  -Filter system.webServer/security/access -Name sslFlags -Value "Ssl,SslNegotiateCert,SslRequireCert"
# Ask during the handshake, not after the request. CERTHASH and APPID of the binding: netsh http show sslcert
netsh http update sslcert ipport=0.0.0.0:443 certhash=CERTHASH appid="{{APPID}}" clientcertnegotiation=enable
# Only this client: compare its thumbprint in your application. It changes with each renewal.
# Thumbprint: {client.sha1.upper()}"""


def _java(client: Client) -> str:
    imports = "\n".join(
        f"keytool -importcert -noprompt -alias {name} -file {name}.pem "
        "-keystore client-ca.p12 -storetype PKCS12 -storepass:env STOREPASS"
        for name in (*client.roots, *client.intermediates)
    )
    return f"""# In the folder of the pack, with the password of the trust store in the variable STOREPASS.
{imports}
keytool -list -keystore client-ca.p12 -storetype PKCS12 -storepass:env STOREPASS
# Spring Boot:
#   server.ssl.client-auth=need
#   server.ssl.trust-store=client-ca.p12
#   server.ssl.trust-store-type=PKCS12
#   server.ssl.trust-store-password=${{STOREPASS}}
# Tomcat, in <SSLHostConfig>:
#   certificateVerification="required" truststoreFile="conf/client-ca.p12" truststoreType="PKCS12\""""


def _envoy(client: Client) -> str:
    return f"""# In the filter chain of the listener.
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    require_client_certificate: true
    common_tls_context:
      # tls_certificates: your server's, as before
      validation_context:
        trusted_ca:
          filename: {FOLDER}/{CLIENT_CA}
        # Only this client, by the pin of its key. A renewal with a new key brings a new pin: list both.
        verify_certificate_spki:
          - "{client.spki_pin}\""""


def _aws(client: Client) -> str:
    del client  # the trust store is all that AWS takes
    return f"""# API Gateway, custom domain with mutual TLS. BUCKET, DOMAIN and API are yours.
aws s3 cp {CLIENT_CA} s3://BUCKET/{CLIENT_CA}
# A REST API:
aws apigateway update-domain-name --domain-name DOMAIN --patch-operations \\
  op=replace,path=/mutualTlsAuthentication/truststoreUri,value=s3://BUCKET/{CLIENT_CA}
# An HTTP API:
aws apigatewayv2 update-domain-name --domain-name DOMAIN \\
  --mutual-tls-authentication TruststoreUri=s3://BUCKET/{CLIENT_CA}
# The default address of the API would still answer without a certificate: switch it off.
aws apigateway update-rest-api --rest-api-id API \\
  --patch-operations op=replace,path=/disableExecuteApiEndpoint,value=true
# Only this client, not every client of the same CA: compare requestContext.identity.clientCert.subjectDN
# (REST) or requestContext.authentication.clientCert.subjectDN (HTTP) in an authorizer."""


_SERVERS: tuple[tuple[str, str, Callable[[Client], str]], ...] = (
    ("nginx", "nginx.conf", _nginx),
    ("Apache httpd", "apache.conf", _apache),
    ("HAProxy", "haproxy.cfg", _haproxy),
    ("IIS", "iis.ps1", _iis),
    ("Java keytool", "java.sh", _java),
    ("Envoy", "envoy.yaml", _envoy),
    ("AWS API Gateway", "aws-api-gateway.sh", _aws),
)
