package linux

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestEachText(t *testing.T) {
	dir := t.TempDir()
	want := map[string]string{"short": "some text", "long": strings.Repeat("x", 100), "empty": "", "cut off": strings.Repeat("y", 1000)}
	for name, text := range want {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want["cut off"] = want["cut off"][:256]
	if err := os.Symlink(dir+"/nothing", dir+"/unreadable"); err != nil {
		t.Fatal(err)
	}
	want["unreadable"] = ""
	buffer := make([]byte, 16)
	if err := EachText(dir, make([]byte, 512), &buffer, 256, func(name, text []byte) bool {
		if wanted, ok := want[string(name)]; !ok || wanted != string(text) {
			t.Errorf("%s: %q", name, text)
		}
		delete(want, string(name))
		return true
	}); err != nil || len(want) > 0 {
		t.Errorf("%v, not seen: %v", err, want)
	}
	if len(buffer) > 2*256 {
		t.Errorf("the buffer grew to %d bytes", len(buffer))
	}
	if err := EachText(dir+"/none", make([]byte, 512), &buffer, 256, nil); !Gone(err) {
		t.Error(err)
	}
}

func TestReadOwned(t *testing.T) {
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	owner := uint32(os.Getuid())
	if owner == 0 {
		owner = 5
		if err := os.Chown(path, 5, 5); err != nil {
			t.Fatal(err)
		}
	}
	if text, uid, err := ReadOwned(path, make([]byte, 16)); string(text) != "text" || uid != owner || err != nil {
		t.Errorf("%q, %d, %v", text, uid, err)
	}
	if _, _, err := ReadOwned(path+"none", make([]byte, 16)); !Gone(err) {
		t.Error(err)
	}
}

// A wait for a change ends in time where none comes; that it ends with the
// change is shown by package cgroup with a real group.
func TestAwait(t *testing.T) {
	is := func(wanted string) func([]byte) bool {
		return func(text []byte) bool { return strings.HasPrefix(string(text), wanted) }
	}
	began := time.Now()
	for wanted, want := range map[string]bool{"": true, "nobody writes this": false} {
		got, err := Await("/proc/self/mounts", make([]byte, 64), began.Add(100*time.Millisecond), is(wanted))
		if got != want || err != nil {
			t.Errorf("%q: %v, %v", wanted, got, err)
		}
	}
	if took := time.Since(began); took < 100*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if _, err := Await("/proc/none", make([]byte, 64), began, is("")); !Gone(err) {
		t.Error(err)
	}
}
