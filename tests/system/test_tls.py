"""Which authorities are trusted for AWS: Amazon's own, or the machine's."""

import datetime
import http.client
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(subject, issuer, key, signing_key, extension, critical):
    now = datetime.datetime.now(datetime.timezone.utc)
    name = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(extension, critical)
        .sign(signing_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def own_authority(folder):
    """An authority that only those trust who are told to, and a certificate and key for 127.0.0.1."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    is_authority = x509.BasicConstraints(ca=True, path_length=0)
    authority, chain = folder / "authority.pem", folder / "chain.pem"
    proxy = "a TLS-inspecting proxy"
    authority.write_bytes(certificate(proxy, proxy, authority_key, authority_key, is_authority, True))
    chain.write_bytes(
        certificate("AWS, they say", proxy, key, authority_key, address, False)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return authority, chain


@pytest.fixture
def tls_endpoint(world, tmp_path):
    """The simulated AWS behind TLS; its address and the authority that signed for it."""
    target = urlsplit(world.aws.endpoint).netloc

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            upstream = http.client.HTTPConnection(target)
            upstream.request("POST", self.path, body, headers)
            answer = upstream.getresponse()
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    authority, chain = own_authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", authority
    server.shutdown()


def test_the_machines_authorities_are_trusted_when_asked_for(world, tls_endpoint):
    endpoint, authority = tls_endpoint
    broker = world.serve(
        AWS_ENDPOINT_URL=endpoint, STUDIO_BROKER_TLS_ROOTS="system", SSL_CERT_FILE=authority
    )
    _, answer = broker.sign_in()
    assert answer.status == 303


def test_without_that_only_amazons_authorities_are_trusted(world, tls_endpoint):
    endpoint, authority = tls_endpoint
    broker = world.serve(AWS_ENDPOINT_URL=endpoint, SSL_CERT_FILE=authority)
    _, answer = broker.sign_in()
    assert answer.status == 503
    assert "aws_unreachable" in answer.text
