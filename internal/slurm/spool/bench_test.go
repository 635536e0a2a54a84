package spool

import (
	"os"
	"path/filepath"
	"testing"
)

// What runs for each event: the folder listed once and the file parsed, with
// 50 jobs on the node.
func BenchmarkLook(b *testing.B) {
	dir := b.TempDir()
	file := image{}.u16(45 << 8).u32(50)
	for job := range uint32(50) {
		file = file.u64(uint64(job)).u32(job + 1).u32(noVal).u32(noVal).u64(0).u64(born).u64(noExpiration).u64(noExpiration)
		name := filepath.Join(dir, "n1_"+string('1'+rune(job%9))+string('0'+rune(job/9))+".4294967291")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, StateFile), file.u32(0), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		state, err := ReadState(dir)
		steps, wrong := Steps(dir, "n1")
		if err != nil || wrong != nil || len(state.Jobs) != 50 || len(steps) != 50 {
			b.Fatal(len(state.Jobs), len(steps), err, wrong)
		}
	}
}
