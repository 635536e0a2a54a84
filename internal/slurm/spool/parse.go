package spool

import (
	"encoding/binary"
	"fmt"
	"time"
)

// layout is the size of the entries of one version of the file. All numbers
// are big-endian (src/common/pack.c).
type layout struct {
	name  string
	sluid bool // a job's entry begins with a step id: SLUID, job, step, component
	job   int  // bytes of a job's entry
	step  int  // bytes of a step's entry
}

// The layouts, from _job_state_pack, _cred_state_pack, pack_step_id and
// slurm_pack_list as they are in every release of the version.
var (
	// 20.11 to 24.05: two lists without a header. job: id 4, revoked 8,
	// created 8, expiration 8. step: job 4, step 4, component 4, two times.
	unversioned = layout{name: "20.11 to 24.05", job: 28, step: 28}
	// 24.11 and 25.05: a version of 2 bytes first; pack_step_id has a SLUID.
	withHeader = layout{name: "24.11 and 25.05", job: 28, step: 36}
	// 25.11: the job's entry has a step id too.
	withStepID = layout{name: "25.11", sluid: true, job: 44, step: 36}
	// 26.05: and a fourth time, reject_before.
	withLimit = layout{name: "26.05", sluid: true, job: 52, step: 36}
)

// The versions in the header: SLURM_*_PROTOCOL_VERSION of
// src/common/slurm_protocol_common.h, a number a release shifted by 8.
const (
	version2411 = 42 << 8
	version2505 = 43 << 8
	version2511 = 44 << 8
	version2605 = 45 << 8
)

// noExpiration is MAX_TIME of cred_context.c.
const noExpiration = 0x7fffffff

// ParseState reads the content of cred_state. The header tells the versions
// from 24.11 on apart; before there was none, and the file begins with a
// count, whose upper half is a tiny number in every file of this size. The
// length must fit to the byte and every value must be one slurmd can write;
// otherwise the error wraps ErrFormat.
func ParseState(text []byte) (State, error) {
	if len(text) < 8 {
		return State{}, fmt.Errorf("%d bytes: %w", len(text), ErrFormat)
	}
	if len(text) > mostState-1 {
		return State{}, fmt.Errorf("more than %d bytes: %w", mostState, ErrFormat)
	}
	version := binary.BigEndian.Uint16(text)
	if version < version2411>>8 {
		return unversioned.parse(text)
	}
	switch version {
	case version2411, version2505:
		return withHeader.parse(text[2:])
	case version2511:
		return withStepID.parse(text[2:])
	case version2605:
		return withLimit.parse(text[2:])
	default:
		return State{}, fmt.Errorf("version %#x: %w", version, ErrFormat)
	}
}

func (l layout) parse(text []byte) (State, error) {
	jobs, rest, ok := list(text, l.job)
	if !ok {
		return State{}, fmt.Errorf("the list of jobs does not fit into %d bytes of version %s: %w", len(text), l.name, ErrFormat)
	}
	steps, rest, ok := list(rest, l.step)
	if !ok || len(rest) != 0 {
		return State{}, fmt.Errorf("the list of steps does not end where the file of version %s ends: %w", l.name, ErrFormat)
	}
	var state State
	for entry := jobs; len(entry) > 0; entry = entry[l.job:] {
		credential, ok := l.credential(entry[:l.job])
		if !ok {
			return State{}, fmt.Errorf("an entry of a job that no slurmd of version %s writes: %w", l.name, ErrFormat)
		}
		state.Jobs = append(state.Jobs, credential)
	}
	for entry := steps; len(entry) > 0; entry = entry[l.step:] {
		if !plausible(entry[l.step-16:l.step-8]) || !plausible(entry[l.step-8:l.step]) {
			return State{}, fmt.Errorf("an entry of a step that no slurmd of version %s writes: %w", l.name, ErrFormat)
		}
	}
	return state, nil
}

// list takes a counted list off the front of text. slurm_pack_list writes the
// count NO_VAL for a list it could not write; that never fits.
func list(text []byte, size int) (entries, rest []byte, ok bool) {
	if len(text) < 4 {
		return nil, nil, false
	}
	count := uint64(binary.BigEndian.Uint32(text))
	text = text[4:]
	if count*uint64(size) > uint64(len(text)) {
		return nil, nil, false
	}
	end := int(count) * size
	return text[:end], text[end:], true
}

// credential reads one entry: the ids, then revoked, created, expiration, and
// from 26.05 on reject_before, which says nothing about the end of a job.
func (l layout) credential(entry []byte) (Credential, bool) {
	var c Credential
	if l.sluid {
		c.SLUID = binary.BigEndian.Uint64(entry)
		c.Job = binary.BigEndian.Uint32(entry[8:])
		entry = entry[20:]
	} else {
		c.Job = binary.BigEndian.Uint32(entry)
		entry = entry[4:]
	}
	if c.Job == 0 {
		return Credential{}, false
	}
	for at := 0; at < len(entry); at += 8 {
		if !plausible(entry[at : at+8]) {
			return Credential{}, false
		}
	}
	revoked, created, expires := seconds(entry), seconds(entry[8:]), seconds(entry[16:])
	if created == 0 || expires == 0 {
		return Credential{}, false
	}
	if revoked != 0 {
		c.Revoked = time.Unix(revoked, 0)
	}
	c.Created = time.Unix(created, 0)
	if expires != noExpiration {
		c.Expires = time.Unix(expires, 0)
	}
	return c, true
}

func seconds(field []byte) int64 { return int64(binary.BigEndian.Uint64(field)) }

// plausible says whether the 8 bytes can be a time: zero, or from 2001 to
// 2242. A layout read at the wrong place does not stand this for long.
func plausible(field []byte) bool {
	value := seconds(field)
	return value == 0 || value >= 1e9 && value < 1<<33
}
