package web

import (
	"encoding/base64"
	"encoding/binary"
	"math"
)

// Key frames of VP8, of one colour and 64 by 48 pixels.
const (
	red  = "cAMAnQEqQAAwAD8RiL5YrCkmo6KoAYAiCWcA0bwHe7U0+EEAAP7guXxhNIwH+1Pys936YDhIQ8yHvIAAAAA="
	blue = "cAMAnQEqQAAwAD8RiL5YrCkmo6KoAYAiCWcA0ugHe7U0+EEAAP7lCv/bb34eawP/GE0kd7jkDigIQAAA"
)

// videoSeconds is how long the video is: half of it is red, and the rest blue.
const videoSeconds = 60

// video returns a WebM with a key frame each second and an index of them.
func video() []byte {
	const padding = 32 << 10 // after each frame, so that not all of the file is fetched at once
	var info, track, cues, clusters []byte
	info = element(info, 0x2AD7B1, number(1_000_000)) // nanoseconds of a unit of time
	info = element(info, 0x4489, binary.BigEndian.AppendUint64(nil, math.Float64bits(videoSeconds*1000)))
	info = element(info, 0x4D80, []byte("shardfs"))
	info = element(info, 0x5741, []byte("shardfs"))
	track = element(track, 0xD7, number(1))
	track = element(track, 0x73C5, number(1))
	track = element(track, 0x83, number(1))
	track = element(track, 0x86, []byte("V_VP8"))
	track = element(track, 0xE0, element(element(nil, 0xB0, number(64)), 0xBA, number(48)))
	tracks := element(nil, 0x1654AE6B, element(nil, 0xAE, track))
	head := element(nil, 0x1549A966, info)

	// Numbers have a fixed size, so the size of the index is known before its content.
	point := func(second, at int) []byte {
		place := element(element(nil, 0xF7, number(1)), 0xF1, number(uint64(at)))
		return element(nil, 0xBB, element(element(nil, 0xB3, number(uint64(second)*1000)), 0xB7, place))
	}
	begin := len(head) + len(tracks) + len(element(nil, 0x1C53BB6B, make([]byte, videoSeconds*len(point(0, 0)))))
	for second := range videoSeconds {
		colour := red
		if second >= videoSeconds/2 {
			colour = blue
		}
		frame, err := base64.StdEncoding.DecodeString(colour)
		if err != nil {
			panic(err) // a constant
		}
		cues = append(cues, point(second, begin+len(clusters))...)
		cluster := element(nil, 0xE7, number(uint64(second)*1000))
		cluster = element(cluster, 0xA3, append([]byte{0x81, 0, 0, 0x80}, frame...))
		cluster = element(cluster, 0xEC, make([]byte, padding))
		clusters = element(clusters, 0x1F43B675, cluster)
	}
	segment := append(append(append(head, tracks...), element(nil, 0x1C53BB6B, cues)...), clusters...)

	var ebml []byte
	for _, setting := range []struct{ id, value uint64 }{{0x4286, 1}, {0x42F7, 1}, {0x42F2, 4}, {0x42F3, 8}} {
		ebml = element(ebml, setting.id, number(setting.value))
	}
	ebml = element(ebml, 0x4282, []byte("webm"))
	ebml = element(element(ebml, 0x4287, number(4)), 0x4285, number(2))
	return element(element(nil, 0x1A45DFA3, ebml), 0x18538067, segment)
}

// element appends an element of EBML, whose size is written in 8 bytes.
func element(b []byte, id uint64, content []byte) []byte {
	name := binary.BigEndian.AppendUint64(nil, id)
	for name[0] == 0 {
		name = name[1:]
	}
	b = append(b, name...)
	b = binary.BigEndian.AppendUint64(b, 1<<56|uint64(len(content)))
	return append(b, content...)
}

// number returns the content of an element that is a number.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
