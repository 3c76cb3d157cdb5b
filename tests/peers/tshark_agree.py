#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far `sluice flows` and tshark agree about the same captures.

usage: tshark_agree.py [--cache FOLDER] [--tunnels outer|inner] [--show N] [--explained FILE] SLUICE CAPTURE|FOLDER...

Compared are packets and bytes of each capture; the TCP, UDP and SCTP conversations (pairs of address and port, both
directions) and the packets and bytes of each direction; for TCP also retransmissions of the three kinds, segments out
of order, keep-alives, zero windows, duplicate acknowledgements, gaps and the initial round-trip time. Time-outs are set
so long that a flow ends as a stream of tshark does.

tshark runs once for each capture; what it said is kept in --cache (default: a temporary folder). It is told not to
reassemble IP fragments or TCP streams, so that each frame is judged by itself; segments quoted by ICMP errors are not
counted. Each disagreement is put under the first explanation that holds for its conversation; what is left is shown.
Status 1 if something is left, 77 if there is no tshark.
"""
import argparse
import collections
import csv
import glob
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile

FIELDS = ('frame.number frame.time_epoch frame.len frame.cap_len frame.protocols frame.encap_type eth.type vlan.id ip.src '
          'ip.dst ip.len ip.proto ip.id ip.frag_offset ip.flags.mf ipv6.src ipv6.dst ipv6.nxt ipv6.plen tcp.stream '
          'tcp.srcport tcp.dstport tcp.flags tcp.seq_raw tcp.ack_raw tcp.len tcp.hdr_len tcp.window_size_value udp.stream '
          'udp.srcport udp.dstport udp.length sctp.srcport sctp.dstport tcp.analysis.retransmission '
          'tcp.analysis.fast_retransmission tcp.analysis.spurious_retransmission tcp.analysis.out_of_order '
          'tcp.analysis.keep_alive tcp.analysis.keep_alive_ack tcp.analysis.zero_window tcp.analysis.window_full '
          'tcp.analysis.duplicate_ack tcp.analysis.lost_segment tcp.analysis.ack_lost_segment tcp.analysis.reused_ports '
          'tcp.analysis.initial_rtt tcp.analysis.ack_rtt icmp.type icmp.code').split()
AT = {name: i for i, name in enumerate(FIELDS)}
# tshark's field, our column without its direction
TCP = {'retransmission': 'tcp_retransmissions', 'fast_retransmission': 'tcp_fast_retransmissions',
       'spurious_retransmission': 'tcp_spurious_retransmissions', 'out_of_order': 'tcp_out_of_order',
       'keep_alive': 'tcp_keep_alives', 'zero_window': 'tcp_zero_windows', 'duplicate_ack': 'tcp_duplicate_acks',
       'lost_segment': 'tcp_gaps'}
COLUMNS = (['src_ip', 'src_port', 'dst_ip', 'dst_port', 'protocol', 'vlan', 'interface', 'end_reason', 'backward_stamps', 'fwd_packets', 'bwd_packets', 'fwd_bytes', 'bwd_bytes', 'initial_rtt_us'] +
           [d + '_' + name for name in TCP.values() for d in ('fwd', 'bwd')])
NUMBER = {'tcp': 6, 'udp': 17, 'sctp': 132}
LONG = ['--idle', '72h', '--active', '72h', '--closing', '72h']
SILENCE = 72 * 3600  # seconds
# What sluice opens on the way to the first IP header, by the names of tshark.
OPENED = {'eth', 'ethertype', 'vlan', 'sll', 'null', 'loop', 'raw', 'ppp', 'pppoes', 'mpls', 'wlan', 'llc', 'radiotap',
          'wlan_radio', 'wlan_aggregate', 'chdlc', 'pwethheuristic', 'pwethcw', 'pwethnocw'}
EXTENSIONS = {'ipv6.hopopts', 'ipv6.routing', 'ipv6.fraghdr', 'ipv6.dstopts', 'ah', 'ipv6.hip', 'ipv6.shim6'}


class Conversation:
    """Of either tool: what each end sent, and what might explain a difference."""

    def __init__(self):
        self.sent = collections.defaultdict(collections.Counter)  # end -> counts
        self.rtts = []
        self.parts = set()  # streams or rows
        self.marks = set()
        self.last = None  # when its last packet was seen
        # end -> packets that sluice may have to leave out, by the kind under which it counts them
        self.obstacles = collections.defaultdict(collections.Counter)


def tshark_text(capture, cache):
    path = os.path.join(cache, os.path.basename(capture) + '.tsv.gz')
    if not os.path.exists(path):
        command = ['tshark', '-n', '-r', capture, '-o', 'ip.defragment:FALSE', '-o', 'ipv6.defragment:FALSE', '-o',
                   'tcp.desegment_tcp_streams:FALSE', '-o', 'tcp.reassemble_out_of_order:FALSE', '-T', 'fields', '-E',
                   'separator=/t', '-E', 'occurrence=a', '-E', 'aggregator=,']
        for field in FIELDS:
            command += ['-e', field]
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        with gzip.open(path + '.new', 'wb') as f:
            f.write(out)
        os.rename(path + '.new', path)
    with gzip.open(path, 'rt', errors='replace') as f:
        return f.read()


def layers(protocols):
    """[(transport, its occurrence, 'ip' or 'ipv6', its occurrence, depth)] of a frame, outermost first, and the count
    of IP headers. What an ICMP error quotes is no layer of the frame."""
    seen, found, ip, depth, quoted = collections.Counter(), [], None, 0, False
    for token in protocols.split(':'):
        if quoted:
            break
        if token in ('ip', 'ipv6'):
            ip = (token, seen[token])
            depth += 1
            fresh = True
        elif token in NUMBER:
            if ip and fresh:
                found.append((token, seen[token]) + ip + (depth,))
            fresh = False
        elif token in ('icmp', 'icmpv6'):
            quoted = True
        elif token not in EXTENSIONS:
            fresh = False
        seen[token] += 1
    return found, depth


def nth(row, field, n):
    values = row[AT[field]].split(',')
    return values[n] if n < len(values) else ''


def ends_of(row, layer):
    transport, n, ip, m, _ = layer
    source = (nth(row, ip + '.src', m), nth(row, transport + '.srcport', n))
    return source, (nth(row, ip + '.dst', m), nth(row, transport + '.dstport', n))


def key_of(transport, a, b):
    return (transport,) + tuple(sorted((a, b)))


def beyond(row, layer, wire):
    """Does the IP header promise more than the frame has? tshark then takes what is there."""
    before = row[AT['frame.protocols']].split(':')
    before = before[:before.index(layer[2])]
    link = 14 * before.count('eth') + 4 * before.count('vlan') + 8 * before.count('pppoes')
    length = nth(row, 'ip.len' if layer[2] == 'ip' else 'ipv6.plen', layer[3])
    return bool(length) and int(length) + link + (40 if layer[2] == 'ipv6' else 0) > wire


def stands_before(row, layer):
    """The names of the layers in front of the IP header."""
    tokens = row[AT['frame.protocols']].split(':')
    at = [i for i, x in enumerate(tokens) if x == layer[2]]
    return tokens[:at[layer[3]]]


def impossible(row, layer):
    """Has the transport header a length that cannot be?"""
    if layer[0] == 'tcp':
        header, room = int(nth(row, 'tcp.hdr_len', layer[1]) or 0), int(nth(row, 'ip.len', layer[3]) or 0) - 20
        if header < 20 or nth(row, 'ip.flags.mf', layer[3]) in ('1', 'True'):  # it gives a first fragment no tcp.len
            return header < 20 or room < header
        return not nth(row, 'tcp.len', layer[1])
    if layer[0] == 'udp':
        return int(nth(row, 'udp.length', layer[1]) or 0) < 8
    return False


class Fragments:
    """Later fragments of IPv4 have no ports: they belong to the conversation of their first one, as in sluice."""

    def __init__(self):
        self.first = {}  # (source, destination, protocol, identification) -> (time, conversation, source)
        self.lost = collections.Counter()  # (source, destination) -> later fragments with no first one, and all of IPv6

    def note_first(self, row, now, key, source):
        if nth(row, 'ip.flags.mf', 0) in ('1', 'True'):
            self.first[self.identity(row)] = (now, key, source)

    def find(self, row, now):
        found = self.first.get(self.identity(row))
        if nth(row, 'ip.src', 0) and found and now - found[0] <= 30:
            return found[1:]
        pair = (nth(row, 'ip.src', 0), nth(row, 'ip.dst', 0))
        self.lost[pair if pair[0] else (nth(row, 'ipv6.src', 0), nth(row, 'ipv6.dst', 0))] += 1
        return None

    @staticmethod
    def identity(row):
        return tuple(nth(row, field, 0) for field in ('ip.src', 'ip.dst', 'ip.proto', 'ip.id'))


def is_later_fragment(row):
    return (nth(row, 'ip.frag_offset', 0) not in ('', '0') if row[AT['ip.src']]
            else 'ipv6.fraghdr' in row[AT['frame.protocols']].split(':'))


def by_tshark(text, tunnels):
    total, conversations = collections.Counter(), collections.defaultdict(Conversation)
    fragments = Fragments()
    clock = float('-inf')  # the latest time so far, which ends flows
    stopped = collections.Counter()  # (source, destination) of IPv6 -> packets in which tshark found no transport header
    elsewhere = set()  # TCP streams with segments at another depth than ours
    for line in text.splitlines():
        row = line.split('\t')
        if len(row) != len(FIELDS):
            continue
        wire, captured = int(row[AT['frame.len']] or 0), int(row[AT['frame.cap_len']] or 0)
        total['packets'] += 1
        total['bytes'] += wire
        total['bytes captured or on the wire'] += max(wire, captured)
        total['Ethernet'] += row[AT['frame.encap_type']] == '1'
        found, depth = layers(row[AT['frame.protocols']])
        layer = (found[0] if tunnels == 'outer' else found[-1]) if found else None
        for x in found:
            if x[0] == 'tcp' and (x != layer or tunnels == 'outer' and x[4] > 1):
                elsewhere.add(nth(row, 'tcp.stream', x[1]))
        now = float(row[AT['frame.time_epoch']] or 0)
        clock = max(clock, now)
        if not found and is_later_fragment(row):
            first = fragments.find(row, now)
            if first:
                count = conversations[first[0]].sent[first[1]]
                count['packets'] += 1
                count['bytes'] += wire
            continue
        if not found and row[AT['ipv6.src']]:
            stopped[nth(row, 'ipv6.src', 0), nth(row, 'ipv6.dst', 0)] += 1
        if not found or tunnels == 'outer' and layer[4] > 1:
            continue
        source, target = ends_of(row, layer)
        if not (source[0] and source[1] and target[1]):
            if layer[2] == 'ipv6':
                stopped[source[0], target[0]] += 1
            continue
        c = conversations[key_of(layer[0], source, target)]
        count = c.sent[source]
        count['packets'] += 1
        count['bytes'] += wire
        if not impossible(row, layer):
            fragments.note_first(row, now, key_of(layer[0], source, target), source)
        before = set(stands_before(row, layer))
        if before - OPENED:
            c.obstacles[source]['not-ip'] += 1
        c.obstacles[source]['family'] += 'null' in before
        c.obstacles[source]['cut-short'] += captured < wire
        c.obstacles[source]['bad-header'] += beyond(row, layer, wire) or impossible(row, layer)
        c.obstacles[source]['bad-link'] += 1
        if c.last is not None and clock - c.last > SILENCE:
            c.marks.add('silence')
        c.last = now
        if wire >= 0x7fffffff:
            c.marks.add('huge')
        if len(row[AT['frame.time_epoch']].partition('.')[2]) != 9 or row[AT['frame.time_epoch']].startswith('-'):
            c.marks.add('stamp')
        if row[AT['tcp.analysis.ack_lost_segment']]:
            c.marks.add('acked unseen')
        if ',' in row[AT['vlan.id']] or row[AT['vlan.id']]:
            c.marks.add('vlan ' + row[AT['vlan.id']])
        if layer[0] == 'tcp':
            c.parts.add(nth(row, 'tcp.stream', layer[1]))
            if not nth(row, 'tcp.len', layer[1]) or not nth(row, 'tcp.hdr_len', layer[1]):
                c.marks.add('not analysed')
            for name in TCP:
                count[name] += 1 if row[AT['tcp.analysis.' + name]] else 0
            rtt = row[AT['tcp.analysis.initial_rtt']].split(',')[0]
            if rtt and rtt not in c.rtts:
                c.rtts.append(rtt)
    for key, c in conversations.items():
        if c.parts & elsewhere:
            c.marks.add('shared')
    return total, conversations, {'stopped': stopped, 'lost': fragments.lost}


def by_sluice(sluice, capture, tunnels):
    """Totals, conversations; or None and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        table = os.path.join(folder, 'flows.csv')
        done = subprocess.run([sluice, 'flows', capture, '--profile', 'full', '--tunnels', tunnels, '--merge-vlans',
                               '--merge-interfaces', '--features', ','.join(COLUMNS), '--names', 'sluice', '--format', 'csv',
                               '-o', table, '--json'] + LONG, capture_output=True, text=True)
        if done.returncode != 0:
            try:
                return None, json.loads(done.stdout)['error']['message']
            except ValueError:
                return None, 'status %d: %s' % (done.returncode, done.stderr.strip())
        with open(table, newline='') as f:
            rows = list(csv.DictReader(line for line in f if not line.startswith('#')))
    conversations = collections.defaultdict(Conversation)
    names = {str(v): k for k, v in NUMBER.items()}
    for i, row in enumerate(rows):
        transport = names.get(row['protocol'])
        if not transport:
            continue
        a, b = (row['src_ip'], row['src_port']), (row['dst_ip'], row['dst_port'])
        c = conversations[key_of(transport, a, b)]
        c.parts.add(i)
        for d, end in ('fwd', a), ('bwd', b):
            c.sent[end]['packets'] += int(row[d + '_packets'])
            c.sent[end]['bytes'] += int(row[d + '_bytes'])
            for name, column in TCP.items():
                c.sent[end][name] += int(row[d + '_' + column] or 0) if transport == 'tcp' else 0
        if row['initial_rtt_us']:
            c.rtts.append(row['initial_rtt_us'])
        if int(row['backward_stamps']):
            c.marks.add('clock')
    return json.loads(done.stdout), conversations


