package main

import (
	"os"
	"strconv"
	"strings"
)

// resetPeak has peakMB count from now on, where the system can.
func resetPeak() {
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // without it the loader's memory is counted, too
}

// peakMB returns the most memory that the process held, 0 where that is unknown.
func peakMB() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return kb / 1024
		}
	}
	return 0
}
