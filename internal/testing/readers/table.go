package readers

// All returns the readers that have answered, in the order of documentation.
func All() []Reader {
	return []Reader{
		{"webdataset", "WebDataset", "1.0.2", ""},
		{"webdataset-cache", "WebDataset with cache_dir", "1.0.2", ""},
		{"webdataset-decode", "WebDataset with decode", "1.0.2", ""},
		{"python3.8", "Python's tarfile", "3.8.18", "as a stream, grouped by WebDataset's rule"},
		{"python3.9", "Python's tarfile", "3.9.18", "as a stream, grouped by WebDataset's rule"},
		{"python3.10", "Python's tarfile", "3.10.13", "as a stream, grouped by WebDataset's rule"},
		{"python3.11", "Python's tarfile", "3.11.7", "as a stream, grouped by WebDataset's rule"},
		{"python3.12", "Python's tarfile", "3.12.1", "as a stream, grouped by WebDataset's rule"},
		{"python3.13", "Python's tarfile", "3.13.0", "as a stream, grouped by WebDataset's rule"},
	}
}
