// Prints the samples that tarp's commands get, as common.py in ../../adapters says, or with the argument cat, those that
// tarp cat writes. It is built inside tarp's module.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"sort"
	"strings"

	"github.com/tmbdev/tarp/dpipes"
)

type shard struct {
	Shard string   `json:"shard"`
	Dir   string   `json:"dir,omitempty"`
	Files []string `json:"files,omitempty"`
	// the answer
	Samples [][2]interface{} `json:"samples"`
	Error   string           `json:"error,omitempty"`
}

func latin(s string) string {
	runes := make([]rune, len(s))
	for i := 0; i < len(s); i++ {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// read is the child that reads one shard: tarp panics, also in goroutines of its own.
func read(files []string, cat bool) {
	out := json.NewEncoder(os.Stdout)
	os.Stdout = os.Stderr // for what tarp prints
	urls := []string{}
	for _, f := range files {
		urls = append(urls, dpipes.ExpandBraces(f)...)
	}
	samples := make(dpipes.Pipe)
	go dpipes.TarSources(urls, nil)(samples)
	if cat {
		read, raw := samples, make(dpipes.RawPipe)
		samples = make(dpipes.Pipe)
		go dpipes.Disaggregate(read, raw)
		go dpipes.Aggregate(raw, samples)
	}
	for s := range samples {
		fields := [][2]string{}
		for ext, content := range s {
			if ext != "__key__" || string(content) != string(s["__key__"]) {
				sum := sha256.Sum256(content)
				fields = append(fields, [2]string{latin(ext), hex.EncodeToString(sum[:4])})
			}
		}
		sort.Slice(fields, func(i, j int) bool { return fields[i][0] < fields[j][0] })
		out.Encode([2]interface{}{latin(string(s["__key__"])), fields})
	}
}

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	if len(os.Args) > 2 {
		read(os.Args[2:], mode == "cat")
		return
	}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for in.Scan() {
		var s shard
		if err := json.Unmarshal(in.Bytes(), &s); err != nil {
			panic(err)
		}
		lines, stderr, err := run(s.Dir, append([]string{mode}, s.Files...))
		answer := shard{Shard: s.Shard, Samples: [][2]interface{}{}}
		for _, line := range lines {
			var x [2]interface{}
			if json.Unmarshal([]byte(line), &x) == nil {
				answer.Samples = append(answer.Samples, x)
			}
		}
		if err != nil {
			answer.Error = "exit: "
			for _, line := range strings.Split(stderr, "\n") {
				if strings.HasPrefix(line, "panic: ") {
					answer.Error = line
					break
				}
			}
			if len(answer.Error) > 100 {
				answer.Error = answer.Error[:100]
			}
		}
		out.Encode(answer)
	}
}
