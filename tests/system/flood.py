"""Clients that want to keep everybody else out of `serve`, thousands of them at once.

    python3 tests/system/flood.py KIND PORT CONNECTIONS ADDRESSES

runs until it is ended, and writes one line once all of them have begun. `ADDRESSES` is from how many
addresses of this machine they come (127.0.1.1 and so on; 0: from 127.0.0.1, as everybody else does).
"""

import asyncio
import logging
import random
import resource
import struct
import sys

HEAD = (
    b"POST /saml/acs HTTP/1.1\r\nHost: studio.example.com\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\nSAMLResponse="
)
ASK = b"GET /saml/metadata HTTP/1.1\r\nHost: studio.example.com\r\n\r\n"
#: Of HTTP/2 (RFC 9113): the greeting, and the types of frames.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, CONTINUATION = 0, 1, 3, 4, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, value):
    """A header field as HPACK's literal without indexing (RFC 7541, 6.2.2)."""

    def text(value):
        size = len(value)
        if size < 127:
            return bytes([size]) + value
        size, octets = size - 127, [127]
        while size >= 128:
            octets.append(size % 128 + 128)
            size //= 128
        return bytes([*octets, size]) + value

    return b"\x00" + text(name) + text(value)


def head(method, path, *more):
    fields = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"), *more]
    return b"".join(field(*one) for one in fields)


async def hold(reader):
    """Reads nothing that counts until the other side has had enough."""
    while await reader.read(65536):
        pass


async def bodies(reader, writer):
    """32 KB of a body, and nothing more."""
    writer.write(HEAD % 40_000 + b"A" * 32_755)
    await hold(reader)


async def small_bodies(reader, writer):
    """The same of a body that is small, but for its last byte."""
    writer.write(HEAD % 32_000 + b"A" * 31_986)
    await hold(reader)


async def dribble(reader, writer):
    """A body byte by byte."""
    writer.write(HEAD % 30_000)
    over = asyncio.ensure_future(hold(reader))
    while not over.done():
        writer.write(b"A")
        await asyncio.sleep(1)


async def silence(reader, writer):
    """Nothing at all."""
    await hold(reader)


async def headers(reader, writer):
    """30 KB of headers, and then one byte now and then."""
    writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 30_000)
    over = asyncio.ensure_future(hold(reader))
    while not over.done():
        writer.write(b"x")
        await asyncio.sleep(1)


async def readers(reader, writer):
    """Questions without end, whose answers nobody takes."""
    writer.transport.pause_reading()
    for _ in range(200):
        writer.write(ASK * 20)
        await writer.drain()
    await asyncio.sleep(3600)


def greet(writer, window=None):
    settings = b"" if window is None else struct.pack(">HI", 4, window)
    writer.write(GREETING + frame(SETTINGS, 0, 0, settings))


async def streams(reader, writer):
    """As many streams as there may be, each with a body that does not end."""
    greet(writer)
    post = head(b"POST", b"/saml/acs", (b"content-length", b"40000"))
    for number in range(32):
        stream = 2 * number + 1
        writer.write(frame(HEADERS, END_HEADERS, stream, post))
        writer.write(frame(DATA, 0, stream, b"SAMLResponse=" + b"A" * 1_500))
    await hold(reader)


async def resets(reader, writer):
    """Streams that are reset as soon as they are open ("rapid reset", CVE-2023-44487)."""
    greet(writer)
    over = asyncio.ensure_future(hold(reader))
    get = head(b"GET", b"/saml/login")
    for number in range(200_000):
        if over.done():
            return
        stream = 2 * number + 1
        writer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, get))
        writer.write(frame(RESET, 0, stream, struct.pack(">I", 8)))
        if number % 50 == 0:
            await writer.drain()
            await asyncio.sleep(0.05)
    await over


async def stream_headers(reader, writer):
    """Headers that go on in frame after frame ("CONTINUATION flood", 2024)."""
    greet(writer)
    over = asyncio.ensure_future(hold(reader))
    writer.write(frame(HEADERS, 0, 1, head(b"GET", b"/")))
    while not over.done():
        writer.write(frame(CONTINUATION, 0, 1, field(b"x-%d" % random.randrange(10**9), b"y" * 8_000)))
        await writer.drain()
        await asyncio.sleep(0.05)


async def stream_readers(reader, writer):
    """Streams whose answers may not be sent: their window is nothing."""
    greet(writer, window=0)
    get = head(b"GET", b"/saml/metadata")
    for number in range(32):
        writer.write(frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, get))
    await hold(reader)


KINDS = {
    kind.__name__: kind
    for kind in [
        bodies, small_bodies, dribble, silence, headers, readers,
        streams, resets, stream_headers, stream_readers,
    ]
}


async def client(kind, port, address, begun):
    """One client, which comes back whenever it is sent away."""
    first = True
    while True:
        try:
            local = (address, 0) if address else None
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=local)
            try:
                if first:
                    begun.release()
                    first = False
                await kind(reader, writer)
            finally:
                writer.transport.abort()
        except OSError:
            pass
        await asyncio.sleep(1 + random.random())


async def flood(kind, port, connections, addresses):
    begun = asyncio.Semaphore(0)
    clients = []
    for number in range(connections):
        address = f"127.0.{1 + number % addresses // 250}.{1 + number % addresses % 250}" if addresses else None
        clients.append(asyncio.ensure_future(client(kind, port, address, begun)))
        if number % 100 == 99:
            await asyncio.sleep(0.02)
    for _ in range(connections * 9 // 10):
        await begun.acquire()
    print("all of them have begun", flush=True)
    await asyncio.gather(*clients)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    logging.disable()  # that a client is sent away is nothing to warn about
    name, *numbers = sys.argv[1:]
    asyncio.run(flood(KINDS[name], *map(int, numbers)))
