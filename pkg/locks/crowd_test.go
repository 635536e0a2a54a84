package locks

import (
	"bytes"
	"os/exec"
	"testing"

	"lastcall/internal/proc"
)

// Of a crowd the locks are found as of a few, also those whose taker is gone,
// whose number is somebody else's by now, or that name no taker.
func TestACrowd(t *testing.T) {
	var many []proc.Key
	for range crowd {
		command := exec.Command("sleep", "60")
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = command.Process.Kill()
			_ = command.Wait()
		})
		stat, err := proc.Default.Stat(command.Process.Pid, make([]byte, 4096))
		if err != nil {
			t.Fatal(err)
		}
		many = append(many, stat.Key())
	}
	dir := t.TempDir()
	for _, kind := range []string{"flock", "inherited", "ofd"} {
		holder(t, kind, dir+"/outside-"+kind)
	}
	if held, complete, err := HeldBy(proc.Default, many, soon()); len(held) > 0 || !complete || err != nil {
		t.Errorf("%+v, %v, %v", held, complete, err)
	}
	for _, kind := range []string{"inherited", "posix", "ofd", "lease"} {
		path := dir + "/" + kind
		all := append(many[:len(many):len(many)], holder(t, kind, path))
		held, complete, err := HeldBy(proc.Default, all, soon())
		if len(held) != 1 || held[0].Path() != path || !complete || err != nil {
			t.Errorf("%s: %+v, %v, %v", kind, held, complete, err)
		}
		end(all[crowd])
	}
}

func TestWhoseLocks(t *testing.T) {
	s := newSearch(proc.Default, soon())
	key := holder(t, "posix", t.TempDir()+"/held")
	text, err := s.listed()
	if err != nil {
		t.Fatal(err)
	}
	other := []proc.Key{{PID: 1 << 22, Start: 1}}
	mine := map[string]bool{ // one more line: may it be theirs?
		"": false,
		"9: POSIX  ADVISORY  WRITE 4194303 00:01:1 0 EOF\n":  true, // its taker is gone
		"9: POSIX  ADVISORY  WRITE 1 00:01:1 0 EOF\n":        true, // its taker's number is another's now
		"9: OFDLCK ADVISORY  WRITE -1 00:01:1 0 EOF\n":       true, // it names nobody
		"9: FLOCK  ADVISORY  WRITE 4194304 00:01:1 0 EOF\n":  true, // it names one of them
		"9: -> FLOCK ADVISORY WRITE 4194303 00:01:1 0 EOF\n": false,
		"9: nonsense\n": true,
	}
	var known []byte
	for line := range bytes.Lines(text) {
		_ = ParseLocks(line, func(lock Lock, waits bool) bool {
			if lock.Taker == key.PID {
				known = append(known, line...)
			}
			return true
		})
	}
	if len(known) == 0 {
		t.Fatalf("the lock of %d is not listed:\n%s", key.PID, text)
	}
	for line, want := range mine {
		if got := s.anyOf(other, append(known[:len(known):len(known)], line...)); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

// A lock without a taker is somebody else's if somebody else is seen to hold
// it, and only then.
func TestHeldOutside(t *testing.T) {
	key := holder(t, "ofd", t.TempDir()+"/held")
	s := newSearch(proc.Default, soon())
	for among, want := range map[int]bool{key.PID: false, 1 << 22: true} {
		open := s.locksOf(key.PID)
		if len(open) != 1 {
			t.Fatalf("%v", open)
		}
		if got := s.heldOutside(map[int]bool{among: true}, open); got != want {
			t.Errorf("%d: %v, want %v", among, got, want)
		}
	}
}
