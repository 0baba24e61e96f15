"""Megatron-Energon: energon.py SOURCES [mount]. A dataset is prepared as by `energon prepare`, and then read as its loader reads
it, or listed and opened as the kernel does in its mount. Of its modules only those that read tars and indexes are run; paths and YAML, for
which it needs packages of others, are replaced."""
import errno
import importlib
import json
import os
import pathlib
import sys
import types

import yaml

import common

sources = sys.argv[1] + "/src"
mount = "mount" in sys.argv[2:]


class EPath(pathlib.PosixPath):
    """The methods of its paths that are used, for local files."""

    def is_local(self):
        return True

    def local_path(self):
        return pathlib.Path(self)

    def relpath(self):
        return str(self)

    @property
    def url(self):
        return str(self)

    def move(self, target):
        self.rename(target)

    def size(self):
        return self.stat().st_size

    def open(self, mode="r", block_size=None):
        return super().open(mode)


def module(name, **contents):
    m = types.ModuleType(name)
    m.__dict__.update(contents)
    m.__path__ = [sources + "/" + name.replace(".", "/")]
    sys.modules[name] = m


module("megatron")
module("megatron.energon", __version__="bef8be2")
module("megatron.energon.epathlib", EPath=EPath)
module("megatron.energon.eyaml", load_yaml=yaml.safe_load, load_yaml_json=lambda path: yaml.safe_load(path.read_bytes()))
module("megatron.energon.flavors")
module("megatron.energon.flavors.webdataset")
module("megatron.energon.media")
module("megatron.energon.media.extractor", MediaFilterConfig=None)
module("megatron.energon.media.metadata", serialize_media_metadata=None)
module("filelock", FileLock=None)
prepare = importlib.import_module("megatron.energon.flavors.webdataset.prepare")
readers = importlib.import_module("megatron.energon.flavors.webdataset.itar_reader")
structs = importlib.import_module("megatron.energon.flavors.webdataset.structs")


class Stand:
    """A class of its cache that is not used."""

    def __class_getitem__(cls, _):
        return cls


if mount:
    module("megatron.energon.cache")
    module("megatron.energon.tools")
    module("megatron.energon.cache.base", FileStore=Stand, FileStoreDecoder=None, FileStoreWrapper=Stand)
    module("megatron.energon.flavors.jsonl")
    module("megatron.energon.flavors.jsonl.ijsonl_reader", IJsonlReader=type("IJsonlReader", (), {}))
    sys.modules["megatron.energon.media.metadata"].MediaMetadataBase = None
    sys.modules["megatron.energon.media.metadata"].deserialize_media_metadata = None
    module("mfusepy", FUSE=None, FuseOSError=OSError, Operations=object)
    tool = importlib.import_module("megatron.energon.tools.mount")


def fields(found):
    data = found if isinstance(found, dict) else vars(found)
    return [(k, v) for k, v in data.items() if isinstance(v, bytes)]


def read(files):
    base = EPath(os.getcwd())
    prepare.WebdatasetPreparator.prepare_dataset(
        base, files, split_parts_ratio=[("train", 1.0)], workers=1, shuffle_seed=None)
    if mount:
        served = tool.EnergonFS(base)
        names = list(served.readdir("/"))[2:]
        if any("/" in name or len(os.fsencode(name)) > 1024 for name in names):
            raise OSError(errno.EIO, "ls of the mountpoint")  # by the kernel
        for name in names:
            size = served.getattr("/" + name)["st_size"]
            served.open("/" + name)
            yield common.member(name, served.read("/" + name, size, 0))
        return
    with open(".nv-meta/.info.json") as f:
        counts = json.load(f)["shard_counts"]
    shards = [structs.ShardInfo(name=name, path=base / name, count=count) for name, count in counts.items()]
    loader = readers.ShardInfosITarReader(base, shards)
    for i in range(len(loader)):
        found = loader[i]
        yield common.sample(found["__key__"] if isinstance(found, dict) else found.__key__, fields(found))


common.main(read, "members" if mount else "samples")
