#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the small captures of this folder, always the same bytes.

usage: make.py FOLDER

office.pcap    a web shop of six services at work for half a minute: DNS, HTTP, TLS, PostgreSQL, Redis, ZooKeeper, NTP,
               ICMP, one connection that is refused and one that nobody answers; the first 256 bytes of each packet
evening.pcap   the same shop later: fewer visitors, larger pages, hardly any database
office.csv     the label book of both: who is behind which address

Nothing here was recorded. Conversations are written down below as lists of who says what; TCP is put around them with
handshakes, acknowledgements, retransmissions and all checksums right. docs/flows.md uses these files, and so do tests.
"""
import ipaddress
import os
import random
import struct
import sys

SNAPLEN = 256
BASE_US = 1700000000_000000  # Tue 2023-11-14 22:13:20 UTC
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MSS = 1448
HOSTS = {  # name: address, service, image, class, role
    'visitor-1': ('10.0.0.11', 'visitor', 'python:3.11', 'other', 'client'),
    'visitor-2': ('10.0.0.12', 'visitor', 'python:3.11', 'other', 'client'),
    'visitor-3': ('10.0.0.13', 'visitor', 'python:3.11', 'other', 'client'),
    'front': ('10.0.1.20', 'front', 'nginx:1.22', 'web', 'both'),
    'app': ('10.0.1.21', 'app', 'python:3.11', 'web', 'both'),
    'db': ('10.0.1.30', 'db', 'postgres:15', 'database', 'server'),
    'cache': ('10.0.1.31', 'cache', 'redis:7', 'cache', 'server'),
    'zk': ('10.0.1.32', 'zk', 'zookeeper:3.8', 'database', 'server'),
    'dns': ('10.0.1.2', 'dns', 'coredns:1.10', 'dns', 'server'),
    'front6': ('fd00::20', 'front', 'nginx:1.22', 'web', 'server'),
    'visitor6': ('fd00::11', 'visitor', 'python:3.11', 'other', 'client'),
}


def ones_sum(b):
    s = sum(struct.unpack('!%dH' % (len(b) // 2), b[:len(b) & ~1])) + (b[-1] << 8 if len(b) & 1 else 0)
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


class Capture:
    def __init__(self, seed):
        self.frames, self.rng, self.port, self.ident = [], random.Random(seed), 49152, 0

    def u(self, low, high):  # a number from low to below high; random() is the same in all versions of Python
        return low + int(self.rng.random() * (high - low))

    def ip(self, t, src, dst, proto, l4, at=None):
        """at: where the L4 checksum stands."""
        a, b = (ipaddress.ip_address(HOSTS[x][0]) for x in (src, dst))
        if at is not None:
            pseudo = b'' if proto == 1 else a.packed + b.packed + (
                struct.pack('!BBH', 0, proto, len(l4)) if a.version == 4 else struct.pack('!II', len(l4), proto))
            l4 = l4[:at] + struct.pack('!H', ones_sum(pseudo + l4) or 0xffff) + l4[at + 2:]
        if a.version == 4:
            self.ident += 1
            h = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(l4), self.ident, 0x4000, 64, proto, 0) + a.packed + b.packed
            packet, kind = h[:10] + struct.pack('!H', ones_sum(h)) + h[12:] + l4, 0x0800
        else:
            packet, kind = struct.pack('!IHBB', 6 << 28, len(l4), proto, 64) + a.packed + b.packed + l4, 0x86dd
        macs = [bytes([2, 0, 0, 0, 0, 1 + list(HOSTS).index(x)]) for x in (dst, src)]
        self.frames.append((t, b''.join(macs) + struct.pack('!H', kind) + packet))

    def udp(self, t, src, sport, dst, dport, body):
        self.ip(t, src, dst, 17, struct.pack('!HHHH', sport, dport, 8 + len(body), 0) + body, 6)

    def echo(self, t, src, dst, ident, number):
        for kind, a, b, dt in ((8, src, dst, 0), (0, dst, src, self.u(200, 900))):
            self.ip(t + dt, a, b, 1, struct.pack('!BBHHH', kind, 0, 0, ident, number) + bytes(48), 2)

    def tcp(self, t, client, server, port, talk, rtt=600, end='fin', lose=None):
        """talk: (who '>' or '<', bytes, thinking time in us). Gives the time at which all is over.

        lose: the number of a data segment that is sent twice. end: fin (client first), server, rst, none."""
        way = {'>': (client, server), '<': (server, client)}
        self.port += 1 + self.u(0, 7)
        ports = {'>': (self.port, port), '<': (port, self.port)}
        seq = {'>': self.u(1, 1 << 32), '<': self.u(1, 1 << 32)}
        win = {'>': 502, '<': 509}

        def send(flags, w, body=b'', options=b'', ack=True):
            o = '<' if w == '>' else '>'
            head = struct.pack('!HHIIBBHHH', *ports[w], seq[w], seq[o] if ack else 0, (5 + len(options) // 4) << 4,
                               flags, 64240 if flags & SYN else win[w], 0, 0) + options
            self.ip(t, *way[w], 6, head + body, 16)

        def step(w, n):
            seq[w] = (seq[w] + n) & 0xffffffff

        opts = bytes.fromhex('020405b40103030704020101')
        send(SYN, '>', options=opts, ack=False)
        step('>', 1)
        t += rtt
        if end == 'none':
            return t
        if end == 'refused':
            send(RST | ACK, '<')
            return t
        send(SYN | ACK, '<', options=opts)
        step('<', 1)
        t += self.u(20, 60)
        send(ACK, '>')
        segments = 0
        for who, body, think in talk:
            other = '<' if who == '>' else '>'
            t += think
            for i in range(0, len(body), MSS):
                part = body[i:i + MSS]
                send(ACK | (PSH if i + MSS >= len(body) else 0), who, part)
                if segments == lose:
                    t += 204000
                    send(ACK | PSH, who, part)
                step(who, len(part))
                segments += 1
                t += self.u(8, 30)
                if i // MSS % 2:
                    send(ACK, other)
            t += rtt // 2
            if (len(body) - 1) // MSS % 2 == 0:  # else the last segment was acknowledged with the one before it
                send(ACK, other)
        t += self.u(100, 4000)
        if end == 'rst':
            send(RST | ACK, '>')
            return t
        first, second = ('<', '>') if end == 'server' else ('>', '<')
        send(FIN | ACK, first)
        step(first, 1)
        t += rtt
        send(FIN | ACK, second)
        step(second, 1)
        t += rtt // 2
        send(ACK, first)
        return t

    def write(self, path):
        with open(path, 'wb') as f:
            f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, SNAPLEN, 1))
            for t, frame in sorted(self.frames, key=lambda x: x[0]):
                t += BASE_US
                kept = frame[:SNAPLEN]
                f.write(struct.pack('<IIII', t // 1000000, t % 1000000, len(kept), len(frame)) + kept)


# --- what is said

def name(text):
    return b''.join(bytes([len(x)]) + x.encode() for x in text.split('.')) + b'\0'


def dns(c, t, client, host, answer='10.0.1.20'):
    ident, sport = c.u(0, 65536), c.u(32768, 60000)
    question = name(host) + struct.pack('!HH', 1, 1)
    c.udp(t, client, sport, 'dns', 53, struct.pack('!HHHHHH', ident, 0x0100, 1, 0, 0, 0) + question)
    t += c.u(300, 3000)
    record = struct.pack('!HHHIH', 0xc00c, 1, 1, 60, 4) + ipaddress.ip_address(answer).packed
    c.udp(t, 'dns', 53, client, sport, struct.pack('!HHHHHH', ident, 0x8180, 1, 1, 0, 0) + question + record)
    return t


def get(path, host='shop.example'):
    return ('GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: visitor/1\r\nAccept: */*\r\n\r\n' % (path, host)).encode()


def page(n, kind='text/html'):
    return ('HTTP/1.1 200 OK\r\nServer: front\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n' % (kind, n)).encode() + b'.' * n


def extension(kind, body):
    return struct.pack('!HH', kind, len(body)) + body


def client_hello(c, host):
    h = host.encode()
    ext = (extension(0, struct.pack('!HBH', len(h) + 3, 0, len(h)) + h) +  # server name
           extension(10, bytes.fromhex('0004001d0017')) +  # groups
           extension(13, bytes.fromhex('000404030804')) +  # signature algorithms
           extension(16, bytes.fromhex('000c026832') + b'\x08http/1.1') +  # ALPN
           extension(43, bytes.fromhex('0403040303')))  # versions: 1.3, 1.2
    body = (b'\x03\x03' + bytes(c.u(0, 256) for _ in range(32)) + b'\0' + bytes.fromhex('0006130113021303') +
            b'\x01\0' + struct.pack('!H', len(ext)) + ext)
    return b'\x16\x03\x01' + struct.pack('!HB', len(body) + 4, 1) + struct.pack('!I', len(body))[1:] + body


def server_hello(c):
    ext = extension(43, b'\x03\x04') + extension(51, struct.pack('!HH', 29, 32) + bytes(32))
    body = b'\x03\x03' + bytes(c.u(0, 256) for _ in range(32)) + b'\0\x13\x01\0' + struct.pack('!H', len(ext)) + ext
    hello = b'\x16\x03\x03' + struct.pack('!HB', len(body) + 4, 2) + struct.pack('!I', len(body))[1:] + body
    return hello + b'\x14\x03\x03\0\x01\x01' + sealed(c.u(900, 1900))


def sealed(n):
    return b'\x17\x03\x03' + struct.pack('!H', n) + b'\x5a' * n


def sql(kind, body):
    return kind + struct.pack('!I', len(body) + 4) + body


def postgres(c, queries):
    start = struct.pack('!II', 8 + 21, 3 << 16) + b'user\0shop\0database\0s\0\0'
    start = struct.pack('!I', len(start)) + start[4:]
    ready = sql(b'Z', b'I')
    talk = [('>', start, 50), ('<', sql(b'R', bytes(4)) + sql(b'S', b'server_version\x0015\0') + ready, 1500)]
    for _ in range(queries):
        talk.append(('>', sql(b'Q', b'SELECT * FROM goods WHERE id = %d\0' % c.u(1, 1000)), c.u(500, 90000)))
        rows = b''.join(sql(b'D', struct.pack('!HI', 1, 60) + b'g' * 60) for _ in range(c.u(1, 12)))
        talk.append(('<', rows + sql(b'C', b'SELECT 1\0') + ready, c.u(300, 6000)))
    return talk + [('>', sql(b'X', b''), 200)]


def redis(c, commands):
    talk = []
    for _ in range(commands):
        key = b'goods:%d' % c.u(1, 1000)
        talk.append(('>', b'*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n' % (len(key), key), c.u(200, 40000)))
        n = c.u(20, 300)
        talk.append(('<', b'$%d\r\n%s\r\n' % (n, b'v' * n), c.u(40, 200)))
    return talk


def tls(c, host, pages):
    talk = [('>', client_hello(c, host), 80), ('<', server_hello(c), 900), ('>', sealed(53), 700)]
    for n in pages:
        talk += [('>', sealed(c.u(90, 300)), c.u(2000, 300000)), ('<', sealed(n), c.u(800, 9000))]
    return talk


# --- the days

def visit(c, t, who, pages, rtt=12000):
    t = dns(c, t, who, 'shop.example') + c.u(100, 900)
    talk = []
    for n in pages:
        talk += [('>', get('/goods/%d' % c.u(1, 1000)), c.u(100, 400000)), ('<', page(n), c.u(800, 30000))]
    return c.tcp(t, who, 'front', 80, talk, rtt)


def common(c):
    c.udp(200000, 'app', 123, 'dns', 123, b'\x23' + bytes(47))
    c.udp(200900, 'dns', 123, 'app', 123, b'\x24' + bytes(47))
    for i in range(4):
        c.echo(1000000 * (i + 1), 'front', 'app', 77, i)
    c.tcp(300000, 'app', 'zk', 2181, [('>', b'ruok', 100), ('<', b'imok', 300)], end='server')
    c.tcp(9000000, 'front', 'zk', 2181, [('>', b'srvr', 100), ('<', b'Zookeeper version: 3.8\nMode: standalone\n', 300)],
          end='server')
    c.tcp(2500000, 'visitor-2', 'front', 8443, [], rtt=11000, end='refused')
    for t in 4000000, 5000000, 7000000:  # nobody is there: the same SYN again
        port, state = c.port, c.rng.getstate()
        c.tcp(t, 'visitor-3', 'app', 9000, [], end='none')
        if t < 7000000:
            c.port = port
            c.rng.setstate(state)


def office():
    c = Capture(1)
    common(c)
    for i in range(6):
        t = 500000 + 4100000 * i
        visit(c, t, 'visitor-%d' % (i % 3 + 1), [c.u(400, 5000) for _ in range(1 + i % 3)])
        c.tcp(t + 60000, 'front', 'app', 8080, [('>', get('/api', 'app:8080'), 100),
                                                ('<', page(c.u(100, 900), 'application/json'), 7000)], rtt=300)
        c.tcp(t + 64000, 'app', 'db', 5432, postgres(c, 1 + i % 3), rtt=250)
        c.tcp(t + 61000, 'app', 'cache', 6379, redis(c, 2 + i % 2), rtt=200, end='rst' if i == 4 else 'fin')
    c.tcp(6300000, 'visitor-1', 'front', 443, tls(c, 'shop.example', [1800, 700]), rtt=12000)
    c.tcp(15800000, 'visitor-2', 'front', 443, tls(c, 'pay.shop.example', [600]), rtt=14000, lose=3)
    c.tcp(21000000, 'visitor6', 'front6', 80, [('>', get('/'), 300), ('<', page(2000), 5000)], rtt=9000)
    return c


def evening():
    c = Capture(2)
    common(c)
    for i in range(3):
        t = 900000 + 8700000 * i
        visit(c, t, 'visitor-%d' % (i + 1), [c.u(9000, 26000) for _ in range(2)], rtt=35000)
        c.tcp(t + 60000, 'front', 'app', 8080, [('>', get('/api', 'app:8080'), 100),
                                                ('<', page(c.u(3000, 6000), 'application/json'), 21000)], rtt=300)
        c.tcp(t + 61000, 'app', 'cache', 6379, redis(c, 4), rtt=200)
    c.tcp(11000000, 'app', 'db', 5432, postgres(c, 1), rtt=250)
    c.tcp(13000000, 'visitor-3', 'front', 443, tls(c, 'shop.example', [12000]), rtt=36000)
    return c


def book(path):
    with open(path, 'w', encoding='ascii', newline='\n') as f:
        f.write('address,from_ns,to_ns,project,service,image,class,role,statement,instance\n')
        for address, service, image, cls, role in HOSTS.values():
            f.write('%s,%d,,shop,%s,%s,%s,%s,%s,shop-1\n' % (address, BASE_US * 1000, service, image, cls, role,
                                                            '1' if cls == 'web' else ''))


def main(argv):
    if len(argv) != 2 or argv[1].startswith('-'):
        print(__doc__, file=sys.stderr)
        return 2
    office().write(os.path.join(argv[1], 'office.pcap'))
    evening().write(os.path.join(argv[1], 'evening.pcap'))
    book(os.path.join(argv[1], 'office.csv'))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
