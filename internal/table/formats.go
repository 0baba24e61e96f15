package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// cell is what a row has in one column.
type cell struct{ column, text string }

// records reads a table row by row.
type records interface {
	next() ([]cell, error) // io.EOF after the last; the columns are empty where a header has them
	offset() int64         // of the row that comes next, from where the reader began
}

// format is how a table is written.
type format struct {
	header bool // the first row has the names of the columns
	read   func(io.Reader) records
}

// formats are the formats, by the suffix of a name.
var formats = map[string]format{
	".csv":   {true, func(r io.Reader) records { return newCSV(r) }},
	".tsv":   {true, func(r io.Reader) records { return &lines{parse: parseTabs, r: newBuffer(r)} }},
	".jsonl": {false, func(r io.Reader) records { return &lines{parse: parseObject, r: newBuffer(r)} }},
}

// Suffixes returns the suffixes that names of tables may have.
func Suffixes() []string { return slices.Sorted(maps.Keys(formats)) }

// formatOf returns the format of a name.
func formatOf(name string) (format, error) {
	suffix := strings.ToLower(path.Ext(name))
	f, ok := formats[suffix]
	if !ok {
		return f, fmt.Errorf("%w: the name ends in none of %s", ErrFormat, strings.Join(Suffixes(), ", "))
	}
	return f, nil
}

// rowBuffer is how many bytes are read at once. A row is often read alone.
const rowBuffer = 4 << 10

func newBuffer(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, rowBuffer) }

// csvRecords are comma-separated values as in RFC 4180.
type csvRecords struct{ *csv.Reader }

func newCSV(r io.Reader) csvRecords {
	c := csv.NewReader(newBuffer(r))
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	return csvRecords{c}
}

func (c csvRecords) offset() int64 { return c.InputOffset() }

func (c csvRecords) next() ([]cell, error) {
	fields, err := c.Read()
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	cells := make([]cell, len(fields))
	for i, text := range fields {
		cells[i].text = text
	}
	return cells, err
}

// lines are rows of one line each.
type lines struct {
	parse func(line []byte) ([]cell, error)
	r     *bufio.Reader
	n     int64 // bytes of the lines so far
}

func (l *lines) offset() int64 { return l.n }

func (l *lines) next() ([]cell, error) {
	for {
		line, err := l.r.ReadBytes('\n')
		if err != nil && (err != io.EOF || len(line) == 0) {
			return nil, err
		}
		l.n += int64(len(line))
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			return l.parse(line)
		}
	}
}

// parseTabs parses tab-separated values, which have no quotes.
func parseTabs(line []byte) (cells []cell, err error) {
	for text := range strings.SplitSeq(string(line), "\t") {
		cells = append(cells, cell{text: text})
	}
	return cells, nil
}

// parseObject parses a JSON object. The columns are sorted by name. A text is without quotes and escapes, every other
// value as it is written, and null is no cell.
func parseObject(line []byte) ([]cell, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(line, &object); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	var cells []cell
	for _, column := range slices.Sorted(maps.Keys(object)) {
		value := object[column]
		text := string(value)
		switch {
		case text == "null":
			continue
		case text[0] == '"':
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrFormat, err)
			}
		}
		cells = append(cells, cell{column, text})
	}
	return cells, nil
}
