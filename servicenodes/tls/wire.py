"""Sockets with a deadline of our own: no call here can outlast it, whatever the other side does."""

from __future__ import annotations

import errno
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

import h11

from servicenodes.errors import ConnectFailed, ResolveFailed
from servicenodes.tls.address_policy import Address
from servicenodes.tls.observation import Failure

CHUNK = 65536
MAX_ADDRESSES = 8
MAX_PROXY_HEAD = 16 * 1024
MAX_UNBOUNDED = 1024 * 1024
Resolver = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    def or_sooner(self, seconds: float) -> Deadline:
        """The earlier of this deadline and that many seconds from now."""
        return Deadline(min(self.at, time.monotonic() + seconds))


class Wire:
    """A connected TCP socket."""

    def __init__(self, connected: socket.socket, *, rtt_s: float) -> None:
        self._socket = connected
        self._readable = select.poll()
        self._readable.register(connected, select.POLLIN)
        self.rtt_s = rtt_s
        self.received = 0
        self.budget = MAX_UNBOUNDED  # bytes that may still be received; nothing is read beyond it

    def receive(self, deadline: Deadline, limit: int = CHUNK) -> bytes | None:
        """Bytes, `b""` at the end or beyond the budget, None when the time is up. Raises `ConnectionError`."""
        if self.budget <= 0:
            return b""
        while True:
            if not self._readable.poll(deadline.left * 1000):
                return None
            try:
                data = self._socket.recv(min(limit, self.budget))
            except BlockingIOError:  # poll may be wrong: select(2), BUGS
                continue
            self.received += len(data)
            self.budget -= len(data)
            return data

    @property
    def readable(self) -> bool:
        """Whether bytes, or the end, are there to be received now."""
        return bool(self._readable.poll(0))

    def send_some(self, data: memoryview, deadline: Deadline) -> int | None:
        """How many bytes the kernel took; 0 when there is first something to receive; None when the time is up."""
        while True:
            try:
                return self._socket.send(data)
            except BlockingIOError:
                events = _wait(self._socket, select.POLLOUT | select.POLLIN, deadline)
                if not events:
                    return None
                if events & select.POLLIN:
                    return 0

    def send(self, data: bytes, deadline: Deadline) -> bool:
        """True when all is handed to the kernel, False when the time is up. Raises `ConnectionError`."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                if not _wait(self._socket, select.POLLOUT, deadline):
                    return False
        return True

    def close(self) -> None:
        self._socket.close()


def resolve(host: str, port: int) -> list[str]:
    """Every address of the name, in the resolver's order, as the operating system answers."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def resolve_within(host: str, port: int, deadline: Deadline, resolver: Resolver = resolve) -> tuple[Address, ...]:
    """Every address of the name. Raises `ResolveFailed`.

    The operating system's resolver cannot be interrupted, so it works in a thread that may be left behind.
    """
    answers: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(resolver(host, port))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    literal = _as_address(host)
    if literal is not None:
        return (literal,)
    threading.Thread(target=work, daemon=True, name="resolve").start()
    try:
        answer = answers.get(timeout=deadline.left)
    except queue.Empty:
        raise ResolveFailed(f"The name {host} was not resolved in time.") from None
    if isinstance(answer, OSError) or not answer:
        raise ResolveFailed(f"The name {host} has no address.")
    return tuple(ip_address(text) for text in answer)


def connect(addresses: Sequence[Address], port: int, deadline: Deadline) -> tuple[Wire, Address]:
    """Connect to the first address that answers. Raises `ConnectFailed` with the last failure."""
    failure = Failure.UNREACHABLE
    tried = list(addresses[:MAX_ADDRESSES])
    for index, address in enumerate(tried):
        share = deadline.or_sooner(deadline.left / (len(tried) - index))
        try:
            return _connect_one(address, port, share), address
        except OSError as error:
            failure = _failure_of(error)
    raise ConnectFailed(_CONNECT_WORDS[failure], failure=failure)


def authority(address: Address, port: int) -> str:
    """`address:port`, with brackets around an IPv6 address."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def connect_to_proxy(host: str, port: int, deadline: Deadline) -> Wire:
    """Connect to the operator's proxy. Raises `ConnectFailed`."""
    try:
        return connect(resolve_within(host, port, deadline), port, deadline)[0]
    except (ConnectFailed, ResolveFailed):
        raise _proxy_failed("The proxy cannot be reached.", Failure.PROXY_UNREACHABLE) from None


