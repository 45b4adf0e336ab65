#!/usr/bin/env python3
"""`serve` under load: what a sign-in costs beside two other service providers on the same machine, and
what thousands of connections cost.

    cargo build --release --bins && sudo apt-get install wrk
    python3 -m venv target/peers && target/peers/bin/pip install -r benches/peers/requirements.txt
    npm ci --prefix benches/peers
    python3 benches/serve.py

Each gets the same responses of the same identity provider over HTTP, one after the other. Ours looks
up tables, writes its state and asks for a presigned URL as well (the simulated AWS is another process);
the peers validate, remember the response in memory, and redirect. CPU seconds are those of each
process alone, so other load on the machine changes little.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("STUDIO_BROKER_BIN", str(ROOT / "target" / "release"))
sys.path.insert(0, str(ROOT / "tests" / "system"))

from programs import Program  # noqa: E402

PUBLIC_URL = "https://studio.example.com"
ACS, AUDIENCE = f"{PUBLIC_URL}/saml/acs", f"{PUBLIC_URL}/saml/metadata"
TEAM = "team2"


def cpu(pid):
    """User and system CPU seconds of a process."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / 1e9


def resident(pid):
    """MiB that a process holds in memory."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def responses(idp, count):
    """Fresh responses for one person who has one team, whose assertion is signed."""
    fields = {
        "audience": AUDIENCE,
        "recipient": ACS,
        "destination": ACS,
        "user_id": "bench",
        "name_id": "bench@example.com",
        "teams": TEAM,
        "sign": "assertion",
    }
    url = f"{idp}/_control/response?{urllib.parse.urlencode(fields)}"
    return [get(url) for _ in range(count)]


def sign_ins(port, bodies):
    """Posts each response; every one must be answered with 302."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    for body in bodies:
        connection.request("POST", "/saml/acs", urllib.parse.urlencode({"SAMLResponse": body}), headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 302:
            sys.exit(f"no sign-in: {answer.status} {answer.getheader('location')}")


def cost(name, pid, port, idp, count):
    """CPU milliseconds and MiB of `count` sign-ins after some that warm up."""
    for warming in range(30):
        try:
            sign_ins(port, responses(idp, 1))
        except SystemExit:
            # The first one makes a profile and may be told to wait.
            if warming > 5:
                raise
    sign_ins(port, responses(idp, 30))
    bodies = responses(idp, count)
    before = cpu(pid)
    sign_ins(port, bodies)
    spent = (cpu(pid) - before) * 1000 / count
    print(f"{name:24} {spent:7.2f} ms CPU, {1000 / spent:6.0f} a second and core, {resident(pid):5.0f} MiB", flush=True)
    return spent


def peer(command, settings):
    """Starts a peer: the process and its port."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(json.dumps(settings).encode())
    process.stdin.close()
    return process, int(process.stdout.readline())


def peers(idp, count, ours):
    metadata = get(f"{idp}/metadata")
    settings = {
        "acs_url": ACS,
        "audience": AUDIENCE,
        "issuer": f"{idp}/idp",
        "certificate": re.search(r"<ds:X509Certificate>([^<]+)<", metadata)[1],
        "signs": "assertion",
    }
    here = ROOT / "benches" / "peers"
    for name, command in [
        ("python3-saml", [ROOT / "target" / "peers" / "bin" / "python", here / "peer.py"]),
        ("@node-saml/node-saml", ["node", here / "peer.js"]),
    ]:
        process, port = peer(command, settings)
        try:
            spent = cost(name, process.pid, port, idp, count)
            print(f"{'':24} {spent / ours:7.1f} times ours", flush=True)
        finally:
            process.kill()
            process.wait()


def idle_connections(program, port, count):
    """What connections cost that only stand there, and whether others are answered meanwhile."""
    before, sockets = resident(program.process.pid), []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(4096)
        sockets.append(connection)
    assert get(f"http://127.0.0.1:{port}/healthz") == "ok"
    after = resident(program.process.pid)
    print(f"{count} idle connections    {(after - before) * 1024 / count:7.1f} KiB each, {after:.0f} MiB in all", flush=True)
    for connection in sockets:
        connection.close()


def load(program, port, connections):
    """wrk (https://github.com/wg/wrk) against pages that call no AWS."""
    if not shutil.which("wrk"):
        print("wrk is not installed: apt-get install wrk")
        return
    for path in ["/healthz", "/saml/metadata", "/sign-out"]:
        before = cpu(program.process.pid)
        command = ["wrk", "-t1", f"-c{connections}", "-d5s", "--timeout", "10s"]
        out = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
        requests = int(re.search(r"(\d+) requests in", out)[1])
        wrong = re.findall(r"(Socket errors:.*|Non-2xx.*)", out)
        spent = cpu(program.process.pid) - before
        print(f"GET {path:20} {requests / spent:8.0f} a second and core over {connections} connections, {resident(program.process.pid):.0f} MiB {' '.join(wrong)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--count", type=int, default=500, help="sign-ins of each")
    parser.add_argument("--connections", type=int, default=2000)
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        local = Program(folder / "local", ["local", "--port", 0, "--ephemeral", "--output", "json"], {})
        places = local.first_line()
        settings = {
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIABENCH",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_ENDPOINT_URL": places["aws_endpoint"],
            "STUDIO_BROKER_PUBLIC_URL": PUBLIC_URL,
        }
        serve = Program(folder / "serve", ["serve", "--listen", "127.0.0.1:0", "--output", "json"], settings)
        try:
            port = int(serve.first_line()["listen"].rpartition(":")[2])
            ours = cost("studio-broker serve", serve.process.pid, port, places["idp"], given.count)
            peers(places["idp"], given.count, ours)
            idle_connections(serve, port, given.connections)
            load(serve, port, min(given.connections, 1000))
        finally:
            serve.stop()
            local.stop()


if __name__ == "__main__":
    main()
