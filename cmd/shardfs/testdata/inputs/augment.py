import os

with open("sample.augmented", "w") as f:
    f.write(os.environ["SAMPLE_KEY"])
