package forensics

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestQuote(t *testing.T) {
	tests := []struct {
		text string
		most int
		want string
	}{
		{"plain text (1)", 100, "plain text (1)"},
		{"größer", 100, "größer"},
		{"a\nb\x1b[31m", 100, `a\x0ab\x1b[31m`},
		{`back\slash`, 100, `back\\slash`},
		{"\xff\xfe", 100, `\xff\xfe`},
		{"\u202eevil\u200b", 100, `\u{202e}evil\u{200b}`},
		{"\x7f", 100, `\x7f`},
		{"abcdefghij", 10, "abcdefghij"},
		{"abcdefghijk", 10, "abcdefg..."},
		{"ab\x1b\x1b\x1b", 10, `ab\x1b...`},
		{"abc", 2, ".."},
		{"", 5, ""},
	}
	for _, test := range tests {
		if got := Quote(test.text, test.most); got != test.want {
			t.Errorf("Quote(%q, %d) = %q, want %q", test.text, test.most, got, test.want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\x1b[0m\u202e\xff\\", 12)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = max(0, min(most, 1<<16))
		got := Quote(text, most)
		if len(got) > most || !utf8.ValidString(got) {
			t.Errorf("Quote(%q, %d) = %q of %d bytes", text, most, got, len(got))
		}
		for _, c := range got {
			if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
				t.Errorf("Quote(%q) lets %U through", text, c)
			}
		}
	})
}

func TestSummary(t *testing.T) {
	tests := []struct {
		record Record
		want   string
	}{
		{
			Record{Hook: "epilog", Job: 7, Verdict: Clean, Phases: Phases{Total: 1234 * time.Microsecond}},
			"lastcall epilog: job 7: clean, 1.2ms",
		},
		{
			Record{Hook: "epilog", Job: 7, Verdict: Cleaned, Counts: Counts{Terminated: 3, Killed: 2, Exited: 1, Locks: 2, LocksFreed: 1}},
			"lastcall epilog: job 7: cleaned: 5 ended (3 by SIGTERM, 2 by SIGKILL), 1 exited by itself, 1 of 2 locks freed, 0s",
		},
		{
			Record{Hook: "epilog", Verdict: NoIdentity, Warnings: []string{"SLURM_JOB_ID is\nmissing"}},
			`lastcall epilog: no-identity, 0s; SLURM_JOB_ID is\x0amissing`,
		},
		{
			Record{Hook: "watch", Job: 7, Verdict: Finished, Hang: &Hang{Action: "reported", Text: "it\nhangs"}},
			`lastcall watch: job 7: finished-but-alive: reported: it\x0ahangs, 0s`,
		},
		{
			Record{Hook: "unkillable", Job: 7, Verdict: Unkillable, Causes: []Cause{{Text: "a\n", Abort: "b\n"}, {Text: "c"}, {Text: "d"}, {Text: "e"}, {Text: "f"}}},
			`lastcall unkillable: job 7: unkillable; a\x0a; b\x0a; c; d; 2 more causes, 0s`,
		},
	}
	for _, test := range tests {
		if got := test.record.Summary(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestUserLines(t *testing.T) {
	process := func(comm, sigterm string) Process { return Process{Comm: comm, Sigterm: sigterm, Outcome: "killed"} }
	r := Record{
		Mode: "enforce", Counts: Counts{Terminated: 2, Killed: 2, Locks: 1},
		Processes: []Process{
			process("sleep", "default"), process("sleep", "default"), process("bad\x1b[0m", "ignored"), process("c", "caught"),
			{Comm: "bash", Spared: "salloc", Outcome: "spared"},
		},
		Locks: []Lock{{Path: "/scratch/lo\nck"}},
	}
	want := []string{
		`lastcall: this step left 4 processes behind; ended sleep x2, bad\x1b[0m, c; 2 by SIGKILL`,
		`lastcall: SIGTERM was ignored by bad\x1b[0m; 1 lock was held on /scratch/lo\x0ack`,
	}
	if diff := cmp.Diff(want, r.UserLines()); diff != "" {
		t.Error(diff)
	}
	quiet := Record{Counts: Counts{Spared: 3, Exited: 1}, Processes: r.Processes}
	if lines := quiet.UserLines(); lines != nil {
		t.Errorf("nothing was ended, and the user reads %q", lines)
	}
}

// The hooks of several jobs may be the first on a node at the same time.
func TestTheFirstRecordsMakeTheFolderTogether(t *testing.T) {
	for range 50 {
		path := t.TempDir() + "/lastcall/log"
		start, done := make(chan struct{}), make(chan error)
		for range 8 {
			go func() {
				<-start
				done <- (&Record{}).Append(path)
			}()
		}
		close(start)
		for range 8 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAppend(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "made", "log.jsonl")
	r := Record{Hook: "epilog", Verdict: Clean}
	for range 2 {
		if err := r.Append(path); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("%q, %v", text, err)
	}
	if info, _ := os.Stat(path); info.Mode() != 0o640 {
		t.Errorf("mode %s", info.Mode())
	}
	for _, bad := range []string{filepath.Join(folder, "no", "such", "log"), folder, "/dev/null"} {
		if err := r.Append(bad); err == nil {
			t.Errorf("%s was written to", bad)
		}
	}
	link := filepath.Join(folder, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := r.Append(link); err == nil {
		t.Error("a link was followed")
	}
}

func TestSend(t *testing.T) {
	folder := t.TempDir()
	r := Record{Hook: "taskepilog", Job: 5, Verdict: Cleaned, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	listen := func(name string) *net.UnixConn {
		t.Helper()
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(folder, name), Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	got := func(conn *net.UnixConn) string {
		t.Helper()
		buffer := make([]byte, 1<<16)
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
	journal, syslog := filepath.Join(folder, "journal"), filepath.Join(folder, "syslog")
	if err := r.send(journal, syslog); err != nil {
		t.Errorf("without a journal and syslog: %v", err)
	}
	listener := listen("syslog")
	if err := r.send(journal, syslog); err != nil {
		t.Fatal(err)
	}
	if text := got(listener); !strings.HasPrefix(text, "<30>Jan  2 03:04:05 lastcall: {\"version\":1,") {
		t.Errorf("syslog got %q", text)
	}
	listener = listen("journal")
	if err := r.send(journal, syslog); err != nil {
		t.Fatal(err)
	}
	text := got(listener)
	if !strings.HasPrefix(text, "MESSAGE=lastcall taskepilog: job 5: cleaned") || !strings.Contains(text, "\nLASTCALL_RECORD={\"version\":1,") {
		t.Errorf("the journal got %q", text)
	}
}
