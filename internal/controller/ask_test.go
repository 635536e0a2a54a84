package controller

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fake writes a program that stands for scontrol.
func fake(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scontrol")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAskRunsScontrolWithNothingElse(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SLURM_CLUSTERS", "elsewhere")
	program := fake(t, "{ echo \"$@\"; /usr/bin/env | /usr/bin/sort; readlink /proc/self/fd/0; /bin/pwd; } > "+dir+"/seen\ncat <<'END'\n"+line()+"END\n")
	answer, err := Ask(t.Context(), Question{Scontrol: program, Conf: "/etc/slurm/slurm.conf", Job: 7})
	if err != nil || !answer.Over() || !answer.LastNode("n1") || answer.Took <= 0 {
		t.Fatalf("%+v %v", answer, err)
	}
	seen, err := os.ReadFile(dir + "/seen")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"--oneliner --local show job 7\n", "\nSLURM_CONF=/etc/slurm/slurm.conf\n", "\nSLURM_TIME_FORMAT=%s\n", "\n/dev/null\n/\n"} {
		if !strings.Contains(string(seen), want) {
			t.Errorf("%q is missing in %s", want, seen)
		}
	}
	if strings.Contains(string(seen), "SLURM_CLUSTERS") {
		t.Errorf("the environment came through: %s", seen)
	}
}

func TestAskForAComponent(t *testing.T) {
	program := fake(t, "[ \"$5\" = 7 ] || exit 9\ncat <<'END'\n"+
		line("JobId=7->JobId=7 HetJobId=7 HetJobOffset=0")+line("JobId=7->JobId=8 HetJobId=7 HetJobOffset=1")+"END\n")
	answer, err := Ask(t.Context(), Question{Scontrol: program, Job: 8, Leader: 7})
	if err != nil || len(answer.Records) != 2 || answer.Record().Job != 8 || !answer.Over() {
		t.Errorf("%+v %v", answer, err)
	}
}

func TestAskFails(t *testing.T) {
	tests := []struct {
		name   string
		script string
		want   error
	}{
		{"no such job", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", ErrNoJob},
		{"without end", "exec yes JobId=1 JobName=", ErrFormat},
		{"rubbish", "echo hello", ErrFormat},
		{"nothing", "exit 0", ErrFormat},
		{"asleep", "sleep 60", ErrLate},
		{"asleep and deaf", "trap '' TERM; sleep 60 & wait", ErrLate},
	}
	for _, test := range tests {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		began := time.Now()
		answer, err := Ask(ctx, Question{Scontrol: fake(t, test.script), Job: 7})
		cancel()
		if !errors.Is(err, test.want) || answer.Records != nil {
			t.Errorf("%s: %+v %v", test.name, answer, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s", test.name, took)
		}
	}
	_, err := Ask(t.Context(), Question{Scontrol: fake(t, "echo down >&2; exit 1"), Job: 7})
	if err == nil || errors.Is(err, ErrNoJob) || !strings.Contains(err.Error(), `"down\n"`) {
		t.Errorf("the complaint is not told: %v", err)
	}
	if _, err := Ask(t.Context(), Question{Scontrol: "/nothing/scontrol", Job: 7}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no scontrol: %v", err)
	}
}

// A caller that sets no time has one all the same.
func TestAskHasALimit(t *testing.T) {
	began := time.Now()
	_, err := Ask(t.Context(), Question{Scontrol: fake(t, "exec sleep 60"), Job: 7})
	if took := time.Since(began); !errors.Is(err, ErrLate) || took < Limit || took > Limit+5*time.Second {
		t.Errorf("%v after %s", err, took)
	}
}

// A child of scontrol that left its group keeps the pipe open: Ask must not
// wait for it.
func TestAskIsNotHeldByItsPipe(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	program := fake(t, "setsid sleep 30 & echo $! > "+dir+"/pid\nsleep 60\n")
	began := time.Now()
	_, err := Ask(ctx, Question{Scontrol: program, Job: 7})
	if took := time.Since(began); !errors.Is(err, ErrLate) || took > 5*time.Second {
		t.Errorf("%v after %s", err, took)
	}
	text, err := os.ReadFile(dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// What Ask started is gone when it returns late.
func TestAskLeavesNobody(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	program := fake(t, "sleep 60 & echo $! > "+dir+"/pid\nwait\n")
	if _, err := Ask(ctx, Question{Scontrol: program, Job: 7}); !errors.Is(err, ErrLate) {
		t.Fatal(err)
	}
	text, err := os.ReadFile(dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	stat := "/proc/" + strings.TrimSpace(string(text)) + "/stat"
	for until := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		state, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("a child of scontrol lives on: %s", state)
		}
	}
}
