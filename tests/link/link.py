#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`sluice shell` and `sluice link` on real packets, in namespaces of their own.

usage: link.py SLUICE [NAME... | --without NAME]

Needs root (77 otherwise). Expected figures are hand calculations: 20 ms each way is a round trip of 40 ms; TCP with
timestamps over full packets carries 1448 of 1538 bytes on the wire; every tenth of a thousand packets is a hundred.
"""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

SLUICE = os.path.abspath(sys.argv[1])
ME = os.path.abspath(__file__)
FAILED = []


class Skipped(Exception):
    pass


def check(ok, what):
    if not ok:
        FAILED.append(what)
        print('  not so: ' + what)


# ---- what runs inside and outside of links, started as: link.py SLUICE -- NAME ARGUMENTS

def echo(port='7'):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind(('0.0.0.0', int(port)))
    while True:
        data, who = s.recvfrom(65536)
        s.sendto(data, who)


def rtt(to, count='20', port='7', size='100', gap='0.005'):
    """Prints the round trips in seconds; one that is lost is null."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    times = []
    for i in range(int(count) + 1):  # the first wakes everybody up
        begin = time.monotonic()
        s.sendto(struct.pack('!I', i).ljust(int(size), b'x'), (to, int(port)))
        try:
            while struct.unpack('!I', s.recv(65536)[:4])[0] != i:
                pass
            times.append(time.monotonic() - begin)
        except (socket.timeout, ConnectionError):
            times.append(None)
        time.sleep(float(gap))
    print(json.dumps(times[1:]))


def burst(to, count, size='200', port='9', pause='0.0005'):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(int(count)):
        try:
            s.sendto(struct.pack('!I', i).ljust(int(size), b'x'), (to, int(port)))
        except ConnectionError:
            pass
        if float(pause):
            time.sleep(float(pause))
    time.sleep(0.5)


def collect(path, port='9'):
    """Writes the numbers of the packets that come, one on a line."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind(('0.0.0.0', int(port)))
    with open(path, 'w', buffering=1) as f:
        while True:
            f.write('%d\n' % struct.unpack('!I', s.recv(65536)[:4])[0])


def sink(path, port='5001'):
    """Takes one TCP connection; writes bytes and seconds from 1 s behind its begin."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('0.0.0.0', int(port)))
    s.listen()
    c, _ = s.accept()
    begin = time.monotonic()
    n, first, last, data = 0, None, None, b'x'
    while data:
        data = c.recv(1 << 16)
        now = time.monotonic()
        if now - begin > 1:
            if first is None:
                first = now
            elif data:
                n, last = n + len(data), now
    with open(path, 'w') as f:
        json.dump([n, (last or 0) - (first or 0)], f)


def fill(to, seconds, port='5001'):
    for _ in range(100):
        try:
            s = socket.create_connection((to, int(port)))
            break
        except OSError:
            time.sleep(0.02)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'cubic')
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        s.send(b'x' * 65536)
    s.close()
    time.sleep(0.5)


HELPERS = {f.__name__: f for f in (echo, rtt, burst, collect, sink, fill)}


def helper(name, *args):
    return ' '.join([sys.executable, ME, SLUICE, '--', name] + [str(a) for a in args])


def shell(conditions, inside, outside=None, more=(), timeout=60):
    """Runs `inside` (a text for sh) behind a link; what it printed, the status, the link's own counts."""
    with tempfile.NamedTemporaryFile(suffix='.json') as counts:
        argv = [SLUICE, 'shell'] + conditions.split() + ['-o', counts.name] + list(more)
        if outside:
            argv += ['--outside', outside]
            inside = 'sleep 0.5; ' + inside
        done = subprocess.run(argv + ['--', 'sh', '-c', inside], capture_output=True, text=True, timeout=timeout)
        text = open(counts.name).read()
        told = json.loads(text) if text else None
    if told:
        check(told['unexplained'] == 0, 'every packet is in a counter, but for %s' % told['unexplained'])
    return done.stdout, done.returncode, told, done.stderr


def near(times, seconds):
    """None is early. The quickest is what the link does; how late others are is the machine's, see bench/link."""
    least = min(t for t in times if t is not None)
    check(seconds <= least < seconds + 0.004, 'round trips of %g s: %s' % (seconds, times))