def connect_through_proxy(
    proxy: tuple[str, int], addresses: Sequence[Address], port: int, deadline: Deadline
) -> tuple[Wire, Address]:
    """A tunnel to the first address that the proxy reaches: it may have no IPv6. Raises `ConnectFailed`."""
    refused = _proxy_failed("The proxy was given no address.", Failure.PROXY_REFUSED)
    for address in addresses[:MAX_ADDRESSES]:
        wire = connect_to_proxy(*proxy, deadline)
        started = time.monotonic()
        try:
            open_tunnel(wire, authority(address, port), deadline)
        except ConnectFailed as failed:
            if failed.failure != Failure.PROXY_REFUSED:
                raise
            refused = failed
            continue
        wire.rtt_s += time.monotonic() - started
        return wire, address
    raise refused


def open_tunnel(wire: Wire, where: str, deadline: Deadline) -> None:
    """Ask an HTTP proxy for a tunnel (RFC 9110, 9.3.6). Raises `ConnectFailed`; then the wire is closed."""
    try:
        _ask_for_tunnel(wire, where, deadline)
    except ConnectFailed:
        wire.close()
        raise


def _ask_for_tunnel(wire: Wire, where: str, deadline: Deadline) -> None:
    machine = h11.Connection(h11.CLIENT)
    request = machine.send(h11.Request(method="CONNECT", target=where, headers=[("Host", where)]))
    try:
        if not wire.send(request or b"", deadline):
            raise _proxy_failed("The proxy does not take the request.", Failure.PROXY_UNREACHABLE)
        while True:
            event = machine.next_event()
            if event is h11.NEED_DATA:
                # One byte at a time: what follows the answer belongs to the tunnel.
                data = wire.receive(deadline, 1) if deadline.left else None
                if data is None:
                    raise _proxy_failed("The proxy does not answer.", Failure.PROXY_UNREACHABLE)
                if wire.received > MAX_PROXY_HEAD:
                    raise _proxy_failed("The proxy’s answer is too long.", Failure.PROXY_REFUSED)
                machine.receive_data(data)
            elif isinstance(event, h11.Response):
                if not 200 <= event.status_code < 300:
                    raise _proxy_failed(f"The proxy answered {event.status_code}.", Failure.PROXY_REFUSED)
                return
            elif not isinstance(event, h11.InformationalResponse):
                raise _proxy_failed("The proxy closed the connection.", Failure.PROXY_REFUSED)
    except h11.RemoteProtocolError:
        raise _proxy_failed("The proxy does not speak HTTP.", Failure.PROXY_REFUSED) from None
    except OSError:
        raise _proxy_failed("The proxy closed the connection.", Failure.PROXY_REFUSED) from None


_CONNECT_WORDS = {
    Failure.REFUSED: "Nothing listens on this port: the connection was refused.",
    Failure.TIMEOUT: "The server did not answer in time.",
    Failure.UNREACHABLE: "There is no way to the server.",
    Failure.RESET: "The connection was reset.",
}


def _proxy_failed(text: str, failure: Failure) -> ConnectFailed:
    return ConnectFailed(text, failure=failure, phase="proxy")


def _connect_one(address: Address, port: int, deadline: Deadline) -> Wire:
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    fresh = socket.socket(family, socket.SOCK_STREAM)
    try:
        fresh.settimeout(0)
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.monotonic()
        code = fresh.connect_ex((str(address), port))
        if code == errno.EINPROGRESS:
            if not _wait(fresh, select.POLLOUT, deadline):
                raise TimeoutError
            code = fresh.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "connect failed")
        return Wire(fresh, rtt_s=time.monotonic() - started)
    except OSError:
        fresh.close()
        raise


def _wait(waiting: socket.socket, event: int, deadline: Deadline) -> int:
    """The events that came about, 0 when the time is up."""
    poll = select.poll()
    poll.register(waiting, event)
    left = deadline.left
    found = poll.poll(left * 1000) if left > 0 else []
    return found[0][1] if found else 0


def _failure_of(error: OSError) -> Failure:
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return Failure.TIMEOUT
    if error.errno == errno.ECONNREFUSED:
        return Failure.REFUSED
    return Failure.RESET if error.errno == errno.ECONNRESET else Failure.UNREACHABLE


def _as_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
