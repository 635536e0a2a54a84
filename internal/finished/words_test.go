package finished

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Names are the user's: nothing of them reaches a terminal as it is, in JSON
// either. A program reads there what they were.
func TestJSONIsSafe(t *testing.T) {
	const name = "\x1b[2J\n\x7f\u009b\u202eü\U000e0001"
	result := Result{PID: 7, Command: name, Finding: Finding{Waits: []Wait{{Thread: name, At: &Place{File: name}}}}, Words: "a <b>"}
	text, err := json.Marshal([]Result{result})
	if err != nil || strings.ContainsAny(string(text), "\x1b\n\x7f\u009b\u202e\U000e0001") || !strings.Contains(string(text), "ü") {
		t.Errorf("%q, %v", text, err)
	}
	var got []Result
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, []Result{result}) {
		t.Errorf("%+v, %v", got, err)
	}
	step := Step{Ended: []uint32{1}, Living: []Rank{{Command: name}}}
	text, err = json.Marshal([]Step{step})
	if err != nil || strings.ContainsAny(string(text), "\x1b\n\x7f\u009b\u202e\U000e0001") {
		t.Errorf("%q, %v", text, err)
	}
	var steps []Step
	if err := json.Unmarshal(text, &steps); err != nil || !reflect.DeepEqual(steps, []Step{step}) {
		t.Errorf("%+v, %v", steps, err)
	}
}