# ---- shell

def test_a_delay_is_added_to_each_direction():
    out, status, _, _ = shell('--delay 20ms', helper('rtt', '$SLUICE_SHELL_OUTSIDE'), 'exec ' + helper('echo'))
    times = json.loads(out)
    check(status == 0, 'status 0')
    check(None not in times, 'no packet is lost: %s' % times)
    near(times, 0.040)


def test_directions_have_conditions_of_their_own():
    out, _, told, _ = shell('--up-delay 5ms --down-delay 30ms', helper('rtt', '$SLUICE_SHELL_OUTSIDE', 10),
                            'exec ' + helper('echo'))
    times = json.loads(out)
    near(times, 0.035)
    check(told['up_conditions'] == {'delay': '5ms'} and told['down_conditions'] == {'delay': '30ms'},
          'conditions as asked: %s' % told)


def test_shells_are_nested():
    inner = SLUICE + " shell --delay 7ms -- sh -c '" + helper('rtt', '$OUTER', 10) + "'"
    out, status, _, err = shell('--delay 5ms', 'export OUTER=$SLUICE_SHELL_OUTSIDE; ' + inner, 'exec ' + helper('echo'))
    times = json.loads(out) if out else [0]
    check(status == 0, 'status 0, not %d: %s' % (status, err))
    near(times, 0.024)


def test_tcp_gets_the_rate_less_what_headers_take():
    with tempfile.NamedTemporaryFile() as got:
        _, status, told, _ = shell('--rate 20Mbps --delay 5ms --queue 100p', helper('fill', '$SLUICE_SHELL_OUTSIDE', 6),
                                   'exec ' + helper('sink', got.name))
        n, seconds = json.load(open(got.name))
    rate = n * 8 / seconds
    want = 20e6 * 1448 / 1538
    check(status == 0, 'status 0')
    check(abs(rate / want - 1) < 0.02, '%.3f Mbit/s of payload, not %.3f' % (rate / 1e6, want / 1e6))
    check(told['up']['queue_peak_packets'] <= 100, 'at most 100 packets wait: %s' % told['up'])


def test_every_tenth_packet_is_lost_and_no_other():
    with tempfile.NamedTemporaryFile() as got:
        _, _, told, _ = shell('--up-loss-every 10', helper('burst', '$SLUICE_SHELL_OUTSIDE', 1000),
                              'exec ' + helper('collect', got.name))
        numbers = [int(x) for x in open(got.name)]
    check(len(numbers) == 900, '900 of 1,000 packets come, not %d' % len(numbers))
    check(numbers == [i for i in range(1000) if i % 10 != 9], 'the tenth of each ten is missing')
    check(told['up']['dropped'].get('loss') == 100, '100 are counted as lost: %s' % told['up'])


def test_a_seed_loses_the_same_packets_again():
    seen = []
    for seed in ('4', '4', '5'):
        with tempfile.NamedTemporaryFile() as got:
            shell('--up-loss 20%', helper('burst', '$SLUICE_SHELL_OUTSIDE', 300), 'exec ' + helper('collect', got.name),
                  ['--seed', seed])
            seen.append(open(got.name).read())
    check(seen[0] == seen[1], 'the same seed loses the same packets')
    check(seen[0] != seen[2], 'another seed loses others')
    # 99.99 % interval of 300 packets at 20 %: 60 +- 27
    check(all(33 <= 300 - len(s.split()) <= 87 for s in seen), 'about a fifth is lost: %s' % [len(s.split()) for s in seen])


def test_the_status_is_the_commands():
    check(subprocess.run([SLUICE, 'shell', '--', 'sh', '-c', 'exit 37']).returncode == 37, 'status 37')
    check(subprocess.run([SLUICE, 'shell', '--', 'sh', '-c', 'kill -TERM $$']).returncode == 143, 'status 143')
    done = subprocess.run([SLUICE, 'shell', '--', '/nonexistent'], capture_output=True, text=True)
    check(done.returncode == 127 and 'cannot run' in done.stderr, 'status 127: %s' % done)
    done = subprocess.run([SLUICE, 'shell', '--delay', '-3ms', '--', 'true'], capture_output=True, text=True)
    check(done.returncode == 2, 'a negative delay is a usage error: %s' % done)


