"""Ray Data: ray.py DIRECTORY-OF-WEBDATASET_DATASOURCE. Only its functions that read and group members are run."""
import ast
import sys

import common

with open(sys.argv[1] + "/webdataset_datasource.py") as f:
    tree = ast.parse(f.read())
tree.body = [
    n for n in tree.body
    if isinstance(n, (ast.Import, ast.FunctionDef)) and getattr(n, "name", "") != "_make_iterable"
    and not (isinstance(n, ast.Import) and n.names[0].name == "ray")
    or isinstance(n, ast.ImportFrom) and n.module in ("typing", "functools")
]
source = {}
exec(compile(tree, "webdataset_datasource.py", "exec"), source)


def read(files):
    for name in files:
        with open(name, "rb") as f:
            members = source["_tar_file_iterator"](f)
            for found in source["_group_by_keys"](members, meta={"__url__": name}):
                yield common.of_dict(found)


common.main(read)