# --- the comparison

# What a packet has to have, the kind under which sluice counts it, what to say.
LEFT_OUT = (
    ('bad-link', 'bad-link', 'left out by sluice: a link type it does not know'),
    ('not-ip', 'not-ip', 'left out by sluice: behind a header it does not open (FabricPath, PBB, MACsec, NSH, ...)'),
    ('family', 'not-ip', 'left out by sluice: a loopback header of no address family'),
    ('bad-header', 'bad-header', 'left out by sluice: a length that cannot be'),
    ('cut-short', 'cut-short', 'left out by sluice: the capture ends inside a header'),
)
SENT_ONLY = {  # packets that tshark gives no ports
    'lost': 'fragments of IPv6, or without their first: tshark gives them no ports',
    'stopped': 'tshark stops inside the IPv6 header: a jumbogram, a malformed option',
}


def explain_fewer(key, ours, theirs, kinds):
    """Packets that sluice counts under a kind of its own: no more than it says, and only such as can be of the kind."""
    fewer = {end: theirs.sent[end]['packets'] - (ours.sent[end]['packets'] if ours else 0) for end in key[1:]}
    if min(fewer.values()) < 0 or not any(fewer.values()):
        return None
    for has, kind, why in LEFT_OUT:
        if sum(fewer.values()) <= kinds[kind] and all(n <= theirs.obstacles[e][has] for e, n in fewer.items()):
            return why
    return None