def left_behind():
    links = [x['ifname'] for x in json.loads(subprocess.check_output(['ip', '-j', 'link']))]
    tables = subprocess.run(['nft', 'list', 'tables'], capture_output=True, text=True).stdout.split('\n')
    return [x for x in links if x.startswith('sl')] + [x for x in tables if 'sluice' in x]


def wait_until(so, seconds=5):
    end = time.monotonic() + seconds
    while not so() and time.monotonic() < end:
        time.sleep(0.02)
    return so()


def forwarding():
    return open('/proc/sys/net/ipv4/ip_forward').read().strip()


def test_nothing_is_left_also_after_kill_9():
    subprocess.check_call('ip link add up0 type veth peer name up1 && ip address add 192.0.2.1/24 dev up0 && '
                          'ip link set up0 up && ip link set up1 up && ip route add default via 192.0.2.2', shell=True)
    before = forwarding()
    for how in (signal.SIGTERM, signal.SIGKILL):
        s = subprocess.Popen([SLUICE, 'shell', '--delay', '1ms', '--', 'sleep', '987'])
        check(wait_until(lambda: len(left_behind()) >= (2 if forwarding() == '1' else 1)), 'the link is there: %s' % left_behind())
        s.send_signal(how)
        s.wait()
        check(wait_until(lambda: not left_behind()), 'nothing is left after %s: %s' % (how.name, left_behind()))
        gone = lambda: subprocess.run(['pgrep', '-f', 'sleep 987'], capture_output=True).returncode == 1
        check(wait_until(gone), 'the command has ended after %s' % how.name)
        check(wait_until(lambda: forwarding() == before), 'forwarding is as it was after %s' % how.name)
    subprocess.check_call(['ip', 'link', 'delete', 'up0'])


def test_two_shells_share_the_hosts_forwarding():
    subprocess.check_call('ip link add up0 type veth peer name up1 && ip address add 192.0.2.1/24 dev up0 && '
                          'ip link set up0 up && ip link set up1 up && ip route add default via 192.0.2.2', shell=True)
    before = forwarding()
    first = subprocess.Popen([SLUICE, 'shell', '--', 'sleep', '986'])
    check(wait_until(lambda: len(left_behind()) == 2), 'the first is there')
    second = subprocess.Popen([SLUICE, 'shell', '--', 'sleep', '985'])
    check(wait_until(lambda: len(left_behind()) == 4), 'the second is there')
    first.terminate()
    first.wait()
    time.sleep(0.3)
    check(forwarding() == '1', 'the second still reaches the outside')
    second.terminate()
    second.wait()
    check(wait_until(lambda: forwarding() == before and not left_behind()), 'all is as it was: %s' % forwarding())
    subprocess.check_call(['ip', 'link', 'delete', 'up0'])


def test_it_runs_without_root_where_user_namespaces_are_allowed():
    nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all']
    if subprocess.run(nobody + ['unshare', '-Urn', 'true'], capture_output=True).returncode != 0:
        raise Skipped('this system allows no user namespaces')
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        # Most systems let everybody use it; a copy of our mount namespace does here, too.
        subprocess.check_call('mknod /run/tun c 10 200 && chmod 666 /run/tun && mount --bind /run/tun /dev/net/tun', shell=True)
        for name in ('sluice', 'link.py'):
            subprocess.check_call(['cp', {'sluice': SLUICE, 'link.py': ME}[name], os.path.join(d, name)])
            os.chmod(os.path.join(d, name), 0o755)
        python = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable
        run = '%s %s/link.py sluice -- ' % (python, d)
        done = subprocess.run(nobody + [d + '/sluice', 'shell', '--delay', '10ms', '--outside', 'exec ' + run + 'echo 7777',
                                        '--', 'sh', '-c', 'sleep 0.5; ' + run + 'rtt $SLUICE_SHELL_OUTSIDE 10 7777'],
                              capture_output=True, text=True, cwd='/', timeout=60)
    times = json.loads(done.stdout) if done.stdout else [0]
    check(done.returncode == 0, 'status 0: %s' % done)
    near(times, 0.020)


# ---- link serve

