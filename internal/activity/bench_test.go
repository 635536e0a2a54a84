package activity

import (
	"os"
	"syscall"
	"testing"

	"lastcall/internal/proc"
)

// jobOf stages processes that wait in pairs, with a pipe and a few sockets.
func jobOf(b *testing.B, processes int) []proc.Key {
	b.Helper()
	var keys []proc.Key
	for i := 0; len(keys) < processes; i++ {
		role := []string{"poll", "loopback", "recvfrom", "wait4", "pipe"}[i%5]
		keys = append(keys, stage(b, role)...)
	}
	return keys[:processes]
}

func benchmark(b *testing.B, processes int, look bool) {
	keys := jobOf(b, processes)
	r := New(proc.Default)
	b.ReportAllocs()
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		samples := r.Sample(keys, soon())
		if look {
			r.Look(samples, []int{os.Getpid()}, soon())
		}
		if samples[0].Gone || samples[0].Unreadable != nil {
			b.Fatal(tell(samples))
		}
	}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
}

func BenchmarkSample10(b *testing.B)  { benchmark(b, 10, false) }
func BenchmarkLook10(b *testing.B)    { benchmark(b, 10, true) }
func BenchmarkSample500(b *testing.B) { benchmark(b, 500, false) }
func BenchmarkLook500(b *testing.B)   { benchmark(b, 500, true) }
