#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ipfix.sh EXPORT-IPFIX SLUICE OFFICE-PCAP: flows are written, read by ipfixDump, and compared with what stands in ipfix.c,
# and with sums made by hand for the example capture.
command -v ipfixDump >/dev/null || { echo "ipfixDump is not there (Debian: libfixbuf-tools)"; exit 77; }
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
"$1" "$folder/a.ipfix"
status=$?
[ $status = 0 ] || exit $status
TZ=UTC ipfixDump --in "$folder/a.ipfix" >"$folder/text" || exit 1
bad=0
expect() { # text, how often
    n=$(grep -c -F -e "$1" "$folder/text")
    [ "$n" = "$2" ] || { echo "'$1': $n times instead of $2"; bad=1; }
}
expect 'flowStartMilliseconds : 2023-11-14 22:13:20.123' 2001 # date -u -d @1700000000
expect 'flowEndMilliseconds : 2023-11-14 22:13:21.500' 2001
expect ' octetTotalCount : 1234567890123' 2001
expect ' packetTotalCount : 12' 2001
expect 'reverseOctetTotalCount : 4321' 2001
expect 'reversePacketTotalCount : 34' 2001
expect 'flowId : 18446744073709551615' 1
expect 'sourceTransportPort : 40000' 2001
expect 'destinationTransportPort : 443' 2001
expect ' tcpControlBits : 27' 2001
expect 'reverseTcpControlBits : 18' 2001
expect 'protocolIdentifier : 6' 2001
expect 'flowEndReason : 3' 2001
expect 'sourceIPv4Address : 192.0.2.1' 2001
expect 'destinationIPv4Address : 198.51.100.7' 2001
expect 'sourceIPv6Address : 2001:0db8::0001' 1
expect 'destinationIPv6Address : 2001:0db8::0002' 1
expect 'protocolIdentifier : 17' 1
expect 'flowEndReason : 1' 1
expect 'paddingOctets' 0
expect 'export time: 2023-11-14 22:13:21' 1 # the templates
expect 'export time: 2023-11-14 22:13:22' 3 # the latest end
expect '2002 Data Records' 1
"$1" "$folder/b.ipfix" && cmp "$folder/a.ipfix" "$folder/b.ipfix" || bad=1

# Five packets from 49156 to 2181: 212 bytes of IP and TCP headers, 4 of payload, and the frames 5 * 14 more.
"$2" flows "$3" -q -f ipfix -o "$folder/office.ipfix" || exit 1
ipfixDump --in "$folder/office.ipfix" | grep -B 8 'sourceTransportPort : 49156' | grep -F -q ' octetTotalCount : 216' ||
    { echo "octetTotalCount of 49156 -> 2181 is not 216"; bad=1; }
grep -q '"element": 85' "$folder/office.ipfix.schema.json" || { echo "the schema file does not tell of element 85"; bad=1; }
exit $bad
