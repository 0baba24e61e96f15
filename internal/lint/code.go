package lint

// Severity is how serious a finding is.
type Severity uint8

const (
	Note    Severity = iota // worth knowing
	Warning                 // some reader interprets the shard differently, or has difficulties with it
	Error                   // some reader loses samples or refuses the shard
	Damage                  // the shard is damaged or cut short
)

// String returns the severity as it is printed with findings.
func (s Severity) String() string {
	return [...]string{"note", "warning", "error", "damaged"}[s]
}

// Code is a kind of finding. Codes are printed, documented and never changed.
type Code string

// The kinds of finding, from damage to errors, warnings and notes. rules describes the problem that each means for
// readers.
const (
	NotTar    Code = "not-tar"
	Truncated Code = "truncated"
	Damaged   Code = "damaged"

	DuplicateExtension Code = "duplicate-extension"
	ReservedExtension  Code = "reserved-extension"
	KeyReturns         Code = "key-returns"
	KeyInTwoShards     Code = "key-in-two-shards"
	Compression        Code = "compression"
	SeveralMembers     Code = "several-members"
	ExtraField         Code = "extra-field"
	SecondTar          Code = "second-tar"

	Cut                 Code = "cut"
	BytesAfterEnd       Code = "bytes-behind"
	Empty               Code = "empty"
	CaseCollision       Code = "case-collision"
	Hidden              Code = "hidden"
	HiddenKey           Code = "hidden-key"
	NoExtension         Code = "no-extension"
	Newline             Code = "newline"
	EmptyExtension      Code = "empty-extension"
	UnderscoreExtension Code = "underscore-extension"
	UpperCase           Code = "upper-case"
	DoubleDot           Code = "double-dot"
	DottedNames         Code = "dotted-names"
	Meta                Code = "meta"
	Directory           Code = "directory"
	Link                Code = "link"
	Special             Code = "special"
	Sparse              Code = "sparse"
	NotUTF8             Code = "not-utf8"
	NotASCII            Code = "not-ascii"
	Control             Code = "control"
	Blank               Code = "blank"
	AbsoluteName        Code = "absolute-name"
	ParentName          Code = "parent-name"
	DotName             Code = "dot-name"
	LongName            Code = "long-name"
	SlashKeys           Code = "slash-keys"
	ExtendedHeaders     Code = "extended-headers"

	Compressed Code = "compressed"
)

// Severity returns the severity of findings with this code.
func (c Code) Severity() Severity { return rules[c].severity }

// rules has the severity of each kind of finding, and the format of the sentence about which readers have which
// problem.
var rules = map[Code]struct {
	severity Severity
	sentence string
}{
	NotTar:    {Damage, "%v"},
	Truncated: {Damage, "%v"},
	Damaged:   {Damage, "%v"},

	DuplicateExtension: {Error, "the extension is in its sample twice%s: WebDataset refuses the shard, tarproc " +
		"and tarp keep the last of them"},
	ReservedExtension: {Error, "the extension is reserved: %s"},
	KeyReturns: {Error, "the key occurred before, and then another one: WebDataset makes two samples of it, " +
		"Energon and Ray refuse it"},
	KeyInTwoShards: {Error, "the key is in %s too: Energon refuses a dataset in which a key occurs twice"},
	Compression: {Error, "compressed by %s: WebDataset fails, as Python reads gzip, bzip2 and xz only (zstd as " +
		"of 3.14)"},
	SeveralMembers: {Error, "the first of several %s ends at byte %d of the plain shard: %s"},
	ExtraField: {Error, "the gzip header has an extra field, as bgzip writes it: Python's stream reader, and so " +
		"WebDataset, fails"},
	SecondTar: {Error, "another tar follows the end marker: WebDataset, like most readers, ignores it"},

	Cut: {Warning, "%v"},
	BytesAfterEnd: {Warning, "the bytes after the end are neither zeros nor a tar: most readers ignore them, but " +
		"they may be lost data"},
	Empty: {Warning, "no samples: WebDataset fails in a worker that has only this shard"},
	CaseCollision: {Warning, "the key differs from an earlier one only by case: unpacked in a file system that " +
		"ignores case, one replaces the other"},
	Hidden: {Warning, "a hidden name: it has no key, readers skip it, and tarp panics"},
	HiddenKey: {Warning, "a hidden name: WebDataset takes the directory for its key, so that hidden files " +
		"merge, and DALI skips it"},
	NoExtension: {Warning, "no extension: WebDataset, tarproc and Energon skip it, tarp makes it a sample, DALI " +
		"cuts off its last letter"},
	Newline:        {Warning, "a newline in the name: the rule of WebDataset finds no key in it, and readers skip it"},
	EmptyExtension: {Warning, "the extension is empty: an index of DALI cannot hold it"},
	UnderscoreExtension: {Warning, "the extension begins with an underscore: tarproc, tarp and WebDataset's " +
		"writer drop it"},
	UpperCase: {Warning, "the extension has upper case: WebDataset lower-cases it, tarproc does at times, " +
		"Energon and tarp do not"},
	DoubleDot: {Warning, "the key ends at the first of two dots: the second one is part of the extension"},
	DottedNames: {Warning, "one of %d different extensions among the first %d with dots: a key ends at the " +
		"first dot of the name, and may have been meant to be longer"},
	Meta:      {Note, "its name begins with a component __NAME__: WebDataset and Energon skip it"},
	Directory: {Note, "a directory: readers skip it"},
	Link:      {Warning, "a link: readers skip it, and what it points to is missing in its sample"},
	Special:   {Warning, "neither a file nor a directory nor a link: readers skip it"},
	Sparse:    {Warning, "a sparse file: DALI and Energon, which read by offset and size, get other bytes"},
	NotUTF8:   {Warning, "the name is not UTF-8: readers in Python get a key that they cannot print or encode"},
	NotASCII:  {Warning, "the name is not ASCII: DALI wants ASCII"},
	Control: {Warning, "a control character in the name: an index of DALI cannot hold it, nor any list of one " +
		"name a line"},
	Blank:        {Warning, "a blank in the name: an index of DALI cannot hold it"},
	AbsoluteName: {Warning, "an absolute name: the slash is part of the key for WebDataset, and tar removes it"},
	ParentName: {Warning, "a component .. in the name: it is part of the key for WebDataset, and tar refuses to " +
		"unpack it"},
	DotName: {Warning, "a component of the name is empty or a dot: it is part of the key for WebDataset, which " +
		"takes it for another key than the plain name"},
	LongName:  {Warning, "a component of the name is longer than 255 bytes: it cannot be unpacked"},
	SlashKeys: {Note, "the key has a slash, like %d of %d: energon mount does not show them"},
	ExtendedHeaders: {Note, "%d of %d members have extended headers, which take %d%% of the shard: plain " +
		"headers would not"},

	Compressed: {Note, "compressed by %s: DALI and energon mount read plain tars only"},
}
