"""WebDataset: webdataset_.py SOURCES [cache|decode]. The cache is for remote shards, here gs://bucket/PATH, of which only the
transport is replaced."""
import os
import sys

sys.path.insert(0, os.path.join(sys.argv[1], "src"))
import common  # noqa: E402
import webdataset  # noqa: E402

mode = sys.argv[2] if len(sys.argv) > 2 else ""


def read(files):
    options = {"shardshuffle": False, "empty_check": True}
    if mode == "cache":
        os.mkdir("cache")
        options["cache_dir"] = "cache"
        sys.modules["webdataset.gopen"].gopen_schemes["gs"] = lambda url, *_: open(url[len("gs://bucket/"):], "rb")
        files = ["gs://bucket/" + name for name in files]
    dataset = webdataset.WebDataset(files[0] if len(files) == 1 else files, **options)
    if mode == "decode":
        raw = []
        for _ in dataset.map(lambda found: raw.append(dict(found)) or found).decode():
            yield common.of_dict(raw.pop())
        return
    for found in dataset:
        yield common.of_dict(found)


common.main(read)
