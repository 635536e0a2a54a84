package spool

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lastcall/internal/linux"

	"github.com/google/go-cmp/cmp"
)

// image builds the bytes of a file as src/common/pack.c does.
type image []byte

func (b image) u16(v uint16) image { return binary.BigEndian.AppendUint16(b, v) }
func (b image) u32(v uint32) image { return binary.BigEndian.AppendUint32(b, v) }
func (b image) u64(v uint64) image { return binary.BigEndian.AppendUint64(b, v) }

const (
	born  = 1795000000
	ended = 1795000100
	noVal = 0xfffffffe
)

// unversionedFile is what slurm_cred_ctx_pack writes (20.11 to 22.05:
// src/common/slurm_cred.c, 23.02: src/interfaces/cred.c, _job_state_pack_one
// and _cred_state_pack_one), and _cred_context_pack of 23.11 and 24.05.
func unversionedFile() image {
	return image{}.
		u32(2).
		u32(7).u64(0).u64(born).u64(noExpiration).
		u32(8).u64(ended).u64(born).u64(noExpiration).
		u32(1).
		u32(7).u32(0).u32(noVal).u64(born).u64(born + 120)
}

// headerFile is _cred_context_pack of 24.11 (42) and 25.05 (43): pack_step_id
// already has the SLUID, _job_state_pack not.
func headerFile(version uint16) image {
	return image{}.
		u16(version << 8).
		u32(2).
		u32(7).u64(0).u64(born).u64(noExpiration).
		u32(8).u64(ended).u64(born).u64(noExpiration).
		u32(1).
		u64(0).u32(7).u32(0).u32(noVal).u64(born).u64(born + 120)
}

// stepIDFile is _cred_context_pack of 25.11 (44): _job_state_pack writes a
// step id.
func stepIDFile() image {
	return image{}.
		u16(44 << 8).
		u32(2).
		u64(0x5011).u32(7).u32(noVal).u32(noVal).u64(0).u64(born).u64(noExpiration).
		u64(0x5012).u32(8).u32(noVal).u32(noVal).u64(ended).u64(born).u64(noExpiration).
		u32(1).
		u64(0x5011).u32(7).u32(0).u32(noVal).u64(born).u64(born + 120)
}

// limitFile is _cred_context_pack of 26.05 (45): reject_before comes after
// the three times.
func limitFile() image {
	return image{}.
		u16(45 << 8).
		u32(2).
		u64(0x5011).u32(7).u32(noVal).u32(noVal).u64(0).u64(born).u64(noExpiration).u64(noExpiration).
		u64(0x5012).u32(8).u32(noVal).u32(noVal).u64(ended).u64(born).u64(noExpiration).u64(ended).
		u32(1).
		u64(0x5011).u32(7).u32(0).u32(noVal).u64(born).u64(born + 120)
}

func images() map[string]image {
	return map[string]image{
		"20.11 to 24.05": unversionedFile(), "24.11": headerFile(42), "25.05": headerFile(43), "25.11": stepIDFile(), "26.05": limitFile(),
	}
}

func TestParseState(t *testing.T) {
	for version, file := range images() {
		state, err := ParseState(file)
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		want := []Credential{
			{Job: 7, Created: time.Unix(born, 0)},
			{Job: 8, Created: time.Unix(born, 0), Revoked: time.Unix(ended, 0)},
		}
		if version == "25.11" || version == "26.05" {
			want[0].SLUID, want[1].SLUID = 0x5011, 0x5012
		}
		if diff := cmp.Diff(want, state.Jobs); diff != "" {
			t.Errorf("%s: %s", version, diff)
		}
	}
}

func TestEmptyState(t *testing.T) {
	for _, file := range []image{image{}.u32(0).u32(0), image{}.u16(42 << 8).u32(0).u32(0), image{}.u16(45 << 8).u32(0).u32(0)} {
		if state, err := ParseState(file); err != nil || len(state.Jobs) != 0 {
			t.Errorf("%x: %v %v", file, state, err)
		}
	}
	// Seen with Slurm 22.05: one job, no step.
	seen := image{}.u32(1).u32(7).u64(0).u64(born).u64(noExpiration).u32(0)
	if state, err := ParseState(seen); len(seen) != 36 || err != nil || len(state.Jobs) != 1 {
		t.Errorf("%x: %v %v", seen, state, err)
	}
}

// Every cut and every byte too many must be noticed, and a file must not pass
// as one of another version.
func TestDamageIsNoticed(t *testing.T) {
	for version, file := range images() {
		for length := range len(file) {
			if state, err := ParseState(file[:length]); !errors.Is(err, ErrFormat) {
				t.Errorf("%s cut to %d bytes: %v %v", version, length, state, err)
			}
		}
		if state, err := ParseState(append(file[:len(file):len(file)], 0)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s and one byte more: %v %v", version, state, err)
		}
		if file[0] == 0 {
			continue
		}
		for other := uint16(36); other < 50; other++ {
			changed := append(image{}.u16(other<<8), file[2:]...)
			same := changed[0] == file[0] || changed[0]+file[0] == 42+43 // 24.11 and 25.05 are alike
			if state, err := ParseState(changed); !same && !errors.Is(err, ErrFormat) {
				t.Errorf("%s with the header of %d: %v %v", version, other, state, err)
			}
		}
	}
}

