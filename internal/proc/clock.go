package proc

import (
	"bytes"
	"fmt"
	"time"

	"lastcall/internal/linux"
)

// Tick is the unit of all times in /proc/PID/stat. USER_HZ is 100 on every
// architecture Slurm runs on (include/asm-generic/param.h).
const Tick = 10 * time.Millisecond

// Uptime returns the clock ticks since boot, from /proc/uptime: the clock
// that start times are in.
func (fs FS) Uptime() (uint64, error) {
	path := string(fs) + "/uptime"
	text, err := linux.Read(path, make([]byte, 64))
	if err != nil {
		return 0, err
	}
	return parseUptime(text, path)
}

// parseUptime reads "seconds.hundredths idle": hundredths are ticks.
func parseUptime(text []byte, path string) (uint64, error) {
	seconds, rest, ok := bytes.Cut(text, []byte("."))
	if !ok || len(rest) < 2 {
		return 0, fmt.Errorf("%s: %w", path, ErrFormat)
	}
	whole, okWhole := number(seconds)
	part, okPart := number(rest[:2])
	if !okWhole || !okPart || whole > 1<<50 {
		return 0, fmt.Errorf("%s: %w", path, ErrFormat)
	}
	return whole*100 + part, nil
}