class Serve:
    def __init__(self, *argv):
        self.process = subprocess.Popen([SLUICE, 'link', 'serve'] + list(argv), stdout=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline()
        check(self.said.startswith('ready'), 'it says that it is ready: %r' % self.said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


def link(*argv, status=0):
    done = subprocess.run([SLUICE, 'link'] + list(argv), capture_output=True, text=True, timeout=20)
    check(done.returncode == status, 'sluice link %s: status %d: %s' % (' '.join(argv), done.returncode, done.stderr))
    return done.stdout


def namespaces():
    return [x.split()[0] for x in subprocess.check_output(['ip', 'netns'], text=True).splitlines()]


def round_trips(ns, to, count=10, **more):
    argv = ['ip', 'netns', 'exec', ns] + helper('rtt', to, count).split()
    return json.loads(subprocess.check_output(argv, text=True, timeout=60))


def test_conditions_change_while_packets_flow():
    with Serve('--link', 'h1-h2', '--make-hosts', '--delay', '5ms') as s:
        server = subprocess.Popen(['ip', 'netns', 'exec', 'h2'] + helper('echo').split())
        time.sleep(0.5)
        times = round_trips('h1', '10.64.0.2')
        near(times, 0.010)
        link('set', 'h1-h2', '--up-delay', '20ms')
        times = round_trips('h1', '10.64.0.2')
        near(times, 0.025)
        shown = json.loads(link('show', '--json'))
        check(shown['links'][0]['up']['conditions'] == {'delay': '20ms'}, 'show tells it: %s' % shown['links'][0]['up'])
        link('set', 'h1-h2', '--carrier', 'down')
        check(round_trips('h1', '10.64.0.2', 1) == [None], 'nothing passes a link that is down')
        link('reset')
        times = round_trips('h1', '10.64.0.2')
        near(times, 0.010)
        link('set', 'h1-h9', '--delay', '1ms', status=2)
        lines = [json.loads(x) for x in link('watch', '--interval', '200ms', '--count', '3', '--json').splitlines()]
        check(len(lines) == 3, 'watch prints three lines: %s' % lines)
        server.kill()
        server.wait()
        link('stop')
        check(s.process.wait(20) == 0, 'it ends with 0')
    check('h1' not in namespaces() and 'h2' not in namespaces(), 'the hosts are gone: %s' % namespaces())


def test_a_client_that_misbehaves_cannot_stop_packets():
    path = '/run/sluice/link.sock'
    with Serve('--link', 'h1-h2', '--make-hosts', '--delay', '2ms'):
        server = subprocess.Popen(['ip', 'netns', 'exec', 'h2'] + helper('echo').split())
        time.sleep(0.5)
        stop = threading.Event()

        def flood(kind):
            while not stop.is_set():
                try:
                    c = socket.socket(socket.AF_UNIX)
                    c.settimeout(0.2)
                    c.connect(path)
                    if kind == 0:
                        c.sendall(b'{"cmd":"watch","interval_s":0.001}\n')  # and never reads
                        time.sleep(0.3)
                    elif kind == 1:
                        c.sendall(b'x' * 200000)
                    elif kind == 2:
                        c.sendall(b'{"cmd":"set","link":"*","conditions":{"delay":"2ms"}}\n' * 50)
                        c.recv(65536)
                    else:
                        c.sendall(b'{"cmd":')
                    c.close()
                except OSError:
                    pass
        threads = [threading.Thread(target=flood, args=(k % 4,)) for k in range(8)]
        for t in threads:
            t.start()
        times = round_trips('h1', '10.64.0.2', 100)
        stop.set()
        for t in threads:
            t.join()
        check(None not in times and min(times) >= 0.004, 'no packet is lost or early: %s' % times)
        near(times, 0.004)
        check('delay 2ms' in link('show'), 'it answers again')
        server.kill()
        server.wait()


def test_kill_9_leaves_no_hosts():
    with Serve('--topology', 'star:5', '--make-hosts', '--delay', '1ms') as s:
        check({'h1', 'h5'} <= set(namespaces()), 'five hosts')
        s.process.kill()
        s.process.wait()
        check(wait_until(lambda: not [n for n in namespaces() if n.startswith('h')]), 'none is left: %s' % namespaces())


def test_a_device_that_is_deleted_ends_it_with_a_message():
    with tempfile.NamedTemporaryFile('w+') as said:
        p = subprocess.Popen([SLUICE, 'link', 'serve', '--link', 'h1-h2', '--make-hosts'], stdout=subprocess.PIPE, text=True,
                             stderr=said)
        p.stdout.readline()
        name = json.loads(subprocess.check_output(['ip', '-n', 'h1', '-j', 'link'], text=True))[-1]['ifname']
        subprocess.check_call(['ip', '-n', 'h1', 'link', 'delete', 'dev', name])
        status = p.wait(20)
        text = open(said.name).read()
    check(status == 1 and 'is gone' in text, 'status 1 and a reason: %d %s' % (status, text))
    check(not [n for n in namespaces() if n.startswith('h')], 'no host is left')


def test_flows_meet_where_their_ways_meet():
    """Two hosts send 8 Mbit/s each to two others, through one link of 8 Mbit/s: half of it arrives."""
    with Serve('--topology', 'dumbbell:2x2', '--make-hosts', '--core', 'rate 8Mbps queue 20p'):
        names = [n for n in namespaces() if n[0] in 'lr']
        check(sorted(names) == ['l1', 'l2', 'r1', 'r2'], 'four hosts: %s' % names)
        address = {n: json.loads(subprocess.check_output(['ip', '-n', n, '-j', '-4', 'address'], text=True)) for n in names}
        address = {n: [i['addr_info'][0]['local'] for i in a if i['ifname'] != 'lo' and i['addr_info']][0]
                   for n, a in address.items()}
        got = {n: tempfile.NamedTemporaryFile() for n in ('r1', 'r2')}
        servers = [subprocess.Popen(['ip', 'netns', 'exec', n] + helper('collect', got[n].name).split()) for n in got]
        time.sleep(0.5)
        # 1,000 bytes: 1,066 on the wire; 938 packets/s are 8 Mbit/s
        senders = [subprocess.Popen(['ip', 'netns', 'exec', a] + helper('burst', address[b], 1876, 1000, 9, 0.001066).split())
                   for a, b in (('l1', 'r1'), ('l2', 'r2'))]
        for p in senders:
            p.wait()
        for p in servers:
            p.kill()
            p.wait()
        n = [len(open(got[x].name).readlines()) for x in ('r1', 'r2')]
    check(1700 < sum(n) < 2450, 'about half of 3,752 packets: %s' % n)
    check(min(n) > 300, 'of both: %s' % n)


def main():
    if len(sys.argv) > 2 and sys.argv[2] == '--':
        return HELPERS[sys.argv[3]](*sys.argv[4:])
    if os.geteuid() != 0:
        print('skipped: namespaces need root')
        sys.exit(77)
    if not os.environ.get('LINK_TEST_INSIDE'):
        os.environ['LINK_TEST_INSIDE'] = '1'
        done = subprocess.run(['unshare', '--net', '--mount', 'sh', '-c',
                               'mount -t tmpfs link-test /run && ip link set lo up && exec "$@"', 'sh', sys.executable, ME] +
                              sys.argv[1:])
        sys.exit(done.returncode)
    if not os.path.exists('/dev/net/tun'):
        print('skipped: there is no /dev/net/tun')
        sys.exit(77)
    names = sys.argv[3:] if sys.argv[2:3] == ['--without'] else sys.argv[2:]
    tests = [(n, f) for n, f in globals().items() if n.startswith('test_') and
             (not names or (n[5:] in names) == (names == sys.argv[2:]))]
    for name, f in tests:
        before = len(FAILED)
        begin = time.monotonic()
        try:
            f()
        except Skipped as why:
            print('skipped: %s: %s' % (name[5:], why))
            if len(tests) == 1:
                sys.exit(77)
            continue
        except Exception as e:  # one test that breaks must not hide the others
            check(False, '%s: %r' % (name, e))
        print('%s %s (%.1f s)' % ('ok' if len(FAILED) == before else 'FAILED', name[5:].replace('_', ' '),
                                  time.monotonic() - begin), flush=True)
    sys.exit(1 if FAILED or not tests else 0)


if __name__ == '__main__':
    main()
