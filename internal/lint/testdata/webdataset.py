"""What WebDataset makes of shards, by the rule that it publishes: a JSON object a shard.

python3 webdataset.py SHARD...

skipped and refused are names of members, returned are names of members that begin a sample whose key was there before.
"""

import json
import re
import sys
import tarfile

GROUPING = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")
META = re.compile(r"__[^/]*__($|/)")


def group(shard):
    samples, skipped, refused, returned = 0, [], [], []
    key, fields, seen = None, {}, set()
    for member in tarfile.open(shard, "r|*"):
        name = member.name
        if not member.isreg():
            continue
        match = GROUPING.match(name)
        if META.match(name) or not match:
            skipped.append(name)
            continue
        if match[1] != key:
            key, fields = match[1], {"__key__", "__url__"}
            samples += 1
            if key in seen:
                returned.append(name)
            seen.add(key)
        extension = match[2].lower()
        if extension in fields:
            refused.append(name)
        fields.add(extension)
    return {"samples": samples, "skipped": skipped, "refused": refused, "returned": returned}


for shard in sys.argv[1:]:
    print(json.dumps(group(shard)))
