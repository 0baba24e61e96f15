"""Hugging Face datasets: huggingface.py SOURCES. Its WebDataset builder and its reader of archives are run; pyarrow, which
infers and holds the types of fields, is replaced by the few rules of it that matter here."""
import ast
import bz2
import gzip
import importlib.util
import itertools
import logging
import lzma
import os
import pathlib
import sys
import tarfile
import types

import common

sources = sys.argv[1] + "/src/datasets"


class ArrowInvalid(ValueError):
    pass


class ArrowTypeError(TypeError):
    pass


class Kept:
    """A decoded value and the bytes that it was decoded from."""

    def __init__(self, value, content):
        self.value, self.content = value, content


def kind(value):
    """The type that pyarrow infers."""
    if isinstance(value, Kept):
        value = value.value
    if value is None:
        return "null"
    if isinstance(value, str):
        value.encode()  # as pyarrow does
        return "string"
    if isinstance(value, dict):
        return {k: kind(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        merged = "null"
        for v in value:
            merged = merge(merged, kind(v), ArrowInvalid)
        return [merged]
    if hasattr(value, "dtype"):
        return [str(value.dtype)]
    return type(value).__name__


def merge(a, b, error=ArrowTypeError):
    """The type for values of two types: one of them may be null, whole numbers become real ones in lists only."""
    if a == b or b == "null":
        return a
    if a == "null":
        return b
    if isinstance(a, dict) and isinstance(b, dict):
        return {k: merge(a.get(k, "null"), b.get(k, "null"), error) for k in {**a, **b}}
    if isinstance(a, list) and isinstance(b, list):
        return [merge(a[0], b[0], error)]
    if error is ArrowInvalid and {str(a), str(b)} == {"int", "float"}:
        return "float"
    raise error("cannot mix %s and %s" % (a, b))


class Table:
    def __init__(self, schema):
        self.schema = schema

    @classmethod
    def from_pylist(cls, rows):
        for name in rows[0]:
            name.encode()
        return cls({name: kind(value) for name, value in rows[0].items()})


def concat_tables(tables, promote_options):
    schema = {}
    for t in tables:
        for name, k in t.schema.items():
            schema[name] = merge(schema.get(name, "null"), k)
    return Table(schema)


class Media:
    pass


def module(name, **contents):
    m = types.ModuleType(name)
    m.__dict__.update(contents)
    sys.modules[name] = m
    return m


def extracted(path, names, **given):
    """The functions and classes of a module, run by themselves."""
    with open(os.path.join(sources, path)) as f:
        tree = ast.parse(f.read())
    tree.body = [n for n in tree.body if getattr(n, "name", None) in names]
    exec(compile(tree, path, "exec"), given)
    return given


track = extracted("utils/track.py", ["TrackedIterableFromGenerator"], Iterable=object)
files_of = extracted(
    "utils/file_utils.py", ["ArchiveIterable", "xbasename"], tarfile=tarfile, os=os, DownloadConfig=object,
    posixpath=os.path, Path=pathlib.PurePosixPath, Optional=dict, Generator=dict,
    TrackedIterableFromGenerator=track["TrackedIterableFromGenerator"],
    xopen=lambda path, mode, **_: open(path, mode), _get_extraction_protocol=lambda *_, **__: None,
    is_local_path=lambda _: True)

module("pyarrow", Table=Table, concat_tables=concat_tables)
datasets = module(
    "datasets", GeneratorBasedBuilder=object, DatasetInfo=object, Image=type("Image", (Media,), {}),
    Audio=type("Audio", (Media,), {}), Video=type("Video", (Media,), {}), Mesh=type("Mesh", (Media,), {}),
    SplitGenerator=lambda name, gen_kwargs: gen_kwargs,
    Features=types.SimpleNamespace(from_arrow_schema=dict))
datasets.utils = types.SimpleNamespace(logging=types.SimpleNamespace(get_logger=logging.getLogger))
module("datasets.builder", Key=lambda *_: None)
module("datasets.features")
module("datasets.features.features", cast_to_python_objects=lambda x, **_: x)
module("datasets.filesystems", EXTENSION_TO_COMPRESSION_FS_FILE_CLS={
    ".bz2": bz2.BZ2File, ".gz": lambda f, mode: gzip.GzipFile(fileobj=f, mode=mode), ".xz": lzma.LZMAFile})
module("datasets.utils", file_utils=None)
module("datasets.utils.file_utils", xbasename=files_of["xbasename"])

spec = importlib.util.spec_from_file_location("builder", sources + "/packaged_modules/webdataset/webdataset.py")
builder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(builder)
WebDataset = builder.WebDataset
WebDataset.DECODERS = {
    ext: (lambda content, d=decode: Kept(d(content), content)) for ext, decode in WebDataset.DECODERS.items()}


def read(files):
    b = WebDataset()
    b.info = types.SimpleNamespace(features=None)
    b.config = types.SimpleNamespace(data_files={"train": files})
    manager = types.SimpleNamespace(
        download=lambda names: names, iter_archive=files_of["ArchiveIterable"].from_urlpath)
    split, = b._split_generators(manager)
    features = b.info.features
    for _, found in b._generate_examples(**split):
        fields = []
        for name in features:  # the writer keeps these only
            value = found[name]
            if isinstance(features[name], Media):
                value = value and value["bytes"]
            else:
                merge(features[name], kind(value))
            if isinstance(value, Kept):
                value = value.content
            if isinstance(value, bytes):
                fields.append((name, value))
        yield common.sample(found["__key__"], fields)


common.main(read)
