#!/usr/bin/env python3
# shardfs run --worker -j 8 -o out.tar train-0000.tgz -- python3 examples/worker.py
import os, sys

for line in sys.stdin:
    sample = line.rstrip("\n")
    try:
        size = os.path.getsize(os.path.join(sample, "sample.cls"))
        with open(os.path.join(sample, "sample.size"), "w") as f:
            f.write(str(size))
        print("ok", flush=True)
    except Exception as e:
        print("fail", repr(e), flush=True)
