//go:build race

package stream_test

// raceEnabled says that memory is not worth measuring.
const raceEnabled = true
