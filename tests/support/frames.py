"""Frames as no kernel would send them: whoever may open a packet socket can say anything.

    frames.send(machine, "host0", frames.ip("10.0.0.9", "10.0.0.1", frames.udp(1, 7, b"x")), to=mac)
    with frames.Listener(host, "vz-z", b"needle") as listener: ...; listener.seen
"""
import ipaddress
import select
import socket
import struct
import time

BROADCAST = "ff:ff:ff:ff:ff:ff"
ARP, IP, IP6, VLAN = 0x0806, 0x0800, 0x86dd, 0x8100
UDP, TCP, ICMP, ICMP6 = 17, 6, 1, 58


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def multicast(address):
    """The hardware address of an IPv6 multicast address."""
    return "33:33:" + ipaddress.ip_address(address).packed[-4:].hex(":")


def solicited(address):
    return "ff02::1:ff" + ipaddress.ip_address(address).packed[-3:].hex()[:2] + ":" + ipaddress.ip_address(address).packed[-2:].hex()


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


class Payload:
    """What is in an IP packet: its number, its bytes, and where in them the checksum stands."""

    def __init__(self, protocol, data, at):
        self.protocol, self.data, self.at = protocol, data, at

    def bytes(self, source, to):
        pseudo = b""
        if self.protocol != ICMP:
            pseudo = source.packed + to.packed + struct.pack(">II", len(self.data), self.protocol)
        data = bytearray(self.data)
        data[self.at:self.at + 2] = struct.pack(">H", checksum(pseudo + bytes(data)) or 0xffff)
        return bytes(data)


def udp(from_port, to_port, data=b""):
    return Payload(UDP, struct.pack(">HHHH", from_port, to_port, 8 + len(data), 0) + data, 6)


def tcp(from_port, to_port, data=b""):
    """Of a connection that nobody has seen."""
    return Payload(TCP, struct.pack(">HHIIBBHHH", from_port, to_port, 1, 1, 0x50, 0x18, 64240, 0, 0) + data, 16)


def icmp(kind, code, body, six=False):
    return Payload(ICMP6 if six else ICMP, struct.pack(">BBH", kind, code, 0) + body, 2)


def ip(source, to, payload, hops=64, extension=None):
    """(ethernet type, packet). EXTENSION: the number of an empty IPv6 extension header before the payload."""
    source, to = ipaddress.ip_address(source), ipaddress.ip_address(to)
    data = payload.bytes(source, to)
    if source.version == 6:
        number = payload.protocol
        if extension is not None:
            # PadN to fill
            data, number = bytes([number, 0, 1, 4, 0, 0, 0, 0]) + data, extension
        return IP6, struct.pack(">IHBB", 6 << 28, len(data), number, hops) + source.packed + to.packed + data
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 1, 0, hops, payload.protocol, 0) + source.packed + to.packed
    return IP, header[:10] + struct.pack(">H", checksum(header)) + header[12:] + data


def arp(sender_mac, sender, target, reply=True):
    packet = struct.pack(">HHBBH", 1, IP, 6, 4, 2 if reply else 1)
    return ARP, packet + mac(sender_mac) + socket.inet_aton(sender) + mac(BROADCAST) + socket.inet_aton(target)


def advertisement(source, to, target, target_mac):
    """A neighbour's, unasked and overriding: TARGET is at TARGET_MAC."""
    body = struct.pack(">I", 0x20000000) + ipaddress.ip_address(target).packed + b"\2\1" + mac(target_mac)
    return ip(source, to, icmp(136, 0, body, six=True), hops=255)


def router(source, prefix, source_mac):
    """A router's advertisement to all nodes."""
    body = struct.pack(">BBHII", 64, 0, 1800, 0, 0) + b"\1\1" + mac(source_mac)
    body += struct.pack(">BBBBIII", 3, 4, 64, 0xc0, 3600, 3600, 0) + ipaddress.ip_address(prefix).packed
    return ip(source, "ff02::1", icmp(134, 0, body, six=True), hops=255)


def tagged(frame, number=1):
    """The same in a VLAN's clothes."""
    kind, packet = frame
    return VLAN, struct.pack(">HH", number, kind) + packet


def send(net, link, frame, to=BROADCAST, source=None, times=1):
    """FRAME: (ethernet type, packet). SOURCE: another hardware address than the link's."""
    kind, packet = frame
    source = source or net.links()[link]["address"]
    with net.inside():
        one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with one:
        one.bind((link, 0))
        for _ in range(times):
            one.send(mac(to) + mac(source) + struct.pack(">H", kind) + packet)


class Listener:
    """Hears all frames that come in by a link and have NEEDLE in them."""

    def __init__(self, net, link, needle):
        self.needle = needle if isinstance(needle, bytes) else needle.encode()
        with net.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((link, 3))

    def heard(self, seconds):
        """Whether one came within that time."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return False
            data, place = self.socket.recvfrom(65535)
            # not what this end sends itself
            if self.needle in data and place[2] != 4:
                return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
