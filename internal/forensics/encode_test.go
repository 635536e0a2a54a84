package forensics_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastcall/internal/forensics"
	"lastcall/internal/forensics/report"
)

var update = flag.Bool("update", false, "write the example into docs/record.md")

// example is the record that docs/record.md shows.
func example() *forensics.Record {
	return &forensics.Record{
		Time: time.Date(2026, 11, 24, 6, 30, 0, 251e6, time.UTC), Hook: "epilog", Release: "1.0.0", Mode: "enforce",
		Cluster: "alps", Node: "n42", User: "ada", UID: 1000, Job: 77, Verdict: forensics.Cleaned,
		Phases: forensics.Phases{
			Identity: 80 * time.Microsecond, Claim: 2 * time.Millisecond, Ladder: time.Second, Locks: time.Millisecond,
			Total: 1004 * time.Millisecond,
		},
		Counts: forensics.Counts{Killed: 1, Spared: 1, Locks: 1, LocksFreed: 1},
		Looks:  3, Method: "pidfd", Escalated: "all that is left ignores SIGTERM",
		Processes: []forensics.Process{
			{
				PID: 4711, Start: 416720, Parent: 1, Session: 4700, UID: 1000, Comm: "train", Command: "./train --epochs 9",
				State: "S", Sigterm: "ignored", Evidence: "environ", Proof: "SLURM_JOB_ID=77", Threads: 4,
				Age: time.Hour, CPU: 90 * time.Second, Resident: 1 << 30, Wchan: "hrtimer_nanosleep", Locks: 1,
				Outcome: "killed", Took: 1002 * time.Millisecond,
			},
			{
				PID: 4800, Start: 416800, Parent: 4790, Session: 4790, UID: 1000, Comm: "bash", State: "S", Threads: 1,
				Age: time.Minute, Spared: "salloc", Outcome: "spared",
			},
		},
		Locks: []forensics.Lock{{
			Kind: "FLOCK", Mode: "WRITE", Device: "254:0", Inode: 9977870, End: "EOF", Path: "/scratch/ada/data.lock",
			Taker: 4699, Holders: []forensics.Party{{PID: 4711, Comm: "train", UID: 1000}}, Fate: "freed",
		}},
	}
}

// full has a value under every key there is.
func full() *forensics.Record {
	r := example()
	r.Config, r.HetLeader, r.SLUID, r.Step, r.RunInJob = "/etc/slurm/lastcall.toml", 76, "s50DM84J1GD700", "batch", true
	r.Omitted, r.Warnings, r.ExitCode = 1, []string{"one"}, 1
	r.Processes[0].Syscall, r.Processes[0].Stack = "0 0x3", []string{"folio_wait_bit"}
	r.Processes[0].Thread, r.Processes[0].Cause, r.Processes[0].File = 4712, "nfs", "/scratch/x"
	r.Causes = []forensics.Cause{{
		Code: "fuse", Text: "1 process waits", Count: 1, Function: "request_wait_answer", Call: "read", While: "exit", Type: "fuse.sshfs",
		Source: "far:", Mount: "/far", File: "/far/x", Since: time.Second, Daemons: []forensics.Party{{PID: 3, Comm: "sshfs", UID: 1000}}, Abort: "aborted",
	}}
	r.Locks[0].Release = "released"
	r.Processes[0].Would = []string{"epilog: SIGTERM"}
	r.Processes[0].Doing, r.Processes[0].Told = "sleeps", "slurm"
	r.Watch = &forensics.Watch{
		Rule: "idle", Reason: "4711 wrote 512 bytes", Order: r.Time, ToEnd: time.Second, ToEmpty: 2 * time.Second,
		Still: time.Second, KillWait: 30 * time.Second, Asked: 1,
	}
	r.Hang = &forensics.Hang{
		Text: "job 77 has finished its work", Kind: "threads", PID: 4711, Python: "3.11.2", Pace: "asleep", Quiet: time.Hour,
		Apart: time.Minute, Waits: []string{"thread"}, Grounds: []string{"proof"}, Others: 1, Action: "reported", Told: true,
	}
	r.Locks[0].HeldBy = []forensics.Party{{PID: 1, Comm: "a", UID: 1}}
	r.Locks[0].Waiters = []forensics.Party{{PID: 2, Comm: "b", UID: 1}}
	r.Locks[0].Start, r.Processes[0].Spared = 1, "older"
	r.Counts = forensics.Counts{Exited: 1, Terminated: 1, Killed: 1, Unkillable: 1, Left: 1, Spared: 1, Locks: 2, LocksFreed: 1}
	r.Groups = []forensics.Group{{Path: "/job_77", Removed: 2, Gone: true}}
	return r
}

