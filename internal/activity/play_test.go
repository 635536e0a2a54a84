package activity

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
)

// play is the program of testdata/play.c.
var play string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "lastcall-activity")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		if err := os.Chmod(folder, 0o755); err != nil {
			panic(err)
		}
		// What this program has inherited must not reach the roles.
		for fd := 3; fd < 1024; fd++ {
			syscall.CloseOnExec(fd)
		}
		play = folder + "/play"
		if out, err := exec.Command("gcc", "-O1", "-pthread", "-o", play, "testdata/play.c").CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// stage starts a role and returns its processes once they are all there.
func stage(t testing.TB, role string, args ...string) []proc.Key {
	t.Helper()
	return stageBy(t, exec.Command(play, append([]string{role}, args...)...))
}

func stageBy(t testing.TB, command *exec.Cmd) []proc.Key {
	t.Helper()
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	launch(t, command)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %q, %v", command.Args, line, err)
	}
	var keys []proc.Key
	for _, word := range strings.Fields(line) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, keyOf(t, pid))
	}
	return keys
}

// asUser makes a command run as a user that owns nothing else here.
func asUser(command *exec.Cmd) *exec.Cmd {
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54321}}
	return command
}

// look takes both looks.
func look(r *Reader, keys []proc.Key, helpers ...int) []Sample {
	samples := r.Sample(keys, soon())
	r.Look(samples, helpers, soon())
	return samples
}

func allIdle(samples []Sample) bool {
	for i := range samples {
		if !samples[i].Idle() || samples[i].Gone {
			return false
		}
	}
	return true
}

// idle waits until all are idle and stay so for a while.
func idle(t *testing.T, r *Reader, keys []proc.Key, helpers ...int) []Sample {
	t.Helper()
	before := look(r, keys, helpers...)
	for until := time.Now().Add(8 * time.Second); ; {
		time.Sleep(150 * time.Millisecond)
		after := look(r, keys, helpers...)
		moved := Progress(before, after)
		if allIdle(before) && allIdle(after) && len(moved) == 0 {
			return after
		}
		if time.Now().After(until) {
			t.Fatalf("not idle: %+v; %s", moved, tell(after))
		}
		before = after
	}
}

// vetoedFor waits until one of the processes has a veto of this reason.
func vetoedFor(t *testing.T, r *Reader, keys []proc.Key, reason Reason, text string, helpers ...int) {
	t.Helper()
	var samples []Sample
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		samples = look(r, keys, helpers...)
		for _, s := range samples {
			for _, v := range s.Vetoes {
				if v.Reason == reason && strings.Contains(v.Text, text) {
					if s.Idle() {
						t.Errorf("vetoed and idle: %s", tell(samples))
					}
					return
				}
			}
		}
	}
	t.Fatalf("no veto %s with %q: %s", reason, text, tell(samples))
}

func tell(samples []Sample) string {
	var b strings.Builder
	for _, s := range samples {
		b.WriteString("\n" + strconv.Itoa(s.Key.PID) + " " + s.Comm + " doing " + s.Doing)
		if s.Gone {
			b.WriteString(" (gone)")
		}
		for _, v := range s.Vetoes {
			b.WriteString("; " + string(v.Reason) + ": " + v.Text)
		}
	}
	return b.String()
}
