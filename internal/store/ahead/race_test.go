//go:build race

package ahead

const raceDetector = true
