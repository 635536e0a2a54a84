package e2e

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/test/cluster"
	"lastcall/test/jobs"
)

// beginOnSlowFS starts a job that saves to a file system on which each write
// takes its time.
func (w *watched) beginOnSlowFS() doomed {
	w.t.Helper()
	behind, mounted := w.folder(nobody), w.folder(nobody)
	server := exec.Command(w.bin+"/slowfs", behind, mounted)
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { stop(server, syscall.SIGTERM) })
	for end := time.Now().Add(cluster.Patiently(time.Minute)); !isMounted(mounted); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatal("slowfs does not mount")
		}
	}
	out := w.folder(nobody)
	id := w.submitJob(cluster.Job{
		Script: jobs.Script("checkpoint.sh"), UID: nobody,
		Env: []string{
			"MISBEHAVE=" + w.bin + "/misbehave", "OUT=" + out,
			"HOW=-term catch -finish-by trickle", "SAVE=" + mounted + "/saved",
		},
	})
	w.ready(out+"/ready", 1)
	return doomed{id: id, out: behind}
}

func isMounted(path string) bool {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	return strings.Contains(string(text), " "+path+" ")
}

// slowSink takes what is sent to it slowly, and says when it has it all.
func slowSink(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			link, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer link.Close()
				piece := make([]byte, 256<<10)
				for {
					if _, err := link.Read(piece); err != nil {
						break
					}
					time.Sleep(50 * time.Millisecond)
				}
				_, _ = link.Write([]byte{1})
			}()
		}
	}()
	return listener.Addr().String()
}
