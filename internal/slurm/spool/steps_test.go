package spool

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lastcall/internal/linux"
	"lastcall/internal/proc"

	"github.com/google/go-cmp/cmp"
)

func TestParseSocket(t *testing.T) {
	step := func(job uint32, name string, component int) Step {
		return Step{Job: job, Name: name, Component: component}
	}
	tests := []struct {
		name, node string
		want       Step
		ok         bool
	}{
		{"n1_77.4294967291", "n1", step(77, "batch", -1), true},
		{"n1_77.4294967292", "n1", step(77, "extern", -1), true},
		{"n1_77.4294967290", "n1", step(77, "interactive", -1), true},
		{"n1_77.0", "n1", step(77, "0", -1), true},
		{"n1_77.3.1", "n1", step(77, "3+1", 1), true},
		{"my_node.cluster_77.0", "my_node.cluster", step(77, "0", -1), true},
		{"my_node_5_77.0", "my_node_5", step(77, "0", -1), true},
		{"my_node_5_77.0", "my_node", Step{}, false}, // another node of this host
		{"n1_77.0", "n", Step{}, false},
		{"n10_77.0", "n1", Step{}, false},
		{"n1_0.0", "n1", Step{}, false},
		{"n1_77", "n1", Step{}, false},
		{"n1_.0", "n1", Step{}, false},
		{"n1_77.", "n1", Step{}, false},
		{"n1_77.0.", "n1", Step{}, false},
		{"n1_77.0.1.2", "n1", Step{}, false},
		{"n1_77.batch", "n1", Step{}, false},
		{"n1_+77.0", "n1", Step{}, false},
		{"n1_077.0", "n1", Step{}, false},
		{"n1_77.00", "n1", Step{}, false},
		{"n1_77.0.99999999999", "n1", Step{}, false},
		{"n1_99999999999.0", "n1", Step{}, false},
		{"cred_state", "n1", Step{}, false},
		{"hwloc_topo_whole.xml", "hwloc", Step{}, false},
	}
	for _, test := range tests {
		got, ok := ParseSocket(test.name, test.node)
		if test.ok {
			test.want.Socket = test.name
		}
		if diff := cmp.Diff(test.want, got); diff != "" || ok != test.ok {
			t.Errorf("%s of %s: %v %s", test.name, test.node, ok, diff)
		}
	}
}

func FuzzParseSocket(f *testing.F) {
	f.Add("n1_77.4294967291", "n1")
	f.Add("a_b.c_77.3.1", "a_b.c")
	f.Fuzz(func(t *testing.T, name, node string) {
		step, ok := ParseSocket(name, node)
		if ok && (step.Job == 0 || step.Name == "" || step.Component < -1 || !strings.HasPrefix(name, node+"_")) || !ok && step != (Step{}) {
			t.Errorf("%q of %q: %v %+v", name, node, ok, step)
		}
	})
}

// Real sockets: one that listens, one whose owner died, one that a connect
// has never been made to.
func TestListening(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"n_1_7.0", "n_1_8.4294967291"} {
		listener, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		listener.(*net.UnixListener).SetUnlinkOnClose(false)
		if name == "n_1_7.0" {
			defer listener.Close()
		} else {
			listener.Close()
		}
	}
	if err := os.WriteFile(filepath.Join(dir, StateFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	steps, err := Steps(dir, "n_1")
	if err != nil || len(steps) != 2 {
		t.Fatal(steps, err)
	}
	alive, stale, err := Listening(proc.Default, os.Getpid(), dir, steps)
	if err != nil || len(alive) != 1 || len(stale) != 1 || alive[0].Job != 7 || stale[0].Job != 8 {
		t.Errorf("alive %v, stale %v, %v", alive, stale, err)
	}
	if began, err := Started(dir, alive[0]); err != nil || began.IsZero() {
		t.Error(began, err)
	}
	if _, _, err := Listening(proc.Default, 1<<30, dir, steps); !linux.Gone(err) {
		t.Errorf("no such slurmd: %v", err)
	}
	if _, err := Steps(filepath.Join(dir, "nothing"), "n_1"); !linux.Gone(err) {
		t.Errorf("no folder: %v", err)
	}
}

func TestParseListeners(t *testing.T) {
	text := "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 16163 /spool/n1/n1_7.0\n" +
		"0000000000000000: 00000003 00000000 00000000 0001 03 16164 /spool/n1/n1_8.0\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01   999 /spool/with blank/n1_9.0\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 16165 @/abstract\n" +
		"0000000000000000: 00000002 00000000 00010000 0001 01 16166\n" +
		"rubbish\n"
	want := Listeners{"/spool/n1/n1_7.0": true, "/spool/with blank/n1_9.0": true}
	if diff := cmp.Diff(want, ParseListeners([]byte(text))); diff != "" {
		t.Error(diff)
	}
	if !want.serve("/spool/n1", "n1_7.0") || !want.serve("/elsewhere", "n1_7.0") || want.serve("/spool/n1", "1_7.0") || want.serve("/spool/n1", "n1_8.0") {
		t.Error("a listener is found by its folder and name")
	}
}

func FuzzParseListeners(f *testing.F) {
	f.Add([]byte("0000000000000000: 00000002 00000000 00010000 0001 01 16163 /spool/n1/n1_7.0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for path := range ParseListeners(text) {
			if !strings.HasPrefix(path, "/") || !strings.Contains(string(text), path) {
				t.Errorf("%q gave %q", text, path)
			}
		}
	})
}