func TestNonsenseIsNoState(t *testing.T) {
	job := func(id uint32, revoked, created, expires uint64) image {
		return image{}.u32(1).u32(id).u64(revoked).u64(created).u64(expires).u32(0)
	}
	tests := map[string]image{
		"no job":              job(0, 0, born, noExpiration),
		"never created":       job(7, 0, 0, noExpiration),
		"no expiration":       job(7, 0, born, 0),
		"created long ago":    job(7, 0, 1000, noExpiration),
		"revoked before time": job(7, ^uint64(0), born, noExpiration),
		"expires never":       job(7, 0, born, 1<<40),
		"NO_VAL jobs":         image{}.u32(noVal).u32(0),
		"NO_VAL steps":        image{}.u32(0).u32(noVal),
		"a step of long ago":  image{}.u32(0).u32(1).u32(7).u32(0).u32(noVal).u64(5).u64(born),
		"text":                image("NodeName=n1\n"),
		"too long":            make(image, mostState),
		"Slurm 26.11":         image{}.u16(46 << 8).u32(0).u32(0),
		"Slurm 20.02's era":   image{}.u16(35 << 8).u32(0).u32(0),
	}
	for name, file := range tests {
		if state, err := ParseState(file); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v %v", name, state, err)
		}
	}
}

func TestEnding(t *testing.T) {
	revoked := time.Unix(ended, 0)
	tests := []struct {
		name string
		c    Credential
		want bool
	}{
		{"runs", Credential{Job: 7}, false},
		{"told to end", Credential{Job: 7, Revoked: revoked}, true},
		{"over, the Epilog runs or has run", Credential{Job: 7, Revoked: revoked, Expires: revoked.Add(125 * time.Second)}, false},
		{"slurmd was restarted in between", Credential{Job: 7, Revoked: revoked, Expires: revoked.Add(600 * time.Second)}, true},
		{"an expiration alone", Credential{Job: 7, Expires: revoked}, false},
	}
	began := time.Unix(born, 0)
	for _, test := range tests {
		if got := test.c.Ending(); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
		state := State{Written: began.Add(time.Second), Jobs: []Credential{{Job: 6, Revoked: revoked}, test.c}}
		if got := state.Ending(7, began); got != test.want {
			t.Errorf("%s, in a file: %v", test.name, got)
		}
		if state.Ending(7, began.Add(time.Second)) || state.Ending(7, began.Add(time.Minute)) {
			t.Errorf("%s: a file older than the steps counts", test.name)
		}
		if state.Ending(8, began) {
			t.Errorf("%s: another job ends", test.name)
		}
	}
}

// From 25.11 on the runs of a job stand side by side. Seen with 26.05.5: the
// first run was being ended when slurmd was killed, the second runs.
func TestTheLastRunCounts(t *testing.T) {
	revoked := time.Unix(ended, 0)
	first := Credential{Job: 7, SLUID: 1, Created: time.Unix(born, 0), Revoked: revoked, Expires: revoked.Add(600 * time.Second)}
	second := Credential{Job: 7, SLUID: 2, Created: revoked.Add(time.Second)}
	sameSecond := Credential{Job: 7, SLUID: 2, Created: first.Created}
	ending := second
	ending.Revoked = revoked.Add(time.Minute)
	tests := []struct {
		name string
		jobs []Credential
		want bool
	}{
		{"the first alone", []Credential{first}, true},
		{"the second runs", []Credential{first, second}, false},
		{"in any order", []Credential{second, first}, false},
		{"made in the same second", []Credential{first, sameSecond}, false},
		{"the second is told to end", []Credential{first, ending}, true},
	}
	for _, test := range tests {
		state := State{Written: revoked.Add(time.Hour), Jobs: test.jobs}
		if got := state.Ending(7, revoked); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestReadState(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadState(dir); !linux.Gone(err) {
		t.Errorf("no file: %v", err)
	}
	path := filepath.Join(dir, StateFile)
	if err := os.WriteFile(path, unversionedFile(), 0o600); err != nil {
		t.Fatal(err)
	}
	when := time.Unix(ended, 5)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
	state, err := ReadState(dir)
	if err != nil || len(state.Jobs) != 2 || !state.Written.Equal(when) {
		t.Errorf("%v %v", state, err)
	}
}

func FuzzParseState(f *testing.F) {
	for _, file := range images() {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		state, err := ParseState(file)
		if err != nil && (!errors.Is(err, ErrFormat) || state.Jobs != nil) {
			t.Errorf("%x: %v %v", file, state, err)
		}
		for _, c := range state.Jobs {
			if c.Job == 0 || c.Created.Unix() < 1e9 || !c.Revoked.IsZero() && c.Revoked.Unix() < 1e9 {
				t.Errorf("%x was read as %+v", file, c)
			}
		}
		if len(state.Jobs)*28 > len(file) {
			t.Errorf("%d jobs out of %d bytes", len(state.Jobs), len(file))
		}
	})
}