def explain_more(key, ours, theirs, kinds):
    """Packets to which tshark gives no ports: no more than there are of those."""
    for which, why in SENT_ONLY.items():
        more = {(a, b): ours.sent[a]['packets'] - (theirs.sent[a]['packets'] if theirs else 0)
                for a, b in ((key[1], key[2]), (key[2], key[1]))}
        if any(more.values()) and all(0 <= n <= kinds[which][a[0], b[0]] for (a, b), n in more.items()):
            return why
    return None


def explain(key, ours, theirs, what, kinds):
    """The first thing that can make the difference, or None. kinds: what this sluice left out of the capture."""
    marks = (ours.marks if ours else set()) | (theirs.marks if theirs else set())
    if len([m for m in marks if m.startswith('vlan')]) > 1:
        return 'one conversation in several VLANs'
    if 'huge' in marks:
        return 'a length that tshark cuts at 2 GiB'
    reason = theirs and explain_fewer(key, ours, theirs, kinds) or ours and explain_more(key, ours, theirs, kinds)
    if reason or what == 'packets' or what == 'bytes' or not (ours and theirs):
        return reason
    if 'not analysed' in theirs.marks:
        return 'not analysed by tshark: a first fragment, a header cut short or of an impossible length'
    if 'shared' in marks:
        return 'one stream of tshark inside and outside of a tunnel'
    if what == 'initial rtt' and any(float(x) == 0 for x in ours.rtts):
        return 'a round-trip time of 0 is none to tshark, which takes the next ACK'
    if 'stamp' in marks:
        return 'a time stamp with more than a second of microseconds or nanoseconds'
    if 'silence' in marks and len(ours.parts) > len(theirs.parts):
        return 'a silence of more than 72 h, the longest time-out: two flows, one stream of tshark'
    if 'clock' in marks:
        return 'the clock goes back'
    if 'acked unseen' in marks and what in ('retransmission', 'fast_retransmission', 'out_of_order'):
        return "tshark's count of duplicate ACKs after the ACK of an unseen segment"
    return None


