"""A small DNS client, and a server that tells what a test wants told. Names and addresses only."""
import ipaddress
import socket
import struct
import threading

TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "TXT": 16, "AAAA": 28, "ANY": 255}
CODES = {0: "ok", 1: "format", 2: "failed", 3: "unknown", 4: "not built", 5: "refused"}


def pack_name(name):
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def unpack_name(message, at):
    labels, end = [], None
    while True:
        length = message[at]
        if length >= 0xc0:
            end = end or at + 2
            at = struct.unpack_from(">H", message, at)[0] & 0x3fff
        elif length == 0:
            return ".".join(labels), end or at + 1
        else:
            labels.append(message[at + 1:at + 1 + length].decode())
            at += 1 + length


def pack_value(kind, value):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    if kind == "TXT":
        return b"".join(bytes([len(value[at:at + 255])]) + value[at:at + 255].encode() for at in range(0, len(value), 255))
    return pack_name(value)


class Answer:
    """`code`: a word of CODES; `records`: (name, type, seconds, value); `addresses`: those of A and AAAA."""

    def __init__(self, message):
        self.id, flags, questions, answers = struct.unpack_from(">HHHH", message)
        self.code, self.truncated = CODES[flags & 15], bool(flags & 0x200)
        at, self.records, self.size = 12, [], len(message)
        for _ in range(questions):
            _, at = unpack_name(message, at)
            at += 4
        names = {number: kind for kind, number in TYPES.items()}
        for _ in range(answers):
            name, at = unpack_name(message, at)
            number, _, seconds, length = struct.unpack_from(">HHIH", message, at)
            at += 10
            kind, data = names.get(number, str(number)), message[at:at + length]
            if kind in ("A", "AAAA"):
                data = str(ipaddress.ip_address(data))
            elif kind in ("CNAME", "PTR"):
                data = unpack_name(message, at)[0]
            self.records.append((name, kind, seconds, data))
            at += length

    @property
    def addresses(self):
        return [data for _, kind, _, data in self.records if kind in ("A", "AAAA")]

    def __repr__(self):
        return "%s %s" % (self.code, self.records)


def question(number, name, kind="A"):
    return struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + pack_name(name) + struct.pack(">HH", TYPES[kind], 1)


def ask(net, server, name, kind="A", protocol="udp", timeout=3.0, port=53, room=0, source=0):
    """An Answer, or "refused", "timeout", "unreachable" as with Net.ask(), or "closed". ROOM: how large a datagram may be, by EDNS.
    SOURCE: the port it is asked from."""
    query = question(0x1234, name, kind)
    if room:
        query = query[:10] + b"\0\1" + query[12:] + b"\0" + struct.pack(">HHIH", 41, room, 0, 0)
    one, place = net.socket(protocol, server, port)
    with one:
        one.settimeout(timeout)
        try:
            if source:
                one.bind(("", source))
            one.connect(place)
            if protocol == "udp":
                one.send(query)
                return Answer(one.recv(65535))
            one.sendall(struct.pack(">H", len(query)) + query)
            stream = one.makefile("rb")
            length = stream.read(2)
            return Answer(stream.read(struct.unpack(">H", length)[0])) if length else "closed"
        except ConnectionRefusedError:
            return "refused"
        except (TimeoutError, socket.timeout):
            return "timeout"
        except OSError as error:
            return "unreachable" if error.errno in (101, 113, 1, 13) else str(error)


class Server:
    """Answers what RECORDS tells: {name: [(type, seconds, value), ...]}; other names are unknown. `asked`: all (name, type).

    It ends with NET, a network.Net."""

    def __init__(self, net, address, records, port=53):
        self.records, self.asked, self.net = records, [], net
        net.servers.append(self)
        self.sockets = []
        for protocol in ("udp", "tcp"):
            one, place = net.socket(protocol, address, port, listen=True)
            one.bind(place)
            if protocol == "tcp":
                one.listen(16)
            self.sockets.append(one)
        self.threads = [threading.Thread(target=target, args=(one,), daemon=True)
                        for target, one in zip((self._datagrams, self._streams), self.sockets)]
        for thread in self.threads:
            thread.start()

    def answer(self, query, room):
        name, end = unpack_name(query, 12)
        number = struct.unpack_from(">H", query, end)[0]
        kind = next((word for word, value in TYPES.items() if value == number), str(number))
        self.asked.append((name.lower(), kind))
        found, records = self.records.get(name.lower()), []
        alias, place = found, b"\xc0\x0c"
        while alias and alias[0][0] == "CNAME":
            target = alias[0][2]
            data = pack_name(target)
            records.append(place + struct.pack(">HHIH", TYPES["CNAME"], 1, alias[0][1], len(data)) + data)
            alias, place = self.records.get(target.lower(), []), pack_name(target)
        for each, seconds, value in alias or []:
            if each == kind:
                data = pack_value(each, value)
                records.append(place + struct.pack(">HHIH", TYPES[each], 1, seconds, len(data)) + data)
        body = query[12:end + 4] + b"".join(records)
        cut = len(body) + 12 > room
        flags = 0x8180 | (0x200 if cut else 0) | (3 if found is None else 0)
        return query[:2] + struct.pack(">HHHHH", flags, 1, 0 if cut else len(records), 0, 0) + (query[12:end + 4] if cut else body)

    def _datagrams(self, one):
        while True:
            try:
                query, peer = one.recvfrom(4096)
                if not query:
                    return
                one.sendto(self.answer(query, 512), peer)
            except OSError:
                return

    def _streams(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                stream = connection.makefile("rwb")
                query = stream.read(struct.unpack(">H", stream.read(2))[0])
                answer = self.answer(query, 65535)
                stream.write(struct.pack(">H", len(answer)) + answer)
                stream.flush()

    def close(self):
        datagrams, listener = self.sockets
        with self.net.inside(), socket.socket(datagrams.family, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", datagrams.getsockname())
        listener.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
        for one in self.sockets:
            one.close()
