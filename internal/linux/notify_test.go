package linux

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func watched(t *testing.T) (*Notify, string, int) {
	t.Helper()
	notify, err := NewNotify()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(notify.Close)
	dir := t.TempDir()
	folder, err := notify.Watch(dir, NotifyNames)
	if err != nil {
		t.Fatal(err)
	}
	return notify, dir, folder
}

func drained(t *testing.T, notify *Notify) []Event {
	t.Helper()
	var events []Event
	if err := notify.Drain(func(e Event) { events = append(events, e) }); err != nil {
		t.Fatal(err)
	}
	return events
}

// slurmd rewrites its file by link(2) and unlink(2), not by rename(2).
func TestNotifySeesARewriteByLink(t *testing.T) {
	notify, dir, folder := watched(t)
	state := filepath.Join(dir, "cred_state")
	if err := os.WriteFile(state+".new", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(state+".new", state); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(state + ".new"); err != nil {
		t.Fatal(err)
	}
	ready, err := notify.Wait(5 * time.Second)
	if !ready || err != nil {
		t.Fatal(ready, err)
	}
	want := []Event{
		{folder, NotifyCreated, "cred_state.new"},
		{folder, NotifyCreated, "cred_state"},
		{folder, NotifyDeleted, "cred_state.new"},
	}
	if diff := cmp.Diff(want, drained(t, notify)); diff != "" {
		t.Error(diff)
	}
	if ready, err := notify.Wait(0); ready || err != nil {
		t.Errorf("nothing is queued, but %v %v", ready, err)
	}
}

func TestNotifyTellsWhenTheFolderGoes(t *testing.T) {
	tests := []struct {
		name string
		act  func(dir string) error
	}{
		{"removed", os.Remove},
		{"renamed", func(dir string) error { return os.Rename(dir, dir+"-away") }},
	}
	for _, test := range tests {
		notify, dir, folder := watched(t)
		if err := test.act(dir); err != nil {
			t.Fatal(err)
		}
		if ready, err := notify.Wait(5 * time.Second); !ready || err != nil {
			t.Fatal(test.name, ready, err)
		}
		gone := false
		for _, event := range drained(t, notify) {
			gone = gone || event.FolderGone() && event.Folder == folder
		}
		if !gone {
			t.Errorf("%s: not told", test.name)
		}
		if err := notify.Forget(folder); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestNotifyTellsOfLostEvents(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	room, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || room > 100_000 {
		t.Skipf("the queue is too long to fill: %d %v", room, err)
	}
	notify, dir, _ := watched(t)
	lost := false
	for range room/2 + 1 { // two events each
		name := filepath.Join(dir, "a")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, event := range drained(t, notify) {
		lost = lost || event.Lost() && event.Folder == -1
	}
	if !lost {
		t.Error("a full queue was not reported")
	}
}

func TestNotifyRefusesWhatIsNoFolder(t *testing.T) {
	notify, dir, _ := watched(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(dir, "nothing")} {
		if _, err := notify.Watch(path, NotifyNames); err == nil {
			t.Errorf("%s is watched", path)
		}
	}
}

func TestWakeEndsOneWait(t *testing.T) {
	notify, _, _ := watched(t)
	done := make(chan error, 1)
	go func() {
		happened, err := notify.Wait(-1)
		if happened {
			err = errors.New("nothing has happened in the folder")
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("the wait ended by itself: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	notify.Wake()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the wait goes on")
	}
	notify.Wake()
	if happened, err := notify.Wait(time.Hour); happened || err != nil {
		t.Errorf("a wake before the wait: %v, %v", happened, err)
	}
	began := time.Now()
	if _, err := notify.Wait(50 * time.Millisecond); err != nil || time.Since(began) < 50*time.Millisecond {
		t.Errorf("the wait after it ended after %s: %v", time.Since(began), err)
	}
}

func TestWaitKeepsItsTime(t *testing.T) {
	notify, _, _ := watched(t)
	began := time.Now()
	ready, err := notify.Wait(80 * time.Millisecond)
	if took := time.Since(began); ready || err != nil || took < 80*time.Millisecond || took > 5*time.Second {
		t.Errorf("%v %v after %v", ready, err, took)
	}
}

// record is one inotify_event as inotify(7) describes it.
func record(folder int32, mask uint32, name string, room int) []byte {
	record := binary.NativeEndian.AppendUint32(nil, uint32(folder))
	record = binary.NativeEndian.AppendUint32(record, mask)
	record = binary.NativeEndian.AppendUint32(record, 0)
	record = binary.NativeEndian.AppendUint32(record, uint32(room))
	return append(record, append([]byte(name), make([]byte, room-len(name))...)...)
}

func FuzzEachEvent(f *testing.F) {
	f.Add(record(1, NotifyCreated, "node_1.0", 16))
	f.Add(append(record(-1, NotifyOverflowed, "", 0), record(2, NotifyIgnored, "", 0)...))
	f.Add(record(1, NotifyCreated, "x", 16)[:20])
	f.Fuzz(func(t *testing.T, records []byte) {
		total := 0
		eachEvent(records, func(e Event) { total += 16 + len(e.Name) })
		if total > len(records) {
			t.Errorf("%d bytes of events out of %d", total, len(records))
		}
	})
}
