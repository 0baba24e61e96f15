"""wids: wids_.py SOURCES."""
import sys

sys.path.insert(0, sys.argv[1])
import common  # noqa: E402
from wids import wids  # noqa: E402


def read(files):
    for name in files:
        samples = wids.IndexedTarSamples(path=name)
        for i in range(len(samples)):
            found = samples[i]
            yield common.sample(found["__key__"], [
                (k[1:] if k.startswith(".") else k, v.getvalue() if hasattr(v, "getvalue") else v)
                for k, v in found.items() if not isinstance(v, str)])


common.main(read)
