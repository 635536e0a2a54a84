package controller

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse reads what "scontrol --oneliner show job" prints about job.
//
// A record is one line of KEY=value, parted by blanks, and nothing in it is
// escaped (src/api/job_info.c, slurm_sprint_job_info; from 24.11 in
// src/scontrol/info_job.c). Users write into JobName, Comment, Command,
// WorkDir and others, blanks and line ends too. What comes before JobName is
// beyond their reach: JobId, ArrayJobId, HetJobId. Every other key that is
// used is one scontrol always prints, exactly once, so one that a user has
// written is one too many and the answer is ErrAmbiguous. A line end in a name
// makes a second line, and there is only one unless an array or a het job was
// asked for by its first id (job_mgr.c, pack_one_job). What remains is a user
// who writes whole records into the name of such a job of his own: he can only
// make it look told to end, and what slurmd was told is known from elsewhere.
//
// asked is the id scontrol was asked for, job the one that matters: both are
// the same but for a component of a het job, for which the leader is asked.
func Parse(text string, asked, job uint32) (Answer, error) {
	var records []Record
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			continue
		}
		record, rest, ok := front(line)
		if !ok {
			return Answer{}, fmt.Errorf("a line that is no record: %.80q: %w", line, ErrFormat)
		}
		// Of an array only the one task matters.
		if record.Job == job || record.HetLeader != 0 {
			if err := record.take(rest); err != nil {
				return Answer{}, fmt.Errorf("job %d: %w", record.Job, err)
			}
		}
		records = append(records, record)
	}
	return together(records, asked, job)
}

// together keeps the job's record, or those of all components of a het job,
// and makes sure that they belong together.
func together(records []Record, asked, job uint32) (Answer, error) {
	answer := Answer{Job: job}
	var own Record
	seen := map[uint32]bool{}
	for _, record := range records {
		if seen[record.Job] {
			return Answer{}, fmt.Errorf("two records of job %d: %w", record.Job, ErrAmbiguous)
		}
		seen[record.Job] = true
		if record.Job == job {
			own = record
		}
	}
	switch {
	case own.Job == 0:
		return Answer{}, fmt.Errorf("no record of job %d: %w", job, ErrFormat)
	case len(records) > 1 && asked != own.Array && asked != own.HetLeader:
		return Answer{}, fmt.Errorf("%d records of one job: %w", len(records), ErrAmbiguous)
	}
	for _, record := range records {
		if record.Array != own.Array || record.HetLeader != own.HetLeader {
			return Answer{}, fmt.Errorf("a record of job %d, which has nothing to do with %d: %w", record.Job, job, ErrAmbiguous)
		}
		if record.Job == job || own.HetLeader != 0 {
			answer.Records = append(answer.Records, record)
		}
	}
	return answer, nil
}

// front reads what stands before JobName and returns what follows it.
func front(line string) (record Record, rest string, ok bool) {
	rest = line
	number := func(key string) uint32 {
		after, found := strings.CutPrefix(rest, key+"=")
		value, more, parted := strings.Cut(after, " ")
		n, err := strconv.ParseUint(value, 10, 32)
		if !found || !parted || err != nil {
			return 0
		}
		rest = more
		return uint32(n)
	}
	if record.Job = number("JobId"); record.Job == 0 {
		return Record{}, "", false
	}
	if record.Array = number("ArrayJobId"); record.Array != 0 {
		for _, key := range []string{"ArrayTaskId=", "ArrayTaskThrottle="} {
			if strings.HasPrefix(rest, key) {
				_, rest, _ = strings.Cut(rest, " ")
			}
		}
	}
	if record.HetLeader = number("HetJobId"); record.HetLeader != 0 {
		before := rest
		record.HetOffset = int(number("HetJobOffset"))
		if rest == before {
			return Record{}, "", false
		}
	}
	return record, rest, strings.HasPrefix(rest, "JobName=")
}

// keys are the ones that are used. scontrol prints each of them always, from
// 20.11 to 26.05. The SLUID is not among them: only --details shows it, so a
// user could be the one who wrote it.
var keys = [...]string{"UserId", "JobState", "Requeue", "Restarts", "StartTime", "EndTime", "SuspendTime", "Partition", "NodeList"}

// take reads the rest of a record.
func (r *Record) take(rest string) error {
	values := make(map[string]string, len(keys))
	for field := range strings.FieldsFuncSeq(rest, blank) {
		key, value, ok := strings.Cut(field, "=")
		if !ok || !slices.Contains(keys[:], key) {
			continue
		}
		if _, twice := values[key]; twice {
			return fmt.Errorf("%s= stands there twice: %w", key, ErrAmbiguous)
		}
		values[key] = value
	}
	for _, key := range keys {
		if _, ok := values[key]; !ok {
			return fmt.Errorf("%s= is missing: %w", key, ErrFormat)
		}
	}
	return r.set(values)
}

// blank parts fields. Slurm writes only blanks; others in a user's text must
// not hide a key from the count.
func blank(c rune) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' }

func (r *Record) set(values map[string]string) error {
	r.State, r.Partition = values["JobState"], values["Partition"]
	if r.State == "" || strings.Trim(r.State, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
		return fmt.Errorf("JobState=%.40q: %w", r.State, ErrFormat)
	}
	if r.Nodes = values["NodeList"]; r.Nodes == "(null)" {
		r.Nodes = ""
	}
	name, inside, open := strings.Cut(values["UserId"], "(")
	inside, closed := strings.CutSuffix(inside, ")")
	user, err := strconv.ParseUint(inside, 10, 32)
	if !open || !closed || err != nil {
		return fmt.Errorf("UserId=%.60q: %w", values["UserId"], ErrFormat)
	}
	r.User, r.UserName = uint32(user), name
	restarts, err := strconv.ParseUint(values["Restarts"], 10, 31)
	if err != nil {
		return fmt.Errorf("Restarts=%.40q: %w", values["Restarts"], ErrFormat)
	}
	r.Restarts, r.Requeue = int(restarts), values["Requeue"] == "1"
	for key, into := range map[string]*time.Time{"StartTime": &r.Start, "EndTime": &r.End, "SuspendTime": &r.Suspended} {
		var ok bool
		if *into, ok = moment(values[key]); !ok {
			return fmt.Errorf("%s=%.40q: expected seconds: %w", key, values[key], ErrFormat)
		}
	}
	return nil
}

// moment reads a time in seconds since 1970, which SLURM_TIME_FORMAT asks for
// (src/common/parse_time.c, slurm_make_time_str), or the words for none.
func moment(value string) (time.Time, bool) {
	switch value {
	case "Unknown", "None", "N/A":
		return time.Time{}, true
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds < 0 || seconds >= 1<<33 {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}
