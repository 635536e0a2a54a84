package note

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestNotes(t *testing.T) {
	folder := t.TempDir() + "/notes"
	if got := Read(folder, "n1", 7); got != "" {
		t.Errorf("without a note: %q", got)
	}
	for _, text := range []string{"first", "second, which replaces it"} {
		if err := Leave(folder, "n1", 7, uint32(os.Getuid()), text); err != nil {
			t.Fatal(err)
		}
		if got := Read(folder, "n1", 7); got != text {
			t.Errorf("read %q, want %q", got, text)
		}
	}
	if got := Read(folder, "n1", 77) + Read(folder, "n", 17); got != "" {
		t.Errorf("another job reads %q", got)
	}
	if err := Remove(folder, "n1", 7); err != nil || Read(folder, "n1", 7) != "" {
		t.Errorf("not removed: %v", err)
	}
	if err := Remove(folder, "n1", 7); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
}

func TestANoteIsForItsUserAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	folder := t.TempDir() + "/notes"
	if err := Leave(folder, "n1", 7, 65534, "x"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path(folder, "n1", 7))
	if err != nil || info.Mode().Perm() != 0o400 || info.Sys().(*syscall.Stat_t).Uid != 65534 {
		t.Errorf("%v, %v", info, err)
	}
}

// The service may run with any umask, and say too much.
func TestANoteCanBeReadAndIsShort(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	folder := t.TempDir() + "/notes"
	if err := Leave(folder, "n1", 7, uint32(os.Getuid()), strings.Repeat("x", 2*most)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	if info, err := os.Stat(path(folder, "n1", 7)); err != nil || info.Size() != most {
		t.Errorf("the note: %v, %v", info, err)
	}
}

// Nobody but root may write the folder, but if somebody could: a link in the
// place of a note leads nowhere.
func TestALinkIsNotFollowed(t *testing.T) {
	folder := t.TempDir() + "/notes"
	target := t.TempDir() + "/target"
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path(folder, "n1", 7)); err != nil {
		t.Fatal(err)
	}
	if err := Leave(folder, "n1", 7, uint32(os.Getuid()), "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(target); !os.IsNotExist(err) {
		t.Errorf("the link was followed: %v", err)
	}
}

func TestSweep(t *testing.T) {
	folder := t.TempDir() + "/notes"
	if err := Sweep(folder, "n1", nil); err != nil {
		t.Errorf("without a folder: %v", err)
	}
	for node, jobs := range map[string][]uint32{"n1": {7, 8}, "n12": {7}, "n1.b": {7}} {
		for _, job := range jobs {
			if err := Leave(folder, node, job, uint32(os.Getuid()), "x"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := Sweep(folder, "n1", func(job uint32) bool { return job == 8 }); err != nil {
		t.Fatal(err)
	}
	if Read(folder, "n1", 7) != "" || Read(folder, "n1", 8) == "" || Read(folder, "n12", 7) == "" || Read(folder, "n1.b", 7) == "" {
		t.Error("what is to go stays, or what is to stay is gone")
	}
}