def explain_bytes(mine, total):
    if mine == total['bytes captured or on the wire']:
        return 'more captured than the wire had: sluice counts what was captured'
    if 0 < mine - total['bytes'] <= 8 * total['packets'] and not total['Ethernet']:
        return 'a pseudo header of the link that tshark does not count'
    if total['bytes'] >= 0x7fffffff:
        return 'a length that tshark cuts at 2 GiB'
    return None


def rtt_us(text):
    return round(float(text) * 1e6, 3)


class Tally:
    def __init__(self):
        self.checked, self.agreed = collections.Counter(), collections.Counter()
        self.why = collections.defaultdict(collections.Counter)
        self.left, self.explained = [], []

    def check(self, capture, what, same, told, reason=lambda: None, weight=1):
        self.checked[what] += weight
        if same:
            self.agreed[what] += weight
            return
        reason = reason()
        self.why[what][reason or 'not explained'] += 1
        line = '%s: %s: %s' % (os.path.basename(capture), what, told)
        if reason:
            self.explained.append('%s\t%s\n' % (reason, line))
        else:
            self.left.append(line)


def same_rtts(ours, theirs):
    """The same values, whatever the number of streams that had them."""
    a, b = {round(float(x), 3) for x in ours.rtts}, {rtt_us(x) for x in theirs.rtts}
    return all(any(abs(x - y) <= 0.001 for y in b) for x in a) and all(any(abs(x - y) <= 0.001 for x in a) for y in b)


