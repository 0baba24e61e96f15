"""torchdata: torchdata_.py SOURCES. Its load_from_tar and webdataset are run without the rest of the package."""
import importlib
import sys
import types
import warnings

import torch.utils.data as data

import common

warnings.simplefilter("ignore")
sources = sys.argv[1]
for name in ("torchdata", "torchdata.datapipes", "torchdata.datapipes.iter", "torchdata.datapipes.iter.util",
             "torchdata.datapipes.utils"):
    module = types.ModuleType(name)
    module.__path__ = [sources + "/" + name.replace(".", "/")]
    sys.modules[name] = module
sys.modules["torchdata.datapipes"].functional_datapipe = lambda *_, **__: lambda c: c
sys.modules["torchdata.datapipes.iter"].IterDataPipe = data.IterDataPipe
StreamWrapper = sys.modules["torchdata.datapipes.utils"].StreamWrapper = data.datapipes.utils.common.StreamWrapper
load = importlib.import_module("torchdata.datapipes.iter.util.tararchiveloader").TarArchiveLoaderIterDataPipe
group = importlib.import_module("torchdata.datapipes.iter.util.webdataset").WebDatasetIterDataPipe


def read(files):
    opened = [(name, StreamWrapper(open(name, "rb"))) for name in files]

    def contents():
        for path, content in load(opened):
            yield path, content.read()

    for found in group(data.datapipes.iter.IterableWrapper(contents(), deepcopy=False)):
        key = found.pop("__key__")
        for name in files:
            key = key[len(name) + 1:] if key.startswith(name + "/") else key
        yield common.sample(key, [(ext[1:], content) for ext, content in found.items()])


common.main(read)
