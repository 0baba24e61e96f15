import os, sys

for sample in sys.argv[1:]:
    os.rename(os.path.join(sample, "sample.jpg"), os.path.join(sample, "sample.picture"))