def compare(tally, capture, ours, theirs, kinds):
    for key in sorted(set(ours) | set(theirs)):
        o, t = ours.get(key), theirs.get(key)
        tally.check(capture, key[0] + ' conversations', bool(o and t), '%s only with %s' % (key, 'sluice' if o else 'tshark'),
                    lambda: explain(key, o, t, key[0] + ' conversations', kinds))
        if not (o and t):
            continue
        for end in {key[1], key[2]}:
            for what in ['packets', 'bytes'] + (list(TCP) if key[0] == 'tcp' else []):
                a, b = o.sent[end][what], t.sent[end][what]
                if a == b == 0 and what in TCP:
                    tally.checked[what + ' (directions without any)'] += 1
                    tally.agreed[what + ' (directions without any)'] += 1
                    continue
                tally.check(capture, what, a == b, '%s from %s:%s: sluice %d, tshark %d' % ((key[0],) + end + (a, b)),
                            lambda: explain(key, o, t, what, kinds))
        # tshark prints it only beside another result of its analysis: where it prints none there is nothing to compare
        if t.rtts:
            tally.check(capture, 'initial rtt', same_rtts(o, t), '%s: sluice %s us, tshark %s s' % (key, o.rtts, t.rtts),
                        lambda: explain(key, o, t, 'initial rtt', kinds))


