package activity

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
)

// fake copies what is read of processes into a folder, where a pipe that
// nobody writes stands for a file whose reader waits for an execve(2).
func fake(t *testing.T, keys ...proc.Key) proc.FS {
	t.Helper()
	root := t.TempDir()
	for _, key := range keys {
		pid := strconv.Itoa(key.PID)
		for _, file := range []string{"stat", "status", "io", "task/" + pid + "/stat", "task/" + pid + "/syscall"} {
			text, err := os.ReadFile(proc.Default.Path(key.PID, file))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(root, pid, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(root, pid, "fd"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return proc.FS(root)
}

// hang makes every reader of a file wait until the returned function is
// called, at the latest at the end of the test.
func hang(t *testing.T, path string) (answer func()) {
	t.Helper()
	if err := os.Rename(path, path+"-text"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	answer = sync.OnceFunc(func() {
		_ = os.Rename(path, path+"-pipe")
		_ = os.Rename(path+"-text", path)
		for { // whoever waits finds an end of the file
			fd, err := syscall.Open(path+"-pipe", syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
			if err != nil {
				return
			}
			_ = syscall.Close(fd)
			time.Sleep(20 * time.Millisecond)
		}
	})
	t.Cleanup(answer)
	return answer
}

// in fails the test if do has not come back after a time no look may take.
func in(t *testing.T, most time.Duration, what string, do func()) {
	t.Helper()
	back := make(chan struct{})
	go func() { do(); close(back) }()
	select {
	case <-back:
	case <-time.After(most):
		t.Fatalf("%s hangs", what)
	}
}

// Whoever asks about a process within execve(2) may wait as long as that does:
// it is unreadable, and the others are looked at all the same.
func TestASampleThatHangs(t *testing.T) {
	hung, well := start(t, "sleep", "60"), start(t, "sleep", "60")
	fs := fake(t, hung, well)
	answer := hang(t, fs.Path(hung.PID, "io"))
	r := New(fs)
	var samples []Sample
	for _, want := range []error{ErrLate, errHangs} { // the second time nobody is sent after the first
		in(t, 5*time.Second, "a sample", func() { samples = r.Sample([]proc.Key{hung, well}, soon()) })
		if s := samples[0]; s.Gone || s.Idle() || !errors.Is(s.Unreadable, want) {
			t.Errorf("not %v: %+v", want, s)
		}
		if s := samples[1]; s.Unreadable != nil || s.Comm != "sleep" {
			t.Errorf("%+v", s)
		}
	}
	answer()
	eventually(t, "it is read again", func() bool { return r.Sample([]proc.Key{hung}, soon())[0].Unreadable == nil })
}

func TestALookThatHangs(t *testing.T) {
	hung, well := start(t, "sleep", "60"), start(t, "sleep", "60")
	for _, key := range []proc.Key{hung, well} {
		idle(t, New(proc.Default), []proc.Key{key})
	}
	fs := fake(t, hung, well)
	answer := hang(t, fs.Path(hung.PID, "task/"+strconv.Itoa(hung.PID)+"/syscall"))
	r := New(fs)
	samples := r.Sample([]proc.Key{well, hung}, soon())
	in(t, 5*time.Second, "a look", func() { r.Look(samples, nil, time.Now().Add(300*time.Millisecond)) })
	if !samples[0].Idle() {
		t.Errorf("%+v", samples[0])
	}
	if s := samples[1]; s.Idle() || !errors.Is(s.Unreadable, ErrLate) {
		t.Errorf("%+v", s)
	}
	answer()
	eventually(t, "it is read again", func() bool { return allIdle(look(r, []proc.Key{hung})) })
}

// Each read that hangs holds a thread, and a Go program ends when it has too
// many.
func TestOnlySomeReadsHang(t *testing.T) {
	r := New(proc.Default)
	release := make(chan struct{})
	hangs := func(pid int) error {
		return r.within(pid, time.Now().Add(time.Millisecond), func(*eyes) { <-release })
	}
	for pid := range mostHanging {
		if err := hangs(pid); !errors.Is(err, ErrLate) {
			t.Fatal(pid, err)
		}
	}
	if err := hangs(mostHanging); !errors.Is(err, errHangs) {
		t.Errorf("one more: %v", err)
	}
	close(release)
	eventually(t, "they come back", func() bool {
		return r.within(mostHanging, soon(), func(*eyes) {}) == nil && len(r.hanging) == 0
	})
}