func encode(t testing.TB, r *forensics.Record) []byte {
	t.Helper()
	line, err := r.Encode(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestTheManualShowsWhatIsWritten(t *testing.T) {
	const path = "../../docs/record.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), "```json\n")
	shown, after, ok := strings.Cut(rest, "\n```")
	if !ok {
		t.Fatal("docs/record.md has no example")
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(encode(t, example())), "", "  "); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+"```json\n"+pretty.String()+"\n```"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(pretty.String(), shown); diff != "" {
		t.Errorf("go test -update writes the example anew: %s", diff)
	}
	var keys map[string]any
	if err := json.Unmarshal(encode(t, full()), &keys); err != nil {
		t.Fatal(err)
	}
	documented(t, before, keys)
}

// documented asserts that the manual names every key, at every depth.
func documented(t *testing.T, manual string, value any) {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if !strings.Contains(manual, "`"+key+"`") {
				t.Errorf("docs/record.md does not name `%s`", key)
			}
			documented(t, manual, inner)
		}
	case []any:
		for _, inner := range v {
			documented(t, manual, inner)
		}
	}
}

// What is written can be read: every key arrives.
func TestRoundTrip(t *testing.T) {
	var got []report.Record
	err := report.Read(bytes.NewReader(encode(t, full())), func(r report.Record) { got = append(got, r) })
	if err != nil || len(got) != 1 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	again, err := json.Marshal(got[0])
	if err != nil {
		t.Fatal(err)
	}
	var want, have map[string]any
	if err := json.Unmarshal(encode(t, full()), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &have); err != nil {
		t.Fatal(err)
	}
	missing(t, "", want, have)
	filled(t, "", have)
}

// filled reports what is empty although full has something there: it was not
// written. Of a list the first entry is looked at.
func filled(t *testing.T, path string, value any) {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			filled(t, path+"."+key, inner)
		}
	case []any:
		filled(t, path, v[0])
	default:
		if v == nil || reflect.ValueOf(v).IsZero() {
			t.Errorf("%s is empty", path)
		}
	}
}

// missing reports what want has and have has not.
func missing(t *testing.T, path string, want, have any) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		h, _ := have.(map[string]any)
		for key, inner := range w {
			missing(t, path+"."+key, inner, h[key])
		}
	case []any:
		h, _ := have.([]any)
		for i, inner := range w {
			if i >= len(h) {
				t.Errorf("%s: %d of %d entries", path, len(h), len(w))
				return
			}
			missing(t, path, inner, h[i])
		}
	default:
		if !reflect.DeepEqual(want, have) {
			t.Errorf("%s: %v was written, %v was read", path, want, have)
		}
	}
}

// What is said of a job that hangs is made of what its program calls itself.
func TestALongSentenceIsCut(t *testing.T) {
	r := full()
	r.Hang.Text = strings.Repeat("x\n", 10_000)
	var got report.Record
	if err := json.Unmarshal(encode(t, r), &got); err != nil || got.Hang == nil || len(got.Hang.Text) > 2048 || strings.Contains(got.Hang.Text, "\n") {
		t.Errorf("%+v, %v", got.Hang, err)
	}
}

func crowd(n int) *forensics.Record {
	r := example()
	for len(r.Processes) < n {
		r.Processes = append(r.Processes, r.Processes[0])
	}
	return r
}

func TestALongRecordIsCut(t *testing.T) {
	r := crowd(5000)
	line, err := r.Encode(100_000)
	if err != nil || len(line) > 100_000 || len(line) < 50_000 {
		t.Fatalf("%d bytes, %v", len(line), err)
	}
	var got report.Record
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Processes)+len(got.Locks)+got.Omitted != len(r.Processes)+len(r.Locks) {
		t.Errorf("%d processes and %d locks are there and %d are said to be omitted", len(got.Processes), len(got.Locks), got.Omitted)
	}
}

// Whatever a process calls itself: one line, valid JSON, nothing to print
// that is no printing.
func FuzzEncode(f *testing.F) {
	f.Add("a) Z 1 (\n", "\x1b[2J", "/tmp/\xff\u202e")
	f.Fuzz(func(t *testing.T, comm, command, path string) {
		r := full()
		r.Processes[0].Comm, r.Processes[0].Command, r.Locks[0].Path = comm, command, path
		r.Locks[0].Holders[0].Comm, r.Warnings[0], r.User = comm, command, path
		line := encode(t, r)
		if !json.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("no single line of JSON: %q", line)
		}
		for _, text := range append(r.UserLines(), r.Summary()) {
			if strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f || c == 0x1b }) >= 0 {
				t.Fatalf("not printable: %q", text)
			}
		}
	})
}

func BenchmarkEncode1000(b *testing.B) {
	r := crowd(1000)
	for b.Loop() {
		if _, err := r.Encode(1 << 20); err != nil {
			b.Fatal(err)
		}
	}
}