def main(argv):
    p = argparse.ArgumentParser(add_help=True, usage=__doc__.split('\n\n')[1][7:])
    p.add_argument('sluice')
    p.add_argument('captures', nargs='+')
    p.add_argument('--cache')
    p.add_argument('--tunnels', choices=['outer', 'inner'], default='outer')
    p.add_argument('--show', type=int, default=40)
    p.add_argument('--explained', help='list every disagreement that has an explanation in this file')
    args = p.parse_args(argv[1:])
    if not shutil.which('tshark'):
        print('skipped: there is no tshark')
        return 77
    captures = []
    for c in args.captures:
        captures += sorted(glob.glob(os.path.join(c, '*.pcap*'))) if os.path.isdir(c) else [c]
    tally, refused, unread, streams, rows = Tally(), [], [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        cache = args.cache or folder
        os.makedirs(cache, exist_ok=True)
        for capture in captures:
            total, theirs, known = by_tshark(tshark_text(capture, cache), args.tunnels)
            report, ours = by_sluice(args.sluice, capture, args.tunnels)
            if report is None:
                refused.append('%s: %s (tshark: %d packets)' % (os.path.basename(capture), ours[:120], total['packets']))
                continue
            if not total['packets']:
                unread.append(os.path.basename(capture))
                continue
            read = report['packets']
            tally.check(capture, 'total packets', read['read'] == total['packets'],
                        'sluice %d, tshark %d' % (read['read'], total['packets']))
            told = 'sluice %d, tshark %d' % (read['wire_bytes'], total['bytes'])
            tally.check(capture, 'total bytes', read['wire_bytes'] == total['bytes'], told,
                        lambda: explain_bytes(read['wire_bytes'], total))
            streams += sum(len(c.parts) for k, c in theirs.items() if k[0] == 'tcp')
            rows += sum(len(c.parts) for k, c in ours.items() if k[0] == 'tcp')
            compare(tally, capture, ours, theirs, dict(known, **report['packets']['kinds']))
    print('%d captures, %d refused by sluice, %d not read by tshark; TCP: %d streams of tshark, %d flows of sluice' %
          (len(captures), len(refused), len(unread), streams, rows))
    for what in tally.checked:
        wrong = tally.checked[what] - tally.agreed[what]
        print('%-46s %8d of %8d agree%s' % (what, tally.agreed[what], tally.checked[what], '' if wrong else ' (all)'))
        for reason, n in tally.why[what].most_common():
            print('        %6d  %s' % (n, reason))
    if unread:
        print('not read by tshark: ' + ', '.join(unread))
    for line in refused[:args.show]:
        print('refused: ' + line)
    for line in tally.left[:args.show]:
        print('not explained: ' + line)
    if len(tally.left) > args.show:
        print('... and %d more' % (len(tally.left) - args.show))
    if args.explained:
        with open(args.explained, 'w') as f:
            f.writelines(sorted(tally.explained))
    return 1 if tally.left else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
