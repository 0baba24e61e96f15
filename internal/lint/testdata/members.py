"""What Python's tarfile finds in tars: a JSON array a tar, of [name in hexadecimal, regular, size], at last "fails" if it does.

python3 members.py TAR...
"""

import json
import sys
import tarfile

for shard in sys.argv[1:]:
    found = []
    try:
        for m in tarfile.open(shard, "r|*", errors="surrogateescape", encoding="utf-8"):
            found.append([m.name.encode("utf-8", "surrogateescape").hex(), m.isreg(), m.size])
    except Exception:
        found.append("fails")
    print(json.dumps(found))
