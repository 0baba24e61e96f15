"""What the adapters share. An adapter reads shards from standard input, one JSON object a line, {"shard", "dir", "files"},
and prints for each what its reader finds, in the format of ../../answers.jsonl without digest and readers.

It runs in the directory of a shard, so that names of files are short and the same on every machine."""
import hashlib
import json
import os
import re
import signal
import sys


def latin(name):
    """A string with a character for each byte of a name."""
    if isinstance(name, str):
        name = name.encode("utf-8", "surrogateescape")
    return name.decode("latin-1")


def digest(content):
    return hashlib.sha256(content).hexdigest()[:8]


def member(name, content):
    return [latin(name), digest(content)]


def sample(key, fields):
    """A sample of a key and pairs of extension and content, in order of extensions."""
    return [latin(key), sorted(member(ext, content) for ext, content in fields)]


def of_dict(found, key="__key__"):
    """The sample in a dictionary whose members are bytes; what the reader itself adds is text."""
    return sample(found[key], [(k, v) for k, v in found.items() if isinstance(v, (bytes, bytearray))])


def described(error):
    text = "%s: %s" % (type(error).__name__, error)
    text = text.replace(os.getcwd() + "/", "").replace(os.path.expanduser("~"), "~")
    text = re.sub(r"0x[0-9a-f]+", "0x", re.sub(r"/tmp/[^ '\"]*", "/tmp", text))
    text = text.encode("utf-8", "backslashreplace").decode()
    text = "".join(c if c.isprintable() else " " for c in text)
    return text[:100]


class Hangs(Exception):
    pass


def stop(*_):
    raise Hangs("no answer in 60 s")


def main(read, form="samples"):
    """Answers with read(files), which yields samples or members, for each shard."""
    signal.signal(signal.SIGALRM, stop)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # readers print
    for line in sys.stdin:
        shard = json.loads(line)
        os.chdir(shard["dir"])
        found, answer = [], {"shard": shard["shard"]}
        signal.alarm(60)
        try:
            for x in read(shard["files"]):
                found.append(x)
        except (Exception, SystemExit) as error:
            answer["error"] = described(error)
        signal.alarm(0)
        answer[form] = found
        out.write(json.dumps(answer) + "\n")
        out.flush()
