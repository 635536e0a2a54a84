package report

import (
	"strings"
	"testing"
)

func TestReadNamesTheBadLine(t *testing.T) {
	n := 0
	err := Read(strings.NewReader("{\"job\":1}\n\n{\"job\":\"x\"}\n"), func(r Record) {
		n++
		if r.Job != 1 {
			t.Errorf("job %d", r.Job)
		}
	})
	if n != 1 || err == nil || !strings.HasPrefix(err.Error(), "line 3 is no record") {
		t.Errorf("%d records, %v", n, err)
	}
}

// A disk that was full cuts a record off; the next one stands in its line.
func TestReadGoesOn(t *testing.T) {
	var jobs []uint32
	text := "{\"version\":1,\"job\":1,\"comm\":\"{\\\"version\\\":{\"version\":1,\"job\":2}\nnonsense\n{\"version\":1,\"job\":3}\n{\"version\":1,\"jo"
	err := Read(strings.NewReader(text), func(r Record) { jobs = append(jobs, r.Job) })
	if len(jobs) != 2 || jobs[0] != 2 || jobs[1] != 3 {
		t.Errorf("jobs %v", jobs)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "line 1 is no record") {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("{\"version\":1,\"processes\":[{\"pid\":1}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		_ = Read(strings.NewReader(text), func(Record) { n++ })
		if n > strings.Count(text, "\n")+1 {
			t.Errorf("%d records in %q", n, text)
		}
	})
}
