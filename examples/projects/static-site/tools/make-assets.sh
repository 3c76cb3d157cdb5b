#!/bin/sh
# Placeholder photos and downloads: right sizes, random content (so that they do not compress, as real ones).
set -e
dir=$1
mkdir -p "$dir/photos" "$dir/thumbs" "$dir/downloads"

blob() { # kilobytes file
	dd if=/dev/urandom of="$2" bs=1024 count="$1" 2>/dev/null
}

i=1
while [ $i -le 24 ]; do
	n=$(printf %02d $i)
	blob $((4 + i % 9)) "$dir/thumbs/ship-$n.jpg"
	blob $((60 + i * i)) "$dir/photos/ship-$n.jpg"
	i=$((i + 1))
done
blob 1 "$dir/favicon.ico"
blob 180 "$dir/downloads/opening-hours.pdf"
blob 820 "$dir/downloads/school-pack.zip"
blob 1400 "$dir/downloads/harbour-map.pdf"
blob 2048 "$dir/downloads/annual-report.pdf"
chmod -R a+rX "$dir"
