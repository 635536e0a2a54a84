package proc

import (
	"os"
	"testing"
)

func TestKernelThreads(t *testing.T) {
	threads := Default.KernelThreads()
	if threads == nil {
		t.Skip("this kernel does not tell")
	}
	buffer := make([]byte, 4096)
	found := 0
	for pid := range threads {
		if stat, err := Default.Stat(pid, buffer); err == nil {
			found++
			if !stat.KernelThread() {
				t.Errorf("%+v is no kernel thread", stat)
			}
		}
	}
	if found < 3 || threads[1] || threads[os.Getpid()] {
		t.Errorf("%d kernel threads of %v", found, threads)
	}
	// A /proc where pid 2 is somebody.
	if got := FS(t.TempDir()).KernelThreads(); got != nil {
		t.Errorf("%v", got)
	}
}

func FuzzParseChildren(f *testing.F) {
	f.Add([]byte("3 4 5 123 "))
	f.Add([]byte("3 45"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for pid := range parseChildren(text) {
			if pid <= 0 || pid > largestPid {
				t.Errorf("%d in %q", pid, text)
			}
		}
	})
}

func TestACutChildIsNotBelieved(t *testing.T) {
	if got := parseChildren([]byte("3 45 6")); len(got) != 2 || !got[3] || !got[45] {
		t.Errorf("%v", got)
	}
}

func TestAChildBeyondTheLargestPidIsNotBelieved(t *testing.T) {
	// Found by FuzzParseChildren: the first wrapped to a negative int.
	got := parseChildren([]byte("9999999999999999999 4194305 0 7 "))
	if len(got) != 1 || !got[7] {
		t.Errorf("%v", got)
	}
}
