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

// The kinds of finding, from damage to errors, warnings and notes. rules has the meaning of each, claims what readers do.
const (
	NotTar    Code = "not-tar"
	Truncated Code = "truncated"
	Damaged   Code = "damaged"

	DuplicateExtension Code = "duplicate-extension"
	ReservedExtension  Code = "reserved-extension"
	KeyReturns         Code = "key-returns"
	KeyInTwoShards     Code = "key-in-two-shards"
	FieldsDiffer       Code = "fields-differ"
	HiddenSample       Code = "hidden-sample"
	LongKey            Code = "long-key"
	NotUTF8            Code = "not-utf8"
	Empty              Code = "empty"

	Compression    Code = "compression"
	SeveralMembers Code = "several-members"
	EmptyStream    Code = "empty-stream"
	ExtraField     Code = "extra-field"
	SecondTar      Code = "second-tar"

	PythonStops    Code = "python-stops"
	PythonFails    Code = "python-fails"
	PythonDiffers  Code = "python-differs"
	GoFails        Code = "go-fails"
	GoDiffers      Code = "go-differs"
	DanglingHeader Code = "dangling-header"
	Sparse         Code = "sparse"

	ShardNameTwice Code = "shard-name-twice"
	ShardName      Code = "shard-name"

	BadText     Code = "bad-text"
	BadNumber   Code = "bad-number"
	BadJSON     Code = "bad-json"
	BadPicture  Code = "bad-picture"
	BadArray    Code = "bad-array"
	BadPickle   Code = "bad-pickle"
	BadGzip     Code = "bad-gzip"
	JSONDiffers Code = "json-differs"

	Cut                 Code = "cut"
	BytesAfterEnd       Code = "bytes-behind"
	CaseCollision       Code = "case-collision"
	Hidden              Code = "hidden"
	HiddenKey           Code = "hidden-key"
	NoExtension         Code = "no-extension"
	Newline             Code = "newline"
	EmptyExtension      Code = "empty-extension"
	UnderscoreExtension Code = "underscore-extension"
	UpperCase           Code = "upper-case"
	CompressedMember    Code = "compressed-member"
	DoubleDot           Code = "double-dot"
	DottedNames         Code = "dotted-names"
	Meta                Code = "meta"
	Directory           Code = "directory"
	Link                Code = "link"
	Special             Code = "special"
	NotASCII            Code = "not-ascii"
	Control             Code = "control"
	Backslash           Code = "backslash"
	Blank               Code = "blank"
	AbsoluteName        Code = "absolute-name"
	ParentName          Code = "parent-name"
	DotName             Code = "dot-name"
	LongName            Code = "long-name"
	ExtendedHeader      Code = "extended-header"
	OldHeader           Code = "old-header"
	SplitName           Code = "split-name"
	UnendedSize         Code = "unended-size"
	Contiguous          Code = "contiguous"
	Huge                Code = "huge"

	SlashKeys       Code = "slash-keys"
	DottedExtension Code = "dotted-extension"
	ExtendedHeaders Code = "extended-headers"
	Compressed      Code = "compressed"
)

// Severity returns the severity of findings with this code.
func (c Code) Severity() Severity { return rules[c].severity }

// Meaning returns what findings with this code mean, with the places of what differs left open.
func (c Code) Meaning() string { return rules[c].meaning }

// Hint returns what helps.
func (c Code) Hint() string { return rules[c].hint }

// Mend returns how a shard can be mended without touching content.
func (c Code) Mend() Mend { return rules[c].mend }

// Mend is a way of mending a shard without touching content.
type Mend string

// The ways.
const (
	NotMended Mend = ""           // content is missing or wrong, or the finding is no fault
	ByName    Mend = "names"      // other names of members
	ByOrder   Mend = "order"      // the members of a sample one after another
	ByChoice  Mend = "choice"     // one of several members is kept, or each gets a name of its own
	ByHeader  Mend = "headers"    // other headers with the same names and content
	ByDrop    Mend = "drop"       // a member that is no content is left out
	ByWriting Mend = "container"  // the same tar written again, compressed otherwise or not
	ByRename  Mend = "shard-name" // another name of the shard
)
